import { LRUCache } from 'lru-cache';
import type { Span } from '@opentelemetry/api';
import type { PhysicalHost } from '../crds/physicalHost.ts';
import { consumerOf } from '../model/references.ts';
import type { ApiDependencies, SignalKind } from './dependencies.ts';
import { traceFields, within } from './tracing.ts';

/** Signals under way at once; beyond them the watcher's repeat has to do. */
const MAX_UNDER_WAY = 1000;
/**
 * How often a repeated callback signals its run: each signal costs the run a step, and Temporal accepts
 * 10,000 of them in the life of one run. A server that calls 10 times a second would reach that within its inspection.
 */
const REPEAT_MS = 60_000;
const MAX_REMEMBERED = 20_000;

/**
 * Tells runs that something was stored. In the background: a signal is a hint, and the watcher sends it again while the
 * fact on the host is not yet acted upon (rule 11). A failed one is logged and never fails the callback.
 */
export class RunSignals {
  readonly #deps: Pick<ApiDependencies, 'signal' | 'logger'>;
  readonly #timeoutMs: number;
  readonly #underWay = new Set<Promise<void>>();
  /** When a run was signalled last, by kind and claim; in milliseconds of monotonic time. */
  readonly #last = new LRUCache<string, number>({ max: MAX_REMEMBERED });
  readonly #now: () => number;

  constructor(
    deps: Pick<ApiDependencies, 'signal' | 'logger'>,
    timeoutMs = 10_000,
    now: () => number = () => performance.now(),
  ) {
    this.#now = now;
    this.#deps = deps;
    this.#timeoutMs = timeoutMs;
  }

  /**
   * Signals the run of the machine that holds the host. Call it only when the fact is stored: `isNews` where this
   * callback stored it, else it is a repeat, and signals once a minute for each claim at most. `span` is that of the
   * callback.
   */
  send(
    kind: SignalKind,
    host: PhysicalHost,
    claimId: string,
    { isNews, span }: { readonly isNews: boolean; readonly span?: Span | undefined },
  ): void {
    const { logger } = this.#deps;
    const machine = consumerOf(host);
    const about = {
      signal: kind,
      namespace: host.metadata.namespace,
      host: host.metadata.name,
      claim: claimId,
      ...traceFields(span),
    };
    if (machine === undefined) {
      logger.warn(about, 'no run is signalled: the host references no machine of its namespace with its uid');
      return;
    }
    const key = `${kind} ${claimId}`;
    const last = this.#last.get(key);
    if (!isNews && last !== undefined && this.#now() - last < REPEAT_MS) return;
    if (this.#underWay.size >= MAX_UNDER_WAY) {
      logger.warn(
        about,
        `the run is not signalled: ${MAX_UNDER_WAY} signals are in flight; the watcher signals it later`,
      );
      return;
    }
    this.#last.set(key, this.#now());
    const task = within(span, () => this.#deliver(kind, machine, claimId))
      .catch((error: unknown) => {
        // The next repeat may do it.
        this.#last.set(key, Number.NEGATIVE_INFINITY);
        logger.warn({ ...about, err: error }, 'the run could not be signalled; the watcher signals it later');
      })
      .finally(() => this.#underWay.delete(task));
    this.#underWay.add(task);
  }

  /** Resolves when all are sent or given up, at the latest after `timeoutMs`. */
  async drain(timeoutMs: number): Promise<void> {
    let timer: NodeJS.Timeout | undefined;
    const limit = new Promise<void>((resolve) => (timer = setTimeout(resolve, timeoutMs)));
    await Promise.race([Promise.all(this.#underWay), limit]);
    clearTimeout(timer);
  }

  async #deliver(kind: SignalKind, machine: { namespace: string; name: string }, claimId: string): Promise<void> {
    let timer: NodeJS.Timeout | undefined;
    const limit = new Promise<never>((_, reject) => {
      timer = setTimeout(() => reject(new Error(`no answer from Temporal in ${this.#timeoutMs} ms`)), this.#timeoutMs);
    });
    try {
      await Promise.race([this.#deps.signal(kind, machine, claimId), limit]);
    } finally {
      clearTimeout(timer);
    }
  }
}
