/** Why a watch was interrupted, as the label of its metric. */
export const INTERRUPTIONS = ['silent', 'ended', 'expired', 'failed'] as const;
/** One of `INTERRUPTIONS`. */
export type Interruption = (typeof INTERRUPTIONS)[number];

/** What is wrong with a watch: the last error, and for how long the cache has not been known to be current. */
export interface WatchProblem {
  readonly message: string;
  readonly forMs: number;
}

interface Timing {
  readonly firstRetryMs: number;
  readonly longestRetryMs: number;
}

/**
 * Whether a watch works, and how long to wait before the next try. A line or a list shows that the cache is current;
 * only a watch that has been open for a while shows that the next one will be: a server that ends each watch after its
 * first line would be asked hundreds of times a second if that line alone reset the backoff.
 */
export class WatchHealth {
  readonly #timing: Timing;
  readonly #now: () => number;
  #failures = 0;
  #isSuspect = false;
  #aliveMs: number;
  #failure: { message: string; sinceMs: number } | undefined;

  constructor(timing: Timing, now: () => number = () => performance.now()) {
    this.#timing = timing;
    this.#now = now;
    this.#aliveMs = now();
  }

  /** A watch was silent, and none has worked since. */
  get isSuspect(): boolean {
    return this.#isSuspect;
  }

  /** Undefined while the watch works. */
  problem(): WatchProblem | undefined {
    if (!this.#failure) return undefined;
    return { message: this.#failure.message, forMs: this.#now() - this.#failure.sinceMs };
  }

  /** A list or a line has come: the cache is current now, whatever comes next. */
  alive(): void {
    this.#aliveMs = this.#now();
    if (this.#failure) this.#failure.sinceMs = this.#aliveMs;
  }

  /** The watch has worked for long enough: the next failure is the first one again. */
  worked(): void {
    this.#failures = 0;
    this.absent();
  }

  /** The kind is not served, and need not be. */
  absent(): void {
    this.#failure = undefined;
    this.#isSuspect = false;
  }

  /** Notes a failure; returns how long to wait before the next try, in ms, with jitter. */
  failed(kind: Interruption, message: string): number {
    this.#failures += 1;
    if (kind === 'silent') this.#isSuspect = true;
    // A stream that broke was alive until then; of one that was silent nothing is known since its last line.
    const sinceMs = kind === 'silent' ? this.#aliveMs : this.#now();
    this.#failure = { message, sinceMs: Math.min(sinceMs, this.#failure?.sinceMs ?? sinceMs) };
    const { firstRetryMs, longestRetryMs } = this.#timing;
    return Math.min(longestRetryMs, firstRetryMs * 2 ** Math.min(this.#failures - 1, 20)) * (0.5 + Math.random());
  }
}
