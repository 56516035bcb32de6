import type { Caches } from '../activities/dependencies.ts';
import { isUnclaimed } from '../model/claim.ts';
import { byAge } from '../model/waiters.ts';
import { duplicateAmong, duplicateIn, machineOn, mayClaim, neighbours, type Informers } from '../controllers/index.ts';

/** The view of the watch caches that activities have. */
export function cachesOf(informers: Informers): Caches {
  const { hosts, machines } = informers;
  const inNamespace = (namespace: string) => hosts.byIndex('byNamespace', namespace);
  return {
    availableHosts: (namespace) => ({
      hosts: hosts.byIndex('byState', `${namespace}/Available`).filter(isUnclaimed),
      lookedAt: inNamespace(namespace).length,
    }),
    hosts: inNamespace,
    hostsNaming: (namespace, machine) => hosts.byIndex('byConsumer', `${namespace}/${machine}`),
    poolHosts: (pool) => hosts.list().filter(({ spec }) => spec.redfishConnection.workerPool === pool),
    host: (namespace, name) => hosts.get(namespace, name),
    machine: (namespace, name) => machines.get(namespace, name),
    machineOn: (host) => machineOn(informers, host),
    duplicateOf: (host) => duplicateIn(informers, host),
    duplicateAmong: (host, others) => duplicateAmong(informers, host, others),
    neighboursOf: (host) => neighbours(informers, host),
    isNamed: (host) => machineOn(informers, host) !== undefined,
    waitingMachines: (namespace) =>
      machines
        .byIndex('waiting', namespace)
        .filter((machine) => mayClaim(informers, machine))
        .sort(byAge),
  };
}
