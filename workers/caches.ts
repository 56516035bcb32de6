import type { Caches } from '../activities/dependencies.ts';
import { isUnclaimed } from '../crds/claim.ts';
import { findCondition } from '../crds/conditions.ts';
import { CONDITIONS, MACHINE_REASONS } from '../crds/reasons.ts';
import type { Beskar7Machine } from '../crds/beskar7Machine.ts';
import type { Informers } from '../controllers/index.ts';

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
    host: (namespace, name) => hosts.get(namespace, name),
    machine: (namespace, name) => machines.get(namespace, name),
    waitingMachines: (namespace) => machines.byIndex('waiting', namespace).filter(isWaiting),
  };
}

/** A machine whose run waits for a host. */
export function isWaiting(machine: Beskar7Machine): boolean {
  const provisioned = findCondition(machine.status?.conditions, CONDITIONS.machineProvisioned);
  return machine.metadata.deletionTimestamp === undefined && provisioned?.reason === MACHINE_REASONS.noMatchingHost;
}
