import { LRUCache } from 'lru-cache';

/** A token bucket: `burst` requests at once, `perSecond` on average. */
export interface Rate {
  readonly burst: number;
  readonly perSecond: number;
}

/**
 * Generous: 500 servers behind one NAT boot, report, ask for bootstrap data every 5 s and hand over at once, with
 * repeats. A single host does a dozen calls.
 */
export const DEFAULT_RATES = {
  perSource: { burst: 5000, perSecond: 500 },
  /**
   * Of the servers of one namespace that have proved their claim, wherever they are: what one tenant's take leaves as
   * much to the others. 500 that boot at once send 3,000 requests with their repeats, then 100 a second.
   */
  perNamespace: { burst: 3000, perSecond: 250 },
  perHost: { burst: 100, perSecond: 10 },
} as const satisfies Record<string, Rate>;

/** Reports of one claim that are read and refused: a server that sends bad ones for ever costs that much work. */
export const REFUSED_REPORTS: Rate = { burst: 20, perSecond: 1 / 60 };

interface Bucket {
  tokens: number;
  /** Monotonic, in ms. */
  filledAt: number;
}

/** Token buckets by key, in memory. Forgets the keys that were quiet longest; a forgotten bucket is a full one. */
export class RateLimit {
  readonly #rate: Rate;
  readonly #buckets: LRUCache<string, Bucket>;
  readonly #now: () => number;

  constructor(rate: Rate, options: { maxKeys?: number; now?: () => number } = {}) {
    this.#rate = rate;
    this.#buckets = new LRUCache({ max: options.maxKeys ?? 20_000 });
    this.#now = options.now ?? (() => performance.now());
  }

  /** Takes one request of `key`. 0: go on; else the milliseconds until the next one is taken. */
  take(key: string): number {
    const { tokens, now } = this.#filled(key);
    const isTaken = tokens >= 1;
    this.#buckets.set(key, { tokens: isTaken ? tokens - 1 : tokens, filledAt: now });
    return isTaken ? 0 : ((1 - tokens) / this.#rate.perSecond) * 1000;
  }

  /** Gives one back that was taken for what turned out not to count. */
  giveBack(key: string): void {
    const { tokens, now } = this.#filled(key);
    this.#buckets.set(key, { tokens: Math.min(this.#rate.burst, tokens + 1), filledAt: now });
  }

  #filled(key: string): { readonly tokens: number; readonly now: number } {
    const { burst, perSecond } = this.#rate;
    const now = this.#now();
    const bucket = this.#buckets.get(key) ?? { tokens: burst, filledAt: now };
    const gained = ((now - bucket.filledAt) / 1000) * perSecond;
    return { tokens: Math.min(burst, bucket.tokens + Math.max(0, gained)), now };
  }
}
