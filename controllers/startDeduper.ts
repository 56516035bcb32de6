import { LRUCache } from 'lru-cache';
/** Objects that are remembered; of more, those that were looked at longest ago are started for once more. */
const MAX_OBJECTS = 100_000;
/**
 * This often in a row an open run is found after the resync; from then on the time doubles, up to this many times the
 * resync.
 */
const STEADY = 4;
const MAX_GROWTH = 4;

/**
 * What this process has started for which object, so that an object that changes ten times while its run works on it
 * leads to one call to Temporal. A call is due at first sight, when the occasion changes, and when the last one is
 * older than the resync: that finds runs that were terminated. Where it finds the same run open again and again, the
 * time to the next call grows: each is a request that Temporal refuses.
 */
export class StartDeduper {
  readonly #resyncMs: number;
  readonly #now: () => number;
  readonly #known = new LRUCache<string, { occasion: string; at: number; open: number }>({ max: MAX_OBJECTS });

  constructor(resyncMs: number, now: () => number = () => performance.now()) {
    this.#resyncMs = resyncMs;
    this.#now = now;
  }

  /**
   * 0: a call is due now. Else: in how many milliseconds one is due if nothing changes. `leastMs`: it is not looked at
   * again sooner, however short the resync is.
   */
  dueInMs(uid: string, occasion: string, leastMs = 0): number {
    const known = this.#known.get(uid);
    if (known?.occasion !== occasion) return 0;
    const growth = Math.min(MAX_GROWTH, 2 ** Math.max(0, known.open - STEADY));
    return Math.max(0, known.at + Math.max(this.#resyncMs, leastMs) * growth - this.#now());
  }

  /** A call was made; `isOpen`: it found that a run for it is open. */
  note(uid: string, occasion: string, isOpen = false): void {
    const known = this.#known.get(uid);
    const open = isOpen && known?.occasion === occasion ? known.open + 1 : 0;
    this.#known.set(uid, { occasion, at: this.#now(), open });
  }

  /** The occasion of the last call; undefined when there was none. */
  last(uid: string): string | undefined {
    return this.#known.get(uid)?.occasion;
  }

  forget(uid: string): void {
    this.#known.delete(uid);
  }
}
