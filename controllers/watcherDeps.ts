import type { Logger } from 'pino';
import type { KubeClient } from '../kube/client.ts';
import type { EventRecorder } from '../kube/events.ts';
import type { Informers } from './informers.ts';
import type { Starter } from './starter.ts';

/** What the watchers of hosts and machines need of their surroundings. */
export interface WatcherDeps {
  readonly kube: KubeClient;
  readonly informers: Informers;
  readonly starter: Starter;
  readonly logger: Logger;
  readonly recorder: Pick<EventRecorder, 'event'>;
  readonly timing?: Partial<WatcherTiming>;
}

/** Times of the watchers, in ms. */
export interface WatcherTiming {
  /** How often an object with unfinished work is looked at again. */
  readonly resyncMs: number;
  /** How old a fact may be before the run is signalled: its writer has signalled already. */
  readonly signalAfterMs: number;
  /** When the run is signalled again; doubled each time. */
  readonly signalEveryMs: number;
  /** How long a host may look orphaned: a release writes claim and status one after the other. */
  readonly graceMs: number;
  /** How long a machine has to be gone before its host, never handed over, is released (rule 13). */
  readonly orphanReleaseMs: number;
}

/** The times in use unless told otherwise. */
export const WATCHER_TIMING: WatcherTiming = {
  resyncMs: 60_000,
  signalAfterMs: 3_000,
  signalEveryMs: 10_000,
  graceMs: 5_000,
  orphanReleaseMs: 600_000,
};
