const MAX_OCCASIONS = 500_000;

/**
 * What this process has started for which object, so that an object that changes ten times while its run works on it leads to one
 * call to Temporal. A call is due at first sight, when the occasion changes, and when the last one is older than the resync:
 * that finds runs that were terminated.
 */
export class Occasions {
  readonly #resyncMs: number;
  readonly #now: () => number;
  readonly #known = new Map<string, { occasion: string; at: number }>();

  constructor(resyncMs: number, now: () => number = () => performance.now()) {
    this.#resyncMs = resyncMs;
    this.#now = now;
  }

  /** 0: a call is due now. Else: in how many milliseconds one is due if nothing changes. */
  dueInMs(uid: string, occasion: string): number {
    const known = this.#known.get(uid);
    if (known?.occasion !== occasion) return 0;
    return Math.max(0, known.at + this.#resyncMs - this.#now());
  }

  /** A call was made. */
  note(uid: string, occasion: string): void {
    if (this.#known.size >= MAX_OCCASIONS) this.#known.clear();
    this.#known.set(uid, { occasion, at: this.#now() });
  }

  /** The occasion of the last call; undefined when there was none. */
  last(uid: string): string | undefined {
    return this.#known.get(uid)?.occasion;
  }

  forget(uid: string): void {
    this.#known.delete(uid);
  }
}
