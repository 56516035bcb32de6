import { expect, test } from '@jest/globals';
import { inTurns } from '../../../kube/turns.ts';

/** Holds the event loop for 2 ms a step, and notes whose step it was. */
function* busy(name: string, steps: number, order: string[]): Generator<undefined, string> {
  for (let at = 0; at < steps; at += 1) {
    for (const endsAt = performance.now() + 2; performance.now() < endsAt;);
    order.push(name);
    yield;
  }
  return name;
}

test('long computations take turns with each other and with everything else', async () => {
  const order: string[] = [];
  let ticks = 0;
  const ticking = setInterval(() => {
    ticks += 1;
    order.push('timer');
  }, 1);
  const results = await Promise.all([inTurns(busy('a', 20, order)), inTurns(busy('b', 20, order))]);
  clearInterval(ticking);
  expect(results).toEqual(['a', 'b']);
  expect(ticks).toBeGreaterThanOrEqual(4);
  // Never both between two timers; the first slice begins at once, in the middle of a turn.
  const slices = order
    .join(' ')
    .split('timer')
    .map((slice) => new Set(slice.trim().split(' ').filter(Boolean)));
  expect(slices.slice(1).every((names) => names.size <= 1)).toBe(true);
  expect(order.lastIndexOf('a')).toBeGreaterThan(order.indexOf('b'));
});

test('what is thrown is thrown, and others have their turn all the same', async () => {
  const failing = (function* (): Generator<undefined, never> {
    throw new Error('bad');
  })();
  const order: string[] = [];
  const other = inTurns(busy('a', 1, order));
  await expect(inTurns(failing)).rejects.toThrow('bad');
  await expect(other).resolves.toBe('a');
});
