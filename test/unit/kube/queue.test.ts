import { afterEach, beforeEach, expect, jest, test } from '@jest/globals';
import { WorkQueue, type Outcome } from '../../../kube/queue.ts';

const logger = { warn: () => undefined, error: () => undefined } as never;
let worked: string[];
let running: Map<string, (outcome: Outcome) => void>;
let queue: WorkQueue;

beforeEach(() => {
  jest.useFakeTimers();
  worked = [];
  running = new Map();
});
afterEach(async () => {
  for (const end of running.values()) end({ kind: 'done' });
  await queue.stop();
  jest.useRealTimers();
});

/** A queue whose work ends when the test says so. */
function manual(concurrency: number): void {
  const reconcile = (key: string) => {
    if (running.has(key)) throw new Error(`${key} is worked on twice at a time`);
    worked.push(key);
    return new Promise<Outcome>((resolve) => {
      running.set(key, (outcome) => {
        running.delete(key);
        resolve(outcome);
      });
    });
  };
  queue = new WorkQueue({ name: 'q', logger, concurrency, reconcile });
}

function answering(outcomes: (Outcome | Error)[]): void {
  const reconcile = (key: string) => {
    worked.push(`${key} ${Date.now()}`);
    const outcome = outcomes.shift() ?? { kind: 'done' as const };
    return outcome instanceof Error ? Promise.reject(outcome) : Promise.resolve(outcome);
  };
  queue = new WorkQueue({ name: 'q', logger, concurrency: 1, firstRetryMs: 100, longestRetryMs: 300, reconcile });
}

const done: Outcome = { kind: 'done' };
const settle = () => jest.advanceTimersByTimeAsync(0);

test('a key waits once, however often it is added', async () => {
  manual(1);
  for (const key of ['a', 'b', 'b', 'b']) queue.add(key);
  expect(worked).toEqual(['a']);
  running.get('a')?.(done);
  await settle();
  running.get('b')?.(done);
  await settle();
  expect(worked).toEqual(['a', 'b']);
  expect(queue.size).toBe(0);
});

test('a key that is added while it is worked on is worked on once more, afterwards', async () => {
  manual(5);
  queue.add('a');
  queue.add('a');
  queue.add('a');
  expect(worked).toEqual(['a']);
  running.get('a')?.(done);
  await settle();
  expect(worked).toEqual(['a', 'a']);
});

test('as many at a time as it may', async () => {
  manual(2);
  for (const key of ['a', 'b', 'c']) queue.add(key);
  expect([...running.keys()]).toEqual(['a', 'b']);
  running.get('a')?.(done);
  await settle();
  expect([...running.keys()]).toEqual(['b', 'c']);
});

test('after: the earliest of several times counts', async () => {
  answering([]);
  queue.addAfter('a', 500);
  queue.addAfter('a', 100);
  queue.addAfter('a', 900);
  await jest.advanceTimersByTimeAsync(99);
  expect(worked).toHaveLength(0);
  await jest.advanceTimersByTimeAsync(2000);
  expect(worked).toHaveLength(1);
});

test('failures are repeated with growing delays up to a bound, and forgotten on success', async () => {
  jest.spyOn(Math, 'random').mockReturnValue(0.5);
  const retry: Outcome = { kind: 'retry', why: 'no' };
  jest.setSystemTime(0);
  answering([retry, new Error('thrown'), retry, retry, { kind: 'after', ms: 1000 }, retry, done]);
  queue.add('a');
  await jest.advanceTimersByTimeAsync(5000);
  // 100, 200, 300 (bound), 300, then 1000 as asked, then 100 again.
  expect(worked).toEqual(['a 0', 'a 100', 'a 300', 'a 600', 'a 900', 'a 1900', 'a 2000']);
  jest.restoreAllMocks();
});

test('stop waits for the work in hand and takes nothing new', async () => {
  manual(1);
  queue.add('a');
  queue.add('b');
  queue.addAfter('c', 10);
  let isStopped = false;
  const stopping = queue.stop().then(() => (isStopped = true));
  await jest.advanceTimersByTimeAsync(100);
  expect(isStopped).toBe(false);
  running.get('a')?.({ kind: 'retry', why: 'late' });
  await stopping;
  queue.add('d');
  await jest.advanceTimersByTimeAsync(100);
  expect(worked).toEqual(['a']);
});
