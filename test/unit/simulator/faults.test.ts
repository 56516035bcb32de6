import { afterEach, describe, expect, jest, test } from '@jest/globals';
import fc from 'fast-check';
import { FaultSet, parseFaults } from '../../../simulator/faults.ts';

describe('parseFaults', () => {
  test.each([
    ['nothing', null, /JSON object/],
    ['a list', [], /JSON object/],
    ['an unknown name', { explode: true }, /no fault "explode"; faults are refuse, /],
    ['a name of every object', { constructor: 1 }, /no fault "constructor"/],
    ['a string for a boolean', { refuse: 'yes' }, /refuse needs a boolean/],
    ['a negative time', { slowMs: -1 }, /slowMs needs a number of 0 or more/],
  ])('%s is refused', (_what, body, message) => {
    expect(() => parseFaults(body)).toThrow(message);
  });

  test('what is well formed is taken as it is', () => {
    const faults = { hang: true, unavailable: 5, provisionFails: 'no disk', times: 2 };
    expect(parseFaults(faults)).toEqual(faults);
  });
});

describe('FaultSet', () => {
  afterEach(() => {
    jest.useRealTimers();
  });

  test('a fault holds until it is ended, beside others', () => {
    const faults = new FaultSet();
    faults.add({ hang: true });
    faults.add({ slowMs: 5 });
    expect(faults.current).toEqual({ hang: true, slowMs: 5 });
    faults.add({ hang: false });
    expect(faults.current).toEqual({ slowMs: 5 });
    faults.clear();
    expect(faults.current).toEqual({});
  });

  test('a fault bites as often as it was told', () => {
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 20 }), (times) => {
        const faults = new FaultSet();
        faults.add({ unauthorized: true, times });
        const bites = Array.from({ length: 30 }, () => faults.take('unauthorized')).filter(Boolean);
        expect(bites).toHaveLength(times);
      }),
    );
  });

  test('only the faults that were given together end together', () => {
    jest.useFakeTimers();
    let ended = 0;
    const faults = new FaultSet(() => (ended += 1));
    faults.add({ slowMs: 5 });
    faults.add({ hang: true, refuse: true, forMs: 1_000 });
    jest.advanceTimersByTime(999);
    expect([faults.current, ended]).toEqual([{ slowMs: 5, hang: true, refuse: true }, 0]);
    jest.advanceTimersByTime(1);
    expect([faults.current, ended]).toEqual([{ slowMs: 5 }, 2]);
  });

  test('a fault that is set again begins anew', () => {
    jest.useFakeTimers();
    const faults = new FaultSet();
    faults.add({ hang: true, forMs: 1_000 });
    faults.add({ hang: true });
    jest.advanceTimersByTime(5_000);
    expect(faults.current).toEqual({ hang: true });
  });

  test('chance counts only what it hits', () => {
    const faults = new FaultSet();
    faults.add({ powerLost: 0.5, times: 1 });
    expect(faults.strikes('powerLost', () => 0.7)).toBe(false);
    expect(faults.strikes('powerLost', () => 0.3)).toBe(true);
    expect(faults.strikes('powerLost', () => 0.3)).toBe(false);
  });
});
