import { describe, expect, test } from '@jest/globals';
import { RedfishError } from '../../../redfish/error.ts';
import { observed } from '../../../redfish/observe.ts';

const told: [string, string][] = [];
const observe = (method: string, outcome: string, seconds: number) => {
  expect(seconds).toBeGreaterThanOrEqual(0);
  told.push([method, outcome]);
};
const outcomeOf = async (exchange: () => Promise<{ status: number }>) => {
  told.length = 0;
  await observed(observe, 'PATCH', exchange).catch(() => undefined);
  return told.map(([method, outcome]) => `${method} ${outcome}`);
};
const failing = (kind: 'Timeout' | 'FenceRefused' | 'Aborted') => () =>
  Promise.reject(new RedfishError(kind, 'it did not work'));

describe('what is told of a request to a BMC', () => {
  test.each([
    [204, '2xx'],
    [302, '3xx'],
    [401, '4xx'],
    [503, '5xx'],
  ])('%i: its class', async (status, outcome) => {
    expect(await outcomeOf(() => Promise.resolve({ status }))).toEqual([`PATCH ${outcome}`]);
  });

  test('no answer: why', async () => {
    expect(await outcomeOf(failing('Timeout'))).toEqual(['PATCH Timeout']);
    expect(await outcomeOf(() => Promise.reject(new Error('a bug')))).toEqual(['PATCH Unknown']);
  });

  test('nothing, when none was sent: the fence refused it, or it was given up', async () => {
    expect(await outcomeOf(failing('FenceRefused'))).toEqual([]);
    expect(await outcomeOf(failing('Aborted'))).toEqual([]);
  });

  test('the reply and the error go on to the caller', async () => {
    expect(await observed(observe, 'GET', () => Promise.resolve({ status: 200 }))).toEqual({ status: 200 });
    await expect(observed(observe, 'GET', failing('Timeout'))).rejects.toThrow('it did not work');
    expect(await observed(undefined, 'GET', () => Promise.resolve({ status: 200 }))).toEqual({ status: 200 });
  });
});
