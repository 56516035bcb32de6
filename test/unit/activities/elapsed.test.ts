import { afterEach, beforeEach, expect, jest, test } from '@jest/globals';
import { inTimeOr } from '../../../activities/activityScope.ts';
import type { ClaimRef } from '../../../contracts/claimRef.ts';
import { stopwatch } from '../../../activities/elapsed.ts';
import { BmcCalls } from '../../../activities/bmc/bmcCalls.ts';
import { claimFence } from '../../../activities/bmc/fence.ts';
import { serializeServer } from '../../../model/serverIdentity.ts';
import type { KubeClient } from '../../../kube/client.ts';
import { claimAnnotation } from '../../support/claims.ts';

beforeEach(() => void jest.useFakeTimers({ now: Date.parse('2026-01-01T00:00:00Z'), doNotFake: ['nextTick'] }));
afterEach(() => void jest.useRealTimers());

/** The virtual machine is suspended: monotonic time stands still, the time of day is set when it goes on. */
const suspend = (ms: number) => jest.setSystemTime(Date.now() + ms);

test('the larger of both clocks counts', () => {
  const elapsedMs = stopwatch();
  jest.advanceTimersByTime(300);
  expect(elapsedMs()).toBe(300);
  suspend(90_000);
  expect(elapsedMs()).toBeGreaterThanOrEqual(90_000);
  suspend(-3_600_000);
  expect(elapsedMs()).toBe(300);
});

test('a fence that was read before the machine was suspended lets nothing through', async () => {
  const machine = { namespace: 'ns', name: 'm', uid: 'machine-uid' };
  const ref: ClaimRef = { namespace: 'ns', host: 'h', hostUid: 'host-uid', id: 'c1', machine };
  const host = {
    metadata: {
      name: 'h',
      namespace: 'ns',
      uid: 'host-uid',
      resourceVersion: '1',
      annotations: {
        'beskar7.io/server': serializeServer({ address: 'bmc' }),
        ...claimAnnotation('Armed', { id: 'c1' }),
      },
    },
    spec: {
      redfishConnection: { address: 'https://bmc', credentialsSecretRef: 's' },
      consumerRef: { apiVersion: 'v', kind: 'Beskar7Machine', ...machine },
    },
  };
  const kube = { get: () => Promise.resolve(host), mergePatch: () => Promise.resolve(host) } as unknown as KubeClient;
  const deps = { kube, caches: { duplicateOf: () => undefined } };
  const { fence, identify } = claimFence(
    deps,
    new BmcCalls(kube, { namespace: 'ns', host: 'h', limitMs: 1_000 }),
    ref,
    host,
    ['Armed'],
    new AbortController().signal,
  );
  identify?.({ systemID: '1' });
  const check = await fence();
  check();
  suspend(2_000);
  expect(check).toThrow(/nothing was sent/);
});

test('so does the bound of a late write', () => {
  const requireInTime = inTimeOr('too late');
  requireInTime();
  suspend(60_000);
  expect(requireInTime).toThrow('too late');
});
