import { Changes, type Change } from './changes.ts';
import type { KubeClient } from './client.ts';
import { pause } from './deadline.ts';
import { isExpired, isKindAbsent, KubeError } from './error.ts';
import type { Identified, Resource } from './resource.ts';
import { INFORMER_TIMING, type InformerOptions, type InformerTiming, type WatchObserver } from './informerOptions.ts';
import { listAll } from './listAll.ts';
import { ListAudit, versionOf } from './listAudit.ts';
import type { WatchEvent } from './watchStream.ts';
import { keyOf, Store, type Indexes } from './store.ts';
import { WatchHealth, type WatchProblem } from './watchHealth.ts';
import { followWatch, interruptionOf } from './followWatch.ts';

/**
 * A cache of one kind that keeps itself up to date: list, then watch from there. It never gives up: a 410, a broken
 * line or a watch that fell silent leads to a new list (which tells of what was missed, deletions too), any other error
 * to a new watch from the last version seen. Everything is listed again every ten minutes all the same.
 */
export class Informer<T extends Identified> {
  readonly resource: Resource<T>;
  readonly indexes: Indexes<T>;
  readonly #kube: KubeClient;
  readonly #options: InformerOptions<T>;
  readonly #timing: InformerTiming;
  readonly #store: Store<T>;
  readonly #health: WatchHealth;
  readonly #observer: WatchObserver | undefined;
  readonly #changes: Changes<T>;
  readonly #waiters = new Set<() => void>();
  readonly #stop = new AbortController();
  #running: Promise<void> | undefined;
  #version: string | undefined;
  #listDueMs = 0;
  #audit: ListAudit | undefined;
  #synced = false;
  #absent = false;

  constructor(kube: KubeClient, resource: Resource<T>, options: InformerOptions<T>) {
    this.#kube = kube;
    this.resource = resource;
    this.#options = options;
    this.#changes = new Changes<T>(resource.kind, options.logger);
    this.#timing = { ...INFORMER_TIMING, ...options.timing };
    this.#health = new WatchHealth(this.#timing);
    this.#observer = options.observerOf?.(resource.kind);
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

  /** How many `byIndex` would give. */
  countByIndex(index: string, value: string): number {
    return this.#store.countByIndex(index, value);
  }

  /**
   * Calls `handler` at each change from now on, in order, inside the watch loop: it has to be quick. Returns how to end
   * it.
   */
  onChange(handler: (change: Change<T>) => void): () => void {
    return this.#changes.follow(handler);
  }

  /** What is wrong, and for how long the cache may have been behind; undefined while the watch works. */
  problem(): WatchProblem | undefined {
    return this.#health.problem();
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
        if (this.#isListDue()) await this.#relist();
        await this.#watch();
      } catch (error) {
        if (signal.aborted) return;
        await pause(this.#failed(error), signal).catch(() => undefined);
      }
    }
  }

  /** Notes a failure; returns how long to wait before the next try. */
  #failed(error: unknown): number {
    const { optional = false, logger } = this.#options;
    if (isKindAbsent(error)) {
      this.#version = undefined;
      if (optional) {
        this.#becomeAbsent();
        return this.#timing.absentRetryMs * (0.5 + Math.random());
      }
    }
    const isBroken = error instanceof KubeError && error.reason === 'InvalidResponse';
    if (isExpired(error) || isBroken) this.#version = undefined;
    const message = error instanceof Error ? error.message : String(error);
    const why = interruptionOf(error);
    if (why === 'silent') this.#listDueMs = 0;
    const delayMs = this.#health.failed(why, message);
    this.#observer?.interrupted(why);
    const level = isExpired(error) ? 'debug' : 'warn';
    logger[level](
      { kind: this.resource.kind, error: message, nextTryInMs: Math.round(delayMs) },
      'watch cache interrupted',
    );
    return delayMs;
  }

