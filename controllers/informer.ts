import type { Logger } from 'pino';
import type { KubeClient } from '../kube/client.ts';
import { pause } from '../kube/deadline.ts';
import { isExpired, isKindAbsent, KubeError } from '../kube/error.ts';
import type { Identified, Resource } from '../kube/resource.ts';
import { listAll } from './listAll.ts';
import type { WatchEvent } from '../kube/watchStream.ts';
import { keyOf, Store, type Indexes } from './store.ts';
import { watchOnce } from './watchOnce.ts';

/** What has become of an object. `previous` is what the cache had. */
export type Change<T> =
  | { readonly type: 'added'; readonly object: T; readonly previous?: undefined }
  | { readonly type: 'updated'; readonly object: T; readonly previous: T }
  | { readonly type: 'deleted'; readonly object: T; readonly previous?: undefined };

export interface InformerOptions<T extends Identified> {
  readonly logger: Pick<Logger, 'warn' | 'info' | 'debug'>;
  /** Absent: all namespaces. */
  readonly namespace?: string;
  /** Absent: all objects. One whose labels stop matching counts as deleted. */
  readonly labelSelector?: string;
  /** Takes away what nobody reads, before the object is kept. */
  readonly trim?: (object: T) => T;
  readonly indexes?: Indexes<T>;
  /** The kind may not be installed: then the cache counts as synced and empty. */
  readonly optional?: boolean;
  readonly timing?: Partial<Timing>;
}

interface Timing {
  /** A watch is asked to end after this, to twice this. */
  readonly watchSeconds: number;
  /** A watch without a byte for its whole time and this is cut. */
  readonly watchMarginMs: number;
  readonly firstRetryMs: number;
  readonly longestRetryMs: number;
  /** How soon an optional kind that is absent is looked for again. */
  readonly absentRetryMs: number;
  readonly pageSize: number;
}

const TIMING: Timing = {
  watchSeconds: 300,
  watchMarginMs: 30_000,
  firstRetryMs: 200,
  longestRetryMs: 10_000,
  absentRetryMs: 30_000,
  pageSize: 500,
};

/**
 * A cache of one kind that keeps itself up to date: list, then watch from there. It never gives up: a 410 or a broken line leads
 * to a new list (which tells of what was missed, deletions too), any other error to a new watch from the last version seen.
 */
export class Informer<T extends Identified> {
  readonly resource: Resource<T>;
  readonly indexes: Indexes<T>;
  readonly #kube: KubeClient;
  readonly #options: InformerOptions<T>;
  readonly #timing: Timing;
  readonly #store: Store<T>;
  readonly #handlers = new Set<(change: Change<T>) => void>();
  readonly #waiters = new Set<() => void>();
  readonly #stop = new AbortController();
  #running: Promise<void> | undefined;
  #version: string | undefined;
  #failures = 0;
  #synced = false;
  #absent = false;
  #failure: { sinceMs: number; message: string } | undefined;

  constructor(kube: KubeClient, resource: Resource<T>, options: InformerOptions<T>) {
    this.#kube = kube;
    this.resource = resource;
    this.#options = options;
    this.#timing = { ...TIMING, ...options.timing };
    this.indexes = options.indexes ?? {};
    this.#store = new Store<T>(this.indexes);
  }

  /** The first list is in; stays true. */
  get synced(): boolean {
    return this.#synced;
  }

  /** The API server does not serve the kind now. */
  get absent(): boolean {
    return this.#absent;
  }

  get size(): number {
    return this.#store.size;
  }

  get(namespace: string, name: string): T | undefined {
    return this.#store.get(`${namespace}/${name}`);
  }

  list(): T[] {
    return this.#store.list();
  }

  byIndex(index: string, value: string): T[] {
    return this.#store.byIndex(index, value);
  }

  /** Calls `handler` at each change from now on, in order, inside the watch loop: it has to be quick. Returns how to end it. */
  onChange(handler: (change: Change<T>) => void): () => void {
    this.#handlers.add(handler);
    return () => this.#handlers.delete(handler);
  }

