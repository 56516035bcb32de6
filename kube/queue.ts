import type { Logger } from 'pino';

/** How a reconcile ended: nothing left to do, to be looked at again after a time, or failed in a way that may pass. */
export type Outcome =
  | { readonly kind: 'done' }
  | { readonly kind: 'after'; readonly ms: number }
  | { readonly kind: 'retry'; readonly why: string };

/** `name` is for logs. The wait after a `retry` doubles from `firstRetryMs` to `longestRetryMs`. */
export interface QueueOptions {
  readonly name: string;
  readonly logger: Pick<Logger, 'warn' | 'error'>;
  /** How many keys are worked on at a time. */
  readonly concurrency: number;
  readonly firstRetryMs?: number;
  readonly longestRetryMs?: number;
  /** Works on one key. What it throws counts as `retry`. */
  readonly reconcile: (key: string, signal: AbortSignal) => Promise<Outcome>;
}

/**
 * Keys that have to be worked on, each at most once at a time; a key that is added while it is worked on is worked on
 * once more. Its size is bounded by the number of different keys.
 */
export class WorkQueue {
  readonly #options: Required<QueueOptions>;
  readonly #ready = new Set<string>();
  readonly #working = new Set<string>();
  readonly #again = new Set<string>();
  readonly #timers = new Map<string, { at: number; timer: NodeJS.Timeout }>();
  readonly #failures = new Map<string, number>();
  readonly #stop = new AbortController();
  #onIdle: (() => void) | undefined;

  constructor(options: QueueOptions) {
    this.#options = { firstRetryMs: 500, longestRetryMs: 60_000, ...options };
  }

  /** Keys that are ready or worked on. */
  get size(): number {
    return this.#ready.size + this.#working.size;
  }

  /** Has the key worked on as soon as a worker is free. */
  add(key: string): void {
    if (this.#stop.signal.aborted) return;
    if (this.#working.has(key)) this.#again.add(key);
    else this.#ready.add(key);
    this.#fill();
  }

  /** The same after a time; of several times the earliest counts. */
  addAfter(key: string, ms: number): void {
    if (this.#stop.signal.aborted) return;
    const at = Date.now() + ms;
    const set = this.#timers.get(key);
    if (set && set.at <= at) return;
    if (set) clearTimeout(set.timer);
    const timer = setTimeout(() => {
      this.#timers.delete(key);
      this.add(key);
    }, ms);
    this.#timers.set(key, { at, timer });
  }

  /** Takes nothing new, gives work in hand the signal, and waits for its end. */
  async stop(): Promise<void> {
    this.#stop.abort(new Error(`the queue ${this.#options.name} is shutting down`));
    for (const { timer } of this.#timers.values()) clearTimeout(timer);
    this.#timers.clear();
    this.#ready.clear();
    this.#again.clear();
    if (this.#working.size > 0) await new Promise<void>((resolve) => (this.#onIdle = resolve));
  }

  #fill(): void {
    for (const key of this.#ready) {
      if (this.#working.size >= this.#options.concurrency) return;
      this.#ready.delete(key);
      this.#working.add(key);
      void this.#work(key);
    }
  }

  async #work(key: string): Promise<void> {
    let outcome: Outcome;
    try {
      outcome = await this.#options.reconcile(key, this.#stop.signal);
    } catch (error) {
      outcome = { kind: 'retry', why: error instanceof Error ? error.message : String(error) };
    }
    this.#working.delete(key);
    if (this.#stop.signal.aborted) {
      if (this.#working.size === 0) this.#onIdle?.();
      return;
    }
    this.#settle(key, outcome);
    if (this.#again.delete(key)) this.#ready.add(key);
    this.#fill();
  }

  #settle(key: string, outcome: Outcome): void {
    if (outcome.kind !== 'retry') this.#failures.delete(key);
    switch (outcome.kind) {
      case 'done':
        return;
      case 'after':
        return this.addAfter(key, outcome.ms);
      case 'retry': {
        const failures = (this.#failures.get(key) ?? 0) + 1;
        this.#failures.set(key, failures);
        const { firstRetryMs, longestRetryMs, name, logger } = this.#options;
        const ms =
          Math.min(longestRetryMs, firstRetryMs * 2 ** Math.min(failures - 1, 20)) * (0.75 + Math.random() / 2);
        logger.warn({ queue: name, key, failures, nextTryInMs: Math.round(ms), why: outcome.why }, 'requeued');
        return this.addAfter(key, ms);
      }
    }
  }
}
