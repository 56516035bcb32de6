import type { Informers } from '../controllers/index.ts';
import { claimOf } from '../model/claim.ts';
import { consumerOf } from '../model/references.ts';

/**
 * The trace of a machine by the claim on its host: for machines whose run another process has started. Undefined where
 * no host is claimed for it, or the claim has no trace.
 */
export function traceOfMachine(informers: Informers): (namespace: string, machine: string) => string | undefined {
  return (namespace, machine) => {
    const { uid } = informers.machines.get(namespace, machine)?.metadata ?? {};
    const hosts = informers.hosts.byIndex('byConsumer', `${namespace}/${machine}`);
    const host = hosts.find((one) => uid !== undefined && consumerOf(one)?.uid === uid);
    return host && claimOf(host)?.traceparent?.split('-')[1];
  };
}
