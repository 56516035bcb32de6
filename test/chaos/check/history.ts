/** What a value was over time. */
export class History<T> {
  readonly #changes: { at: number; value: T }[];

  constructor(first: T) {
    this.#changes = [{ at: Number.NEGATIVE_INFINITY, value: first }];
  }

  set(at: number, value: T): void {
    this.#changes.push({ at, value });
  }

  /** Whether it was so at any instant from `from` to `to`. */
  wasEver(isSo: (value: T) => boolean, from: number, to: number): boolean {
    return this.#changes.some(({ at, value }, index) => {
      const end = this.#changes[index + 1]?.at ?? Number.POSITIVE_INFINITY;
      return isSo(value) && at <= to && end >= from;
    });
  }
}
