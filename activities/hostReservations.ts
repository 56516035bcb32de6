/**
 * Hosts that this process is claiming or has just claimed, so that its own activities do not race each other for one host
 * while the watch cache is behind. Only a saving of conflicts: the compare-and-swap decides. Entries end by themselves.
 */
export class HostReservations {
  readonly #until = new Map<string, number>();
  readonly #ttlMs: number;
  readonly #now: () => number;

  constructor(ttlMs = 5_000, now: () => number = () => performance.now()) {
    this.#ttlMs = ttlMs;
    this.#now = now;
  }

  /** Reserves a host by uid; false when it is reserved already. */
  tryReserve(uid: string): boolean {
    if (this.isReserved(uid)) return false;
    this.#prune();
    this.#until.set(uid, this.#now() + this.#ttlMs);
    return true;
  }

  isReserved(uid: string): boolean {
    const until = this.#until.get(uid);
    return until !== undefined && until > this.#now();
  }

  release(uid: string): void {
    this.#until.delete(uid);
  }

  #prune(): void {
    if (this.#until.size < 1_000) return;
    const now = this.#now();
    for (const [uid, until] of this.#until) if (until <= now) this.#until.delete(uid);
  }
}
