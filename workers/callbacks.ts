import type { Client } from '@temporalio/client';
import type { Logger } from 'pino';
import type { ApiDependencies } from '../api/index.ts';
import type { Informers } from '../controllers/index.ts';
import { consumerOf } from '../model/references.ts';
import type { KubeClient } from '../kube/client.ts';
import type { EventRecorder } from '../kube/events.ts';
import { keepReport } from '../kube/reportHistory.ts';
import { MACHINES } from '../kube/resource.ts';
import { find } from '../kube/swap.ts';
import { workflowId } from '../contracts/names.ts';

/** How long a signal may take; after that the machine watcher sends it again. */
const SIGNAL_MS = 5_000;
/** A server that boots is told to come again while its connection is still open. */
const GET_MS = 3_000;
/** A server that reports does not wait longer for its earlier report to be kept. */
const KEEP_MS = 2_000;

/** What the callback endpoint works with in this process. */
export function callbackDependencies(parts: {
  kube: KubeClient;
  informers: Informers;
  /** Undefined as long as Temporal has not been reached: what is stored then is told by the machine watcher. */
  client: () => Client | undefined;
  recorder: EventRecorder;
  logger: Logger;
}): ApiDependencies {
  const { kube, informers, client, recorder, logger } = parts;
  return {
    kube,
    recorder,
    logger: logger.child({ part: 'api' }),
    hostsByMac: (mac) => informers.hosts.byIndex('byMac', mac),
    machineOf: async (host) => {
      const consumer = consumerOf(host);
      if (consumer === undefined) return undefined;
      const { namespace, name, uid } = consumer;
      const cached = informers.machines.get(namespace, name);
      if (cached?.metadata.uid === uid) return cached;
      return find(kube, MACHINES, { namespace, name }, { timeoutMs: GET_MS });
    },
    keepReport: (host) => keepReport(kube, host, { timeoutMs: KEEP_MS }),
    signal: async (kind, machine, claim) => {
      const temporal = client();
      if (temporal === undefined) throw new Error('Temporal has not been reached yet');
      const handle = temporal.workflow.getHandle(workflowId('provision', machine));
      await temporal.withDeadline(Date.now() + SIGNAL_MS, () => handle.signal(kind, { claim }));
    },
  };
}
