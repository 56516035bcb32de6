import { describe, expect, test } from '@jest/globals';
import { forEachLimited, pause, poll } from '../../../bench/waiting.ts';

const signal = new AbortController().signal;

describe('poll', () => {
  test('asks until there is an answer, over failures', async () => {
    const answers = [undefined, new Error('not yet'), 'there'];
    const ask = async () => {
      const answer = answers.shift();
      if (answer instanceof Error) throw answer;
      return answer;
    };
    await expect(poll('it', ask, { timeoutMs: 5_000, everyMs: 1, signal })).resolves.toBe('there');
  });

  test('says what was waited for and the last reason', async () => {
    const ask = () => Promise.reject(new Error('refused'));
    await expect(poll('Beskar7 is up', ask, { timeoutMs: 5, everyMs: 1, signal })).rejects.toThrow(
      'Beskar7 is up: not within 0.005 s: refused',
    );
  });

  test('ends with the signal', async () => {
    const controller = new AbortController();
    const asked = poll('it', async () => undefined, { timeoutMs: 60_000, everyMs: 30_000, signal: controller.signal });
    controller.abort(new Error('stopped'));
    await expect(asked).rejects.toThrow('stopped');
    await expect(pause(60_000, controller.signal)).rejects.toThrow('stopped');
  });
});

describe('forEachLimited', () => {
  test('does all, never more than the limit at once', async () => {
    let now = 0;
    let most = 0;
    const done: number[] = [];
    await forEachLimited([1, 2, 3, 4, 5, 6, 7], 3, async (item) => {
      most = Math.max(most, (now += 1));
      await new Promise(setImmediate);
      now -= 1;
      done.push(item);
    });
    expect(most).toBe(3);
    expect(done).toHaveLength(7);
  });

  test('rejects with the first failure, and nothing starts in its lane after it', async () => {
    const done: number[] = [];
    const work = async (item: number) => {
      if (item === 2) throw new Error('two');
      done.push(item);
    };
    await expect(forEachLimited([1, 2, 3], 1, work)).rejects.toThrow('two');
    expect(done).toEqual([1]);
  });
});
