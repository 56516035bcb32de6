import { describe, expect, test } from '@jest/globals';
import { RedfishError } from '../../../redfish/error.ts';
import { observed, type ObservedRequest } from '../../../redfish/observe.ts';

const request = { method: 'PATCH', path: '/redfish/v1/Systems/1?$expand=.' };
const told: string[] = [];
const observe = ({ method, path, outcome, seconds }: ObservedRequest) => {
  expect(seconds).toBeGreaterThanOrEqual(0);
  told.push(`${method} ${path} ${outcome}`);
};
const outcomeOf = async (exchange: () => Promise<{ status: number }>) => {
  told.length = 0;
  await observed(observe, request, exchange).catch(() => undefined);
  return [...told];
};
const failing = (kind: 'Timeout' | 'FenceRefused' | 'Aborted') => () =>
  Promise.reject(new RedfishError(kind, 'it did not work'));

describe('what is told of a request to a BMC', () => {
  test.each([204, 302, 401, 503])('%i: the status; the path without its query', async (status) => {
    expect(await outcomeOf(() => Promise.resolve({ status }))).toEqual([`PATCH /redfish/v1/Systems/1 ${status}`]);
  });

  test('no answer: why', async () => {
    expect(await outcomeOf(failing('Timeout'))).toEqual(['PATCH /redfish/v1/Systems/1 Timeout']);
    expect(await outcomeOf(() => Promise.reject(new Error('a bug')))).toEqual(['PATCH /redfish/v1/Systems/1 Unknown']);
  });

  test('nothing, when none was sent: the fence refused it, or it was given up', async () => {
    expect(await outcomeOf(failing('FenceRefused'))).toEqual([]);
    expect(await outcomeOf(failing('Aborted'))).toEqual([]);
  });

  test('the reply and the error go on to the caller', async () => {
    expect(await observed(observe, request, () => Promise.resolve({ status: 200 }))).toEqual({ status: 200 });
    await expect(observed(observe, request, failing('Timeout'))).rejects.toThrow('it did not work');
    expect(await observed(undefined, request, () => Promise.resolve({ status: 200 }))).toEqual({ status: 200 });
  });
});