  /** What is wrong, and for how long; undefined while the watch works. */
  problem(): { message: string; forMs: number } | undefined {
    if (!this.#failure) return undefined;
    return { message: this.#failure.message, forMs: performance.now() - this.#failure.sinceMs };
  }

  start(): void {
    this.#running ??= this.#run();
  }

  async stop(): Promise<void> {
    this.#stop.abort(new Error('the informer was stopped'));
    await this.#running;
  }

  /** Resolves after the first list; rejects with the signal's reason. */
  waitForSync(signal: AbortSignal): Promise<void> {
    if (this.#synced) return Promise.resolve();
    return new Promise((resolve, reject) => {
      const onAbort = () => {
        this.#waiters.delete(onSync);
        reject(signal.reason instanceof Error ? signal.reason : new Error('aborted'));
      };
      const onSync = () => {
        signal.removeEventListener('abort', onAbort);
        resolve();
      };
      if (signal.aborted) return onAbort();
      signal.addEventListener('abort', onAbort, { once: true });
      this.#waiters.add(onSync);
    });
  }

  async #run(): Promise<void> {
    const { signal } = this.#stop;
    while (!signal.aborted) {
      try {
        if (this.#version === undefined) await this.#relist();
        await this.#watch();
      } catch (error) {
        if (signal.aborted) return;
        await pause(this.#failed(error), signal).catch(() => undefined);
      }
    }
  }

  /** Notes a failure; returns how long to wait before the next try. */
  #failed(error: unknown): number {
    this.#failures += 1;
    const { optional = false, logger } = this.#options;
    const jitter = 0.5 + Math.random();
    if (isKindAbsent(error)) {
      this.#version = undefined;
      if (optional) {
        this.#becomeAbsent();
        return this.#timing.absentRetryMs * jitter;
      }
    }
    const isBroken = error instanceof KubeError && error.reason === 'InvalidResponse';
    if (isExpired(error) || isBroken) this.#version = undefined;
    const message = error instanceof Error ? error.message : String(error);
    this.#failure = { sinceMs: this.#failure?.sinceMs ?? performance.now(), message };
    const { firstRetryMs, longestRetryMs } = this.#timing;
    const delayMs = Math.min(longestRetryMs, firstRetryMs * 2 ** Math.min(this.#failures - 1, 20)) * jitter;
    const level = isExpired(error) ? 'debug' : 'warn';
    logger[level](
      { kind: this.resource.kind, error: message, nextTryInMs: Math.round(delayMs) },
      'watch cache interrupted',
    );
    return delayMs;
  }

  #worked(): void {
    this.#failures = 0;
    this.#failure = undefined;
  }

  async #relist(): Promise<void> {
    const { trim = (object: T) => object, namespace, labelSelector } = this.#options;
    const { items, resourceVersion } = await listAll(this.#kube, this.resource, {
      namespace,
      labelSelector,
      pageSize: this.#timing.pageSize,
      trim,
      signal: this.#stop.signal,
    });
    const gone = new Set(this.#store.keys());
    for (const object of items) {
      gone.delete(keyOf(object));
      this.#put(object);
    }
    for (const key of gone) this.#remove(key);
    this.#version = resourceVersion;
    if (this.#absent) this.#options.logger.info({ kind: this.resource.kind }, 'the kind is served now');
    this.#absent = false;
    this.#becomeSynced();
  }

  async #watch(): Promise<void> {
    const { watchSeconds, watchMarginMs } = this.#timing;
    const timeoutSeconds = Math.ceil(watchSeconds * (1 + Math.random()));
    const startedAt = performance.now();
    let events = 0;
    const { namespace, labelSelector } = this.#options;
    const options = {
      namespace,
      ...(labelSelector === undefined ? {} : { labelSelector }),
      resourceVersion: this.#version ?? '',
      timeoutSeconds,
      silenceMs: timeoutSeconds * 1000 + watchMarginMs,
      signal: this.#stop.signal,
    };
    await watchOnce(this.#kube, this.resource, options, ({ type, object }) => {
      this.#apply(type, object);
      if ((events += 1) === 1) this.#worked();
    });
    // A server that ends each watch at once would make this a busy loop.
    if (events === 0 && performance.now() - startedAt < Math.min(1000, watchSeconds * 500)) {
      throw new Error('the API server ended the watch at once');
    }
    this.#worked();
  }

  #apply(type: WatchEvent<T>['type'], object: T): void {
    const { trim = (value: T) => value } = this.#options;
    if (type === 'DELETED') this.#remove(keyOf(object), trim(object));
    else if (type !== 'BOOKMARK') this.#put(trim(object));
    this.#version = object.metadata.resourceVersion;
  }

  #put(object: T): void {
    const known = this.#store.get(keyOf(object));
    if (known && known.metadata.uid === object.metadata.uid) {
      if (known.metadata.resourceVersion === object.metadata.resourceVersion) return;
    } else if (known) {
      // Deleted and made again in the gap: two objects, not one that changed.
      this.#remove(keyOf(object));
    }
    const previous = this.#store.set(object);
    this.#emit(previous ? { type: 'updated', object, previous } : { type: 'added', object });
  }

  #remove(key: string, last?: T): void {
    const previous = this.#store.delete(key);
    if (previous) this.#emit({ type: 'deleted', object: last ?? previous });
  }

  #emit(change: Change<T>): void {
    for (const handler of this.#handlers) {
      try {
        handler(change);
      } catch (error) {
        this.#options.logger.warn({ kind: this.resource.kind, err: error }, 'a handler of the watch cache failed');
      }
    }
  }

  #becomeAbsent(): void {
    if (!this.#absent)
      this.#options.logger.info({ kind: this.resource.kind }, 'the kind is not served; goes on without it');
    this.#absent = true;
    for (const key of this.#store.keys()) this.#remove(key);
    this.#failure = undefined;
    this.#becomeSynced();
  }

  #becomeSynced(): void {
    this.#synced = true;
    this.#failure = undefined;
    for (const resolve of this.#waiters) resolve();
    this.#waiters.clear();
  }
}
