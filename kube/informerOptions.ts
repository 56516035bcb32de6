import type { Logger } from 'pino';
import type { Identified } from './resource.ts';
import type { Indexes } from './store.ts';
import type { Interruption } from './watchHealth.ts';

/** What a watch cache keeps, and how it watches. */
export interface InformerOptions<T extends Identified> {
  readonly logger: Pick<Logger, 'warn' | 'info' | 'debug'>;
  /** Absent: all namespaces. */
  readonly namespace?: string;
  /** Absent: all objects. One whose labels stop matching counts as deleted. */
  readonly labelSelector?: string;
  /** Removes unused fields before the object is cached. */
  readonly trim?: (object: T) => T;
  readonly indexes?: Indexes<T>;
  /** The kind may not be installed: then the cache counts as synced and empty. */
  readonly optional?: boolean;
  /** Returns the listener for what happens to the watch of this kind. */
  readonly observerOf?: (kind: string) => WatchObserver;
  readonly timing?: Partial<InformerTiming>;
}

/** Told what happens to a watch, for metrics. */
export interface WatchObserver {
  /** The watch was interrupted and is started again. */
  interrupted(why: Interruption): void;
  /** A list found `objects` changes of which no event had told: the cache was wrong until then. */
  missed(objects: number): void;
}

/** How long a watch, its silence, and the pauses between tries last. */
export interface InformerTiming {
  /** A watch is asked to end after this, to 1.4 times this: its end shows that what the API server sends arrives. */
  readonly watchSeconds: number;
  /** The same for the watch after a silent one. */
  readonly suspectWatchSeconds: number;
  /** A watch without a byte for its whole time and this is cut. */
  readonly watchMarginMs: number;
  /** A watch that was open for this long works; one that ended earlier is restarted with backoff. */
  readonly healthyMs: number;
  /** How often everything is listed again, whatever the watch says. */
  readonly listEveryMs: number;
  readonly firstRetryMs: number;
  readonly longestRetryMs: number;
  /** How soon an optional kind that is absent is looked for again. */
  readonly absentRetryMs: number;
  readonly pageSize: number;
}

/** Timing in production; tests shorten it. */
export const INFORMER_TIMING: InformerTiming = {
  // With the margin 150 s at most. Bookmarks come once a minute, but not for a kind of which the API server has seen no
  // event since it started; the end of the watch comes always.
  watchSeconds: 100,
  suspectWatchSeconds: 40,
  watchMarginMs: 10_000,
  healthyMs: 10_000,
  listEveryMs: 600_000,
  firstRetryMs: 200,
  longestRetryMs: 10_000,
  absentRetryMs: 30_000,
  pageSize: 500,
};
