import { ApplicationFailure } from '@temporalio/common';
import type { PhysicalHost } from '../../crds/physicalHost.ts';
import type { MonitorInput } from '../../contracts/names.ts';
import { delay } from '../activityScope.ts';
import type { Dependencies } from '../dependencies.ts';
import type { FailedPoll, FailedPolls } from './failedPolls.ts';
import type { FailureType } from '../failures.ts';
import { isMonitored, placeOf } from './monitored.ts';
import { pollHost, type PollDependencies } from './pollHost.ts';
import { MONITOR_LASTS_MS, POLL_MS } from '../../model/deadlines.ts';

/** Why a monitor of a shard ended without a failure. */
export interface MonitorResult {
  /** `over`: it lasted long enough; `noHosts`: the pool has no hosts any more. */
  readonly kind: 'over' | 'noHosts';
}

/** What a monitor needs beyond a poll: the hosts of its pool, and the signal of a shutdown. */
export type MonitorDependencies = PollDependencies &
  Pick<Dependencies, 'stopping'> & {
    readonly caches: Pick<Dependencies['caches'], 'host' | 'poolHosts'>;
  };

/** BMCs that are being asked at a time, per shard. */
const MOST_POLLS = 256;

/**
 * Looks at each host of a shard once per interval, spread over it, out of the watch cache; each poll on its own, so
 * that a slow BMC holds up nobody. Ends about every hour, at once when the process is asked to end (`WorkerShutdown`:
 * another worker takes over), and with the signal.
 */
export async function monitorShard(
  deps: MonitorDependencies,
  failed: FailedPolls,
  input: MonitorInput,
  signal: AbortSignal,
): Promise<MonitorResult> {
  const end = new AbortController();
  const onEnd = () => end.abort(new Error('the monitor ends'));
  for (const source of [signal, deps.stopping]) source.addEventListener('abort', onEnd, { once: true });
  if (signal.aborted || deps.stopping.aborted) onEnd();
  try {
    return await new ShardMonitor(deps, failed.of(`${input.pool ?? ''}/${input.shard}`), input, end.signal).run();
  } catch (error) {
    if (deps.stopping.aborted && !signal.aborted) {
      const type: FailureType = 'WorkerShutdown';
      throw ApplicationFailure.create({ message: 'the worker is shutting down, another one continues', type });
    }
    throw error;
  } finally {
    for (const source of [signal, deps.stopping]) source.removeEventListener('abort', onEnd);
    onEnd();
  }
}

class ShardMonitor {
  readonly #deps: MonitorDependencies;
  readonly #failed: Map<string, FailedPoll>;
  readonly #input: MonitorInput;
  readonly #signal: AbortSignal;
  /** Polls under way, by uid. */
  readonly #polls = new Map<string, Promise<void>>();

  constructor(deps: MonitorDependencies, failed: Map<string, FailedPoll>, input: MonitorInput, signal: AbortSignal) {
    this.#deps = deps;
    this.#failed = failed;
    this.#input = input;
    this.#signal = signal;
  }

  async run(): Promise<MonitorResult> {
    const until = performance.now() + MONITOR_LASTS_MS;
    let isEmpty = false;
    try {
      while (performance.now() < until) {
        const wasEmpty = isEmpty;
        isEmpty = await this.#round();
        if (isEmpty && wasEmpty) return { kind: 'noHosts' };
      }
      return { kind: 'over' };
    } finally {
      await Promise.allSettled(this.#polls.values());
    }
  }

  /** One interval. True: the whole pool has no hosts. */
  async #round(): Promise<boolean> {
    const { pool, shard, shards, intervalMs } = this.#input;
    const began = performance.now();
    const all = this.#deps.caches.poolHosts(pool);
    const turns = all.flatMap(({ metadata: { namespace = '', name, uid = '' } }) => {
      const place = placeOf({ namespace, name }, shards);
      return place.shard === shard ? [{ namespace, name, uid, atMs: began + place.phase * intervalMs }] : [];
    });
    const mine = new Set(turns.map(({ uid }) => uid));
    for (const uid of this.#failed.keys()) if (!mine.has(uid)) this.#failed.delete(uid);
    for (const { namespace, name, atMs } of turns.sort((a, b) => a.atMs - b.atMs)) {
      await this.#waitUntil(atMs);
      while (this.#polls.size >= MOST_POLLS) await this.#oneEnds();
      const host = this.#deps.caches.host(namespace, name);
      if (host && this.#isDue(host)) this.#begin(host);
    }
    await this.#waitUntil(began + intervalMs);
    return all.length === 0;
  }

  #isDue(host: PhysicalHost): boolean {
    const { uid } = host.metadata;
    if (host.spec.redfishConnection.workerPool !== this.#input.pool || this.#polls.has(uid)) return false;
    if (!isMonitored(host)) {
      this.#failed.delete(uid);
      return false;
    }
    return (this.#failed.get(uid)?.nextAt ?? 0) <= Date.now();
  }

  #begin(host: PhysicalHost): void {
    const { uid, namespace, name } = host.metadata;
    const poll = this.#poll(host, uid)
      .catch((error: unknown) => {
        if (this.#signal.aborted) return;
        this.#deps.logger.warn(
          { namespace, host: name, err: error },
          'the poll of a host could not be written; the next one will be',
        );
      })
      .finally(() => this.#polls.delete(uid));
    this.#polls.set(uid, poll);
  }

  async #poll(host: PhysicalHost, uid: string): Promise<void> {
    const limit = new AbortController();
    const onEnd = () => limit.abort(this.#signal.reason);
    this.#signal.addEventListener('abort', onEnd, { once: true });
    const timer = setTimeout(() => limit.abort(new Error('the poll timed out')), POLL_MS);
    try {
      const failure = await pollHost(this.#deps, host, this.#failed.get(uid), this.#input.intervalMs, limit.signal);
      if (failure === undefined) this.#failed.delete(uid);
      else this.#failed.set(uid, failure);
    } finally {
      clearTimeout(timer);
      this.#signal.removeEventListener('abort', onEnd);
    }
  }

  async #waitUntil(atMs: number): Promise<void> {
    this.#signal.throwIfAborted();
    const ms = atMs - performance.now();
    if (ms > 0) await delay(ms, this.#signal);
  }

  async #oneEnds(): Promise<void> {
    this.#signal.throwIfAborted();
    await Promise.race(this.#polls.values());
  }
}
