/** The distribution of a measured time. */
export interface Distribution {
  readonly p50: number;
  readonly p95: number;
  readonly max: number;
}

/**
 * The nearest-rank percentile (the smallest value that at least `percent` per cent of all values do not exceed); NaN
 * when there is no value. `percent` is in (0, 100].
 */
export function percentile(values: readonly number[], percent: number): number {
  if (!(percent > 0 && percent <= 100)) throw new RangeError(`a percentile is above 0 and at most 100, not ${percent}`);
  const sorted = values.toSorted((a, b) => a - b);
  return sorted[Math.max(0, Math.ceil((percent / 100) * sorted.length) - 1)] ?? Number.NaN;
}

/** Median, 95th percentile and maximum, each rounded to milliseconds of a second; NaN when there is no value. */
export function distribution(values: readonly number[]): Distribution {
  return {
    p50: round(percentile(values, 50), 3),
    p95: round(percentile(values, 95), 3),
    max: round(percentile(values, 100), 3),
  };
}

/** The arithmetic mean; NaN when there is no value. */
export function mean(values: readonly number[]): number {
  return values.reduce((sum, value) => sum + value, 0) / values.length;
}

/** Rounded to this many decimal places. */
export function round(value: number, places: number): number {
  const factor = 10 ** places;
  return Math.round(value * factor) / factor;
}

/** The index of the value that is the (lower) median; -1 when there is none. */
export function medianIndex(values: readonly number[]): number {
  const order = values.map((_, index) => index).sort((a, b) => (values[a] ?? 0) - (values[b] ?? 0));
  return order[Math.floor((order.length - 1) / 2)] ?? -1;
}
