import type { Caches } from '../activities/dependencies.ts';
import { isUnclaimed } from '../crds/claim.ts';
import type { Beskar7Machine } from '../crds/beskar7Machine.ts';
import { machineOn, mayClaim, type Informers } from '../controllers/index.ts';

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
    isNamed: (host) => machineOn(informers, host) !== undefined,
    waitingMachines: (namespace) =>
      oldestFirst(machines.byIndex('waiting', namespace).filter((machine) => mayClaim(informers, machine))),
  };
}

function oldestFirst(machines: Beskar7Machine[]): Beskar7Machine[] {
  const key = ({ metadata }: Beskar7Machine) => `${metadata.creationTimestamp ?? ''} ${metadata.name}`;
  return [...machines].sort((a, b) => (key(a) < key(b) ? -1 : 1));
}
