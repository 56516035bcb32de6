import type { Client } from '@temporalio/client';
import type { NativeConnection } from '@temporalio/worker';
import type { Logger } from 'pino';
import { noteBmcRequest } from '../activities/bmc/bmcRequests.ts';
import { CredentialCache } from '../activities/bmc/credentialCache.ts';
import { HostReservations } from '../activities/claim/hostReservations.ts';
import type { Dependencies } from '../activities/dependencies.ts';
import { SecretMarks } from '../activities/store/secretMarks.ts';
import type { Informers, Starter } from '../controllers/index.ts';
import type { KubeClient } from '../kube/client.ts';
import type { EventRecorder } from '../kube/events.ts';
import { RedfishPool } from '../redfish/index.ts';
import { bmcNetworks } from './bmcNetworks.ts';
import { cachesOf } from './caches.ts';
import type { Config } from './config.ts';
import type { Health } from './health.ts';
import type { Metrics } from './metrics.ts';
import type { Parts } from './parts.ts';
import type { TemporalTarget } from './temporal.ts';
import { TemporalWorkers, type Owner } from './temporalWorkers.ts';
import type { Tracing } from './tracing/index.ts';

/** The Temporal workers of a process, and what the activities of all of them share. */
export interface ActivityWork {
  readonly workers: TemporalWorkers;
  readonly deps: Dependencies;
}

/** What activities are made of. */
export interface ActivitySurroundings {
  readonly config: Config;
  readonly kube: KubeClient;
  readonly informers: Informers;
  readonly client: Client;
  readonly connection: NativeConnection;
  readonly target: TemporalTarget;
  readonly owner: Owner;
  readonly starter: Starter;
  readonly recorder: EventRecorder;
  readonly metrics: Pick<Metrics, 'activities' | 'redfishRequest'>;
  readonly logger: Logger;
  readonly tracing: Tracing | undefined;
  readonly stopping: AbortSignal;
}

/**
 * Makes them, for the roles `worker` and `bmc-worker` together. The workers are stopped before the connections to BMCs
 * are closed. `decides`: a worker that is not running makes the process not ready.
 */
export function activityWork(
  from: ActivitySurroundings,
  process: { readonly parts: Parts; readonly health: Health; readonly decides: boolean },
): ActivityWork {
  const deps = dependencies(from);
  const { connection, target, owner, logger, tracing } = from;
  const workers = new TemporalWorkers({ connection, target, owner, clock: from.kube.clock, logger, tracing });
  process.parts.add('redfish', () => deps.redfish.closeAll());
  process.parts.add('workers', () => workers.stop());
  process.health.set('workers', () => workers.problem(), { decides: process.decides });
  return { workers, deps };
}

function dependencies(from: ActivitySurroundings): Dependencies {
  const { config, kube, starter, metrics } = from;
  return {
    kube,
    redfish: new RedfishPool({
      networks: bmcNetworks(config, process.env),
      requiresHttps: config.requireBmcHttps,
      observe: (request) => {
        metrics.redfishRequest(request);
        noteBmcRequest(request);
      },
    }),
    caches: cachesOf(from.informers),
    reservations: new HostReservations(),
    credentials: new CredentialCache(kube),
    secretMarks: new SecretMarks(kube),
    recorder: from.recorder,
    temporal: from.client,
    releases: {
      startOrWake: (input) => starter.startOrWakeRelease(input),
      start: async (input) => void (await starter.startRelease(input)),
    },
    logger: from.logger,
    metrics: metrics.activities,
    options: {
      bootTimeoutMs: config.bootTimeout,
      inspectionTimeoutMs: config.inspectionTimeout,
      provisioningTimeoutMs: config.provisioningTimeout,
      gracefulShutdownMs: config.gracefulShutdownTimeout,
    },
    stopping: from.stopping,
  };
}
