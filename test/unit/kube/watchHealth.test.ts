import { beforeEach, describe, expect, test } from '@jest/globals';
import { ListAudit, versionOf } from '../../../kube/listAudit.ts';
import { WatchHealth } from '../../../kube/watchHealth.ts';

describe('the health of a watch', () => {
  let now: number;
  let health: WatchHealth;
  beforeEach(() => {
    now = 0;
    health = new WatchHealth({ firstRetryMs: 100, longestRetryMs: 10_000 }, () => now);
  });

  test('the backoff grows over lines that come in between, and is reset by a watch that worked', () => {
    const delays: number[] = [];
    for (let n = 0; n < 12; n += 1) {
      health.alive();
      delays.push(health.failed('ended', 'ended at once'));
    }
    for (const [n, delay] of delays.entries()) {
      const middle = Math.min(10_000, 100 * 2 ** n);
      expect(delay).toBeGreaterThanOrEqual(middle * 0.5);
      expect(delay).toBeLessThanOrEqual(middle * 1.5);
    }
    health.worked();
    expect(health.problem()).toBeUndefined();
    expect(health.failed('ended', 'again')).toBeLessThanOrEqual(150);
  });

  test('a stream that broke was alive until then; one that was silent, until its last line', () => {
    now = 150_000;
    health.failed('failed', 'cut');
    expect(health.problem()).toEqual({ message: 'cut', forMs: 0 });
    health.worked();
    health.alive();
    now = 300_000;
    health.failed('silent', 'no byte');
    expect(health.problem()).toEqual({ message: 'no byte', forMs: 150_000 });
    // The list that follows makes the cache current, and the watch stays under suspicion.
    health.alive();
    now = 340_000;
    expect(health.problem()).toEqual({ message: 'no byte', forMs: 40_000 });
    expect(health.isSuspect).toBe(true);
    health.failed('failed', 'refused');
    expect(health.isSuspect).toBe(true);
    health.worked();
    expect([health.isSuspect, health.problem()]).toEqual([false, undefined]);
  });
});

describe('what a list found', () => {
  test('is missed unless an event up to its version tells of it', () => {
    const audit = new ListAudit(20n, ['ns/a', 'ns/b', 'ns/c']);
    expect(audit.isNews('MODIFIED', 'ns/a', '15')).toBe(false);
    expect(audit.isNews('BOOKMARK', '/', '19')).toBe(false);
    expect(audit.isNews('DELETED', 'ns/b', '20')).toBe(false);
    expect(audit.isNews('BOOKMARK', '/', '20')).toBe(true);
    expect(audit.isNews('MODIFIED', 'ns/c', '21')).toBe(true);
    expect([...audit.untold]).toEqual(['ns/c']);
  });

  test.each([
    ['123', 123n],
    ['0', 0n],
    ['', undefined],
    ['12a', undefined],
    [undefined, undefined],
  ])('version %s', (text, expected) => {
    expect(versionOf(text)).toBe(expected);
  });
});
