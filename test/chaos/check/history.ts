/** What a value was over time. */
export class History<T> {
  readonly #changes: { at: number; value: T }[];

  constructor(first: T) {
    this.#changes = [{ at: Number.NEGATIVE_INFINITY, value: first }];
  }

  set(at: number, value: T): void {
    this.#changes.push({ at, value });
  }

  /** What it was at an instant, and since when. */
  at(instant: number): { readonly value: T; readonly since: number } {
    const change = this.#changes.findLast(({ at }) => at <= instant) ?? this.#changes[0];
    // There is always the first one.
    if (change === undefined) throw new Error('a history without a beginning');
    return { value: change.value, since: change.at };
  }

  /** Whether it was so at any instant from `from` to `to`. */
  wasEver(isSo: (value: T) => boolean, from: number, to: number): boolean {
    return this.#changes.some(({ at, value }, index) => {
      const end = this.#changes[index + 1]?.at ?? Number.POSITIVE_INFINITY;
      return isSo(value) && at <= to && end >= from;
    });
  }
}
