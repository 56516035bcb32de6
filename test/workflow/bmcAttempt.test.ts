import { describe, expect, test } from '@jest/globals';
import { ActivityFailure, ApplicationFailure, CancelledFailure, TimeoutFailure } from '@temporalio/common';
import { attemptBmc, BACKOFF, waitAfter, type Backoff } from '../../workflows/bmcAttempt.ts';

const fails = (cause: Error) => () =>
  Promise.reject(new ActivityFailure('failed', 'releaseHost', '1', 'NON_RETRYABLE_FAILURE', 'me', cause));
const failing = (type: string, nonRetryable = false) =>
  fails(ApplicationFailure.create({ type, message: 'why', nonRetryable }));
const of = (call: () => Promise<never>, failures = 1, backoff: Backoff = BACKOFF.release) =>
  attemptBmc(call, backoff, failures);

describe('one call to a BMC comes to', () => {
  test('its result', async () => {
    expect(await attemptBmc(() => Promise.resolve(7), BACKOFF.boot, 1)).toEqual({ kind: 'done', result: 7 });
  });

  test('a claim that has ended', async () => {
    expect(await of(failing('ClaimLost', true))).toMatchObject({ kind: 'claimLost', message: 'why' });
  });

  test('no worker, which is no attempt', async () => {
    const late = new TimeoutFailure('late', undefined, 'SCHEDULE_TO_START');
    expect(await of(fails(late))).toMatchObject({ kind: 'noWorker' });
  });

  test.each([
    ['the BMC refused', failing('BmcFailure'), { cause: 'bmc', waitMs: 2_000, isUnreported: false }],
    [
      'the worker was lost',
      fails(new TimeoutFailure('late', undefined, 'HEARTBEAT')),
      { cause: 'unconfirmed', isUnreported: true },
    ],
    ['the worker stops', failing('WorkerShutdown'), { cause: 'shutdown', waitMs: 0, isUnreported: false }],
    ['another server', failing('DifferentServer', true), { cause: 'differentServer', waitMs: 2_000 }],
    ['what no attempt helps', failing('InvalidBootConfiguration', true), { cause: 'permanent' }],
    ['a clock that is wrong: the activity never began', failing('ClockSkew'), { cause: 'bmc', isUnreported: true }],
  ])('%s', async (_what, call, expected) => {
    expect(await of(call)).toMatchObject({ kind: 'failed', ...expected });
  });

  test.each([
    ['a cancel', fails(new CancelledFailure('cancelled'))],
    ['a Temporal namespace of another installation', failing('OtherInstallation', true)],
  ])('%s ends the run', async (_what, call) => {
    await expect(of(call)).rejects.toBeInstanceOf(ActivityFailure);
  });
});

test('each wait doubles up to its bound, and none is longer', () => {
  const waits = (backoff: Backoff) => [1, 2, 3, 7, 9, 5_000].map((failures) => waitAfter(backoff, failures));
  expect(waits(BACKOFF.boot)).toEqual([1_000, 2_000, 4_000, 30_000, 30_000, 30_000]);
  expect(waits(BACKOFF.release)).toEqual([2_000, 4_000, 8_000, 128_000, 300_000, 300_000]);
  expect(waits(BACKOFF.retire)).toEqual(waits(BACKOFF.release));
  expect(waits(BACKOFF.enroll)).toEqual([1_000, 2_000, 4_000, 64_000, 64_000, 64_000]);
});
