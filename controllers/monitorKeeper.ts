import type { Logger } from 'pino';
import type { MonitorInput, MonitorSettings } from '../workflows/names.ts';
import type { Informers } from './informers.ts';
import { WorkQueue, type Outcome } from './queue.ts';
import type { Starter } from './starter.ts';

export interface MonitorKeeperDeps {
  readonly informers: Pick<Informers, 'hosts'>;
  readonly starter: Pick<Starter, 'keepMonitor' | 'tellMonitor'>;
  readonly logger: Logger;
  readonly settings: MonitorSettings;
  /** How often it is seen to that the monitors are still there. */
  readonly resyncMs: number;
}

/** The key of the hosts without a pool: no pool can have this name. */
const NO_POOL = '';
const WORKERS = 4;

/** Sees to it that each pool of workers that has hosts has its `monitor/<pool>/<shard>` workflows, as many as the flags say. */
export class MonitorKeeper {
  readonly #deps: MonitorKeeperDeps;
  readonly #queue: WorkQueue;
  /** Pools that are looked after, by key. */
  readonly #pools = new Set<string>();
  /** Pools whose shards of earlier settings have been told. */
  readonly #trimmed = new Set<string>();
  #end: (() => void) | undefined;

  constructor(deps: MonitorKeeperDeps) {
    this.#deps = deps;
    this.#queue = new WorkQueue({
      name: 'monitors',
      logger: deps.logger,
      concurrency: WORKERS,
      longestRetryMs: 30_000,
      reconcile: (key) => this.reconcile(key),
    });
  }

  start(): void {
    const { hosts } = this.#deps.informers;
    this.#end = hosts.onChange(({ object, type }) => {
      if (type !== 'deleted') this.#look(object.spec.redfishConnection.workerPool);
    });
    for (const { spec } of hosts.list()) this.#look(spec.redfishConnection.workerPool);
  }

  async stop(): Promise<void> {
    this.#end?.();
    await this.#queue.stop();
  }

  /** One look at the monitors of a pool. They end by themselves when the pool has no hosts any more. */
  async reconcile(key: string): Promise<Outcome> {
    const pool = key === NO_POOL ? undefined : key;
    const { informers, starter, settings, resyncMs } = this.#deps;
    if (!informers.hosts.list().some(({ spec }) => spec.redfishConnection.workerPool === pool)) {
      this.#pools.delete(key);
      return { kind: 'done' };
    }
    const input = (shard: number): MonitorInput => ({ ...settings, shard, ...(pool === undefined ? {} : { pool }) });
    for (let shard = 0; shard < settings.shards; shard += 1) await starter.keepMonitor(input(shard));
    if (!this.#trimmed.has(key)) {
      let shard = settings.shards;
      while (await starter.tellMonitor(input(shard))) shard += 1;
      this.#trimmed.add(key);
    }
    return { kind: 'after', ms: resyncMs };
  }

  #look(pool: string | undefined): void {
    const key = pool ?? NO_POOL;
    if (this.#pools.has(key)) return;
    this.#pools.add(key);
    this.#queue.add(key);
  }
}
