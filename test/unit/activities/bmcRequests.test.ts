import { setImmediate } from 'node:timers/promises';
import { describe, expect, test } from '@jest/globals';
import { ApplicationFailure } from '@temporalio/common';
import { noteBmcRequest, withBmcRequests } from '../../../activities/bmc/bmcRequests.ts';

const note = (path: string, outcome: number | string = 200) =>
  noteBmcRequest({ method: 'GET', path, outcome, seconds: 0.012 });

describe('what an activity asked of a BMC', () => {
  test('stands in its result, beside what it returns', async () => {
    const result = await withBmcRequests(async () => {
      note('/redfish/v1/Systems/1');
      await setImmediate();
      note('/redfish/v1/Systems/1', 'Timeout');
      return { kind: 'done' };
    });
    expect(result).toEqual({
      kind: 'done',
      bmcRequests: [
        expect.stringMatching(/^\d{4}-\d\d-\d\dT[\d:.]+Z GET \/redfish\/v1\/Systems\/1 200 in 12 ms$/),
        expect.stringMatching(/Z GET \/redfish\/v1\/Systems\/1 Timeout in 12 ms$/),
      ],
    });
  });

  test('an activity that returns nothing', async () => {
    expect(await withBmcRequests(() => Promise.resolve(note('/a')))).toEqual({ bmcRequests: [expect.any(String)] });
  });

  test('none was asked: the result is as it was', async () => {
    expect(await withBmcRequests(() => Promise.resolve(undefined))).toBeUndefined();
    expect(await withBmcRequests(() => Promise.resolve({ kind: 'done' }))).toEqual({ kind: 'done' });
  });

  test('two activities at once do not mix; a request of no activity is nobody’s', async () => {
    const one = (path: string) =>
      withBmcRequests(async () => {
        await setImmediate();
        note(path);
        return {};
      });
    note('/nobody');
    expect(await Promise.all([one('/a'), one('/b')])).toEqual([
      { bmcRequests: [expect.stringContaining(' /a ')] },
      { bmcRequests: [expect.stringContaining(' /b ')] },
    ]);
  });

  test('stands in the details of a failure, which stays what it was', async () => {
    const failure = ApplicationFailure.create({
      message: 'no answer',
      type: 'BmcFailure',
      nonRetryable: true,
      details: [{ kind: 'Timeout' }],
      nextRetryDelay: '3s',
    });
    const thrown = await withBmcRequests(() => {
      note('/a', 'Timeout');
      return Promise.reject(failure);
    }).catch((error: unknown) => error);
    expect(thrown).toBeInstanceOf(ApplicationFailure);
    expect(thrown).toMatchObject({
      message: 'no answer',
      type: 'BmcFailure',
      nonRetryable: true,
      nextRetryDelay: '3s',
      stack: failure.stack,
      details: [{ kind: 'Timeout' }, { bmcRequests: [expect.stringContaining('Timeout')] }],
    });
  });

  test('other errors go on as they are', async () => {
    const error = new Error('a bug');
    await expect(withBmcRequests(() => Promise.reject(error))).rejects.toBe(error);
  });

  test('is bounded: the first and the last ones; ids of sessions are left out', async () => {
    const { bmcRequests = [] } = (await withBmcRequests(() => {
      for (let index = 0; index < 100; index += 1) note(`/${index}`);
      note('/redfish/v1/SessionService/Sessions/opensesame');
      return Promise.resolve({});
    })) as { bmcRequests?: string[] };
    expect(bmcRequests).toHaveLength(33);
    expect(bmcRequests[15]).toContain(' /15 ');
    expect(bmcRequests[16]).toBe('(69 more)');
    expect(bmcRequests[17]).toContain(' /85 ');
    expect(bmcRequests[32]).toMatch(/Sessions\/\.\.\. 200/);
  });
});
