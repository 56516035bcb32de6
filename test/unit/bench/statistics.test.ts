import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import { distribution, mean, medianIndex, percentile, round } from '../../../bench/statistics.ts';

describe('percentile', () => {
  test.each([
    [[3, 1, 2], 50, 2],
    [[1, 2, 3, 4], 50, 2],
    [[5], 95, 5],
    [Array.from({ length: 100 }, (_, index) => index + 1), 95, 95],
    [Array.from({ length: 20 }, (_, index) => index + 1), 95, 19],
    [[7, 9], 100, 9],
  ])('of %j at %d is %d', (values, percent, expected) => {
    expect(percentile(values, percent)).toBe(expected);
  });

  test('of nothing is NaN, and a percentage outside (0, 100] is refused', () => {
    expect(percentile([], 50)).toBeNaN();
    expect(() => percentile([1], 0)).toThrow(RangeError);
    expect(() => percentile([1], 101)).toThrow(RangeError);
  });

  test('is one of the values, and enough of them do not exceed it', () => {
    const values = fc.array(fc.integer({ min: -1000, max: 1000 }), { minLength: 1, maxLength: 50 });
    fc.assert(
      fc.property(values, fc.integer({ min: 1, max: 100 }), (numbers, percent) => {
        const result = percentile(numbers, percent);
        expect(numbers).toContain(result);
        expect(numbers.filter((number) => number <= result).length / numbers.length).toBeGreaterThanOrEqual(
          percent / 100,
        );
      }),
    );
  });
});

test('a distribution does not change the order of what it is told', () => {
  const values = [3, 1, 2.0004];
  expect(distribution(values)).toEqual({ p50: 2, p95: 3, max: 3 });
  expect(values).toEqual([3, 1, 2.0004]);
});

test('mean, rounding and the index of the median', () => {
  expect(mean([1, 2, 6])).toBe(3);
  expect(mean([])).toBeNaN();
  expect(round(1.2345, 2)).toBe(1.23);
  expect(medianIndex([30, 10, 20])).toBe(2);
  expect(medianIndex([30, 10])).toBe(1);
  expect(medianIndex([])).toBe(-1);
});