  #isListDue(): boolean {
    return this.#version === undefined || performance.now() >= this.#listDueMs;
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
    const changed: string[] = [];
    for (const object of items) {
      const key = keyOf(object);
      gone.delete(key);
      if (this.#put(object)) changed.push(key);
    }
    for (const key of gone) if (this.#remove(key)) changed.push(key);
    this.#listed(resourceVersion, changed);
    this.#listDueMs = performance.now() + this.#timing.listEveryMs * (0.8 + 0.2 * Math.random());
    if (this.#absent) this.#options.logger.info({ kind: this.resource.kind }, 'CRD installed');
    this.#absent = false;
    this.#becomeSynced();
  }

  /** Decides where the watch starts after a list, and whether what the list has changed should have been known. */
  #listed(listVersion: string, changed: string[]): void {
    const before = versionOf(this.#version);
    const upTo = versionOf(listVersion);
    const untold = [...(this.#audit?.untold ?? []), ...changed];
    if (this.#version !== undefined && this.#health.isSuspect) this.#missed(untold.length);
    else if (before !== undefined && upTo !== undefined && untold.length > 0) {
      // The watch continues from where it was: what it tells of up to the list's version was only late.
      this.#audit = new ListAudit(upTo, untold);
      return;
    }
    this.#audit = undefined;
    this.#version = listVersion;
  }

  #missed(objects: number): void {
    if (objects === 0) return;
    this.#observer?.missed(objects);
    this.#options.logger.warn(
      { kind: this.resource.kind, objects },
      'a list found changes that the watch had not delivered; the cache was stale until now',
    );
  }

  async #watch(): Promise<void> {
    const { watchSeconds, suspectWatchSeconds, watchMarginMs, healthyMs } = this.#timing;
    const { namespace, labelSelector, signal } = { ...this.#options, signal: this.#stop.signal };
    const seconds = this.#health.isSuspect ? suspectWatchSeconds : watchSeconds * (1 + 0.4 * Math.random());
    const timeoutSeconds = Math.ceil(seconds);
    const { isProven } = await followWatch(this.#kube, this.resource, {
      namespace,
      ...(labelSelector === undefined ? {} : { labelSelector }),
      resourceVersion: this.#version ?? '',
      timeoutSeconds,
      silenceMs: timeoutSeconds * 1000 + watchMarginMs,
      healthyMs,
      signal,
      onHealthy: (hasDelivered) => {
        if (hasDelivered || !this.#health.isSuspect) this.#health.worked();
      },
      onEvent: ({ type, object }) => {
        this.#apply(type, object);
        this.#health.alive();
      },
    });
    if (!isProven) return;
    this.#health.alive();
    this.#health.worked();
    if (this.#audit) this.#endAudit(this.#audit);
  }

  #apply(type: WatchEvent<T>['type'], object: T): void {
    const { resourceVersion } = object.metadata;
    if (this.#audit?.isNews(type, keyOf(object), resourceVersion)) this.#endAudit(this.#audit);
    if (!this.#audit) {
      const { trim = (value: T) => value } = this.#options;
      if (type === 'DELETED') this.#remove(keyOf(object), trim(object));
      else if (type !== 'BOOKMARK') this.#put(trim(object));
    }
    this.#version = resourceVersion;
  }

  /** The watch is where the list was: what it has not told of by now, it never will. */
  #endAudit({ untold, upTo }: ListAudit): void {
    this.#audit = undefined;
    this.#version = String(upTo);
    this.#missed(untold.size);
  }

  /** Whether that was new. */
  #put(object: T): boolean {
    const known = this.#store.get(keyOf(object));
    if (known && known.metadata.uid === object.metadata.uid) {
      if (known.metadata.resourceVersion === object.metadata.resourceVersion) return false;
    } else if (known) {
      // Deleted and made again in the gap: two objects, not one that changed.
      this.#remove(keyOf(object));
    }
    const previous = this.#store.set(object);
    this.#changes.tell(previous ? { type: 'updated', object, previous } : { type: 'added', object });
    return true;
  }

  #remove(key: string, last?: T): boolean {
    const previous = this.#store.delete(key);
    if (previous) this.#changes.tell({ type: 'deleted', object: last ?? previous });
    return previous !== undefined;
  }

  #becomeAbsent(): void {
    if (!this.#absent)
      this.#options.logger.info({ kind: this.resource.kind }, 'CRD not installed; continuing without it');
    this.#absent = true;
    for (const key of this.#store.keys()) this.#remove(key);
    this.#health.absent();
    this.#becomeSynced();
  }

  #becomeSynced(): void {
    this.#synced = true;
    this.#health.alive();
    for (const resolve of this.#waiters) resolve();
    this.#waiters.clear();
  }
}
