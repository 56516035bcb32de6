import type { Logger } from 'pino';
import type { MonitorInput, MonitorSettings } from '../contracts/names.ts';
import type { Informers } from './informers.ts';
import { WorkQueue, type Outcome } from '../kube/queue.ts';
import type { Starter } from './starter.ts';

/** What it takes to keep the monitors running. */
export interface MonitorKeeperDeps {
  readonly informers: Pick<Informers, 'hosts'>;
  readonly starter: Pick<Starter, 'keepMonitor' | 'signalMonitor'>;
  readonly logger: Logger;
  readonly settings: MonitorSettings;
  /** How often it is seen to that the monitors are still there. */
  readonly resyncMs: number;
}

/** The key of the hosts without a pool: no pool can have this name. */
const NO_POOL = '';
const WORKERS = 4;
/**
 * How many shards that are not there are passed over in search of one of earlier settings: a process of the release
 * before starts the shards that it knows while they are being ended, and may leave gaps. Later, when it is gone, one is
 * enough.
 */
const GAP = { duringRollOut: 32, later: 1 };
const ROLL_OUT_MS = 15 * 60_000;

/**
 * Sees to it that each pool of workers that has hosts has its `monitor/<pool>/<shard>` workflows, as many as the flags
 * say.
 */
export class MonitorKeeper {
  readonly #deps: MonitorKeeperDeps;
  readonly #queue: WorkQueue;
  /** Pools that are looked after, by key. */
  readonly #pools = new Set<string>();
  /**
   * Where the search for shards of earlier settings broke off, by pool: what was told before is closed, and would end
   * it.
   */
  readonly #brokeOffAt = new Map<string, number>();
  readonly #startedAtMs = performance.now();
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
    await this.#endOthers(key, (shard) => starter.signalMonitor(input(shard)));
    return { kind: 'after', ms: resyncMs };
  }

  /** Tells shards of earlier settings, from the first that should not be there on. `tell`: false when there is none. */
  async #endOthers(key: string, tell: (shard: number) => Promise<boolean>): Promise<void> {
    const isYoung = performance.now() - this.#startedAtMs < ROLL_OUT_MS;
    const most = isYoung ? GAP.duringRollOut : GAP.later;
    let shard = this.#brokeOffAt.get(key) ?? this.#deps.settings.shards;
    for (let absent = 0; absent < most; shard += 1) {
      this.#brokeOffAt.set(key, shard);
      absent = (await tell(shard)) ? 0 : absent + 1;
    }
    this.#brokeOffAt.delete(key);
  }

  #look(pool: string | undefined): void {
    const key = pool ?? NO_POOL;
    if (this.#pools.has(key)) return;
    this.#pools.add(key);
    this.#queue.add(key);
  }
}
