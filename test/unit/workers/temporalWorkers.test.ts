import { expect, test } from '@jest/globals';
import { untilEnded } from '../../../workers/temporalWorkers.ts';

type State = ReturnType<Parameters<typeof untilEnded>[0]['getState']>;

/** A worker of the SDK whose run ends when the test says so. */
function worker(state: State) {
  const { promise, resolve, reject } = Promise.withResolvers<void>();
  const looks: State[] = [];
  const one = {
    state,
    looks,
    getState: () => {
      looks.push(one.state);
      return one.state;
    },
    resolve,
    reject,
    waiting: () => untilEnded(one, promise, { lookMs: 2, failedMs: 10 }),
  };
  return one;
}

const looked = async ({ looks }: { looks: State[] }, times: number) => {
  while (looks.length < times) await new Promise((resolve) => setTimeout(resolve, 1));
};

test('a worker that runs is waited for; one whose poll was refused, and whose run never ends, is given up', async () => {
  const one = worker('RUNNING');
  let isOver = false;
  const waiting = one.waiting().finally(() => (isOver = true));
  await looked(one, 20);
  expect(isOver).toBe(false);
  one.state = 'FAILED';
  await expect(waiting).rejects.toThrow('it has failed, and its run does not end');
});

test('one that fails and ends: its own error', async () => {
  const one = worker('FAILED');
  const waiting = one.waiting();
  one.reject(new Error('unauthorized'));
  await expect(waiting).rejects.toThrow('unauthorized');
});

test('one that was shut down has ended', async () => {
  const one = worker('STOPPED');
  const waiting = one.waiting();
  one.resolve();
  await expect(waiting).resolves.toBeUndefined();
});
