import { retryable } from '../failures.ts';

/**
 * How many of a worker's slots for calls to BMCs enrolments may hold: three quarters in all, half for one namespace. So
 * the release or boot of others finds a slot however many BMCs hang, also where Temporal knows neither priority nor
 * fairness.
 */
export class EnrollSlots {
  readonly #inAll: number;
  readonly #each: number;
  readonly #held = new Map<string, number>();
  #sum = 0;

  constructor(slots: number) {
    this.#inAll = Math.max(1, Math.floor(slots * 0.75));
    this.#each = Math.max(1, Math.floor(slots / 2));
  }

  /** Runs an enrolment of the namespace; throws a retryable failure where there is no slot for it now. */
  async use<T>(namespace: string, act: () => Promise<T>): Promise<T> {
    const held = this.#held.get(namespace) ?? 0;
    if (held >= this.#each || this.#sum >= this.#inAll)
      throw retryable(
        `This worker reads the BMCs of ${held} hosts of namespace ${namespace} at once, and of ${this.#sum} in all: this host comes when one of them is done`,
      );
    this.#held.set(namespace, held + 1);
    this.#sum += 1;
    try {
      return await act();
    } finally {
      this.#sum -= 1;
      const left = (this.#held.get(namespace) ?? 1) - 1;
      if (left > 0) this.#held.set(namespace, left);
      else this.#held.delete(namespace);
    }
  }
}
