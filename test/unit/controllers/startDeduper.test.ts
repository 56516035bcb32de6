import { expect, test } from '@jest/globals';
import { StartDeduper } from '../../../controllers/startDeduper.ts';

const MINUTE_MS = 60_000;

/** The minutes at which a call is made within the given time, when each finds the run open. */
function calls(minutes: number, isOpen: boolean): number {
  let nowMs = 0;
  let count = 0;
  const occasions = new StartDeduper(MINUTE_MS, () => nowMs);
  while (nowMs < minutes * MINUTE_MS) {
    const dueMs = occasions.dueInMs('uid', 'provision');
    nowMs += dueMs;
    if (nowMs >= minutes * MINUTE_MS) break;
    occasions.note('uid', 'provision', isOpen);
    count += 1;
  }
  return count;
}

test('a run that is found open again and again costs fewer and fewer requests, at most four times the resync apart', () => {
  expect(calls(8 * 60, false)).toBe(480);
  // First the start, then four at the resync, then after 2 and 4 minutes each.
  expect(calls(8 * 60, true)).toBeLessThan(130);
  expect(calls(8 * 60, true)).toBeGreaterThan(115);
});

test('a new occasion, and a run that was lost, begin at once and at the resync', () => {
  let nowMs = 0;
  const occasions = new StartDeduper(MINUTE_MS, () => nowMs);
  for (let count = 0; count < 20; count += 1) occasions.note('uid', 'provision', true);
  expect(occasions.dueInMs('uid', 'provision')).toBe(4 * MINUTE_MS);
  expect(occasions.dueInMs('uid', 'deprovision')).toBe(0);
  occasions.note('uid', 'deprovision', true);
  expect(occasions.dueInMs('uid', 'deprovision')).toBe(MINUTE_MS);
  expect(occasions.dueInMs('uid', 'deprovision', 2 * MINUTE_MS)).toBe(2 * MINUTE_MS);
  expect(occasions.dueInMs('uid', 'deprovision', 1)).toBe(MINUTE_MS);
  occasions.forget('uid');
  expect(occasions.dueInMs('uid', 'deprovision')).toBe(0);
  occasions.note('uid', 'provision');
  nowMs += MINUTE_MS;
  expect(occasions.dueInMs('uid', 'provision')).toBe(0);
});
