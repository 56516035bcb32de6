import { afterEach, describe, expect, test } from '@jest/globals';
import { ActivityCancellationDetails } from '@temporalio/common';
import { MockActivityEnvironment } from '@temporalio/testing';
import { orAborted, withHeartbeat, withinMs } from '../../../activities/activityScope.ts';
import { bootInspector } from '../../../activities/provision/bootInspector.ts';
import { landingOf } from '../../../activities/failures.ts';
import { callsUntil } from '../../../model/callsUntil.ts';
import { IN_FLIGHT_MS } from '../../../model/deadlines.ts';
import { claimedHost } from '../controllers/builders.ts';
import { failureOf, fakeBmc, stopAll, until } from '../redfish/fakeBmc.ts';
import { NEVER, OneHost, REF, RUN } from './oneHost.ts';

afterEach(stopAll);

const RESET = '/redfish/v1/Systems/1/Actions/ComputerSystem.Reset';

/**
 * A boot whose On is under way, or is not, when the activity is told to end: how it ends, and whether something may
 * still arrive at the BMC as the host has it.
 */
async function endedBoot(habit: 'hangs' | 'accepts', details: ActivityCancellationDetails) {
  const bmc = await fakeBmc((it) => it.on('POST', RESET, habit === 'hangs' ? { instead: 'hang' } : { status: 204 }));
  const one = new OneHost(claimedHost('Armed'), bmc);
  const env = new MockActivityEnvironment();
  const ended = failureOf(
    env.run(() => withHeartbeat((signal) => bootInspector(one.deps, { claim: REF, run: RUN }, signal))),
  );
  await until(() => bmc.sent('POST').length > 0 && (habit === 'hangs' || bmc.seen.at(-1)?.method === 'GET'));
  env.cancel(details.cancelRequested ? 'CANCELLED' : 'WORKER_SHUTDOWN', details);
  const failure = await ended;
  await one.close();
  const isInFlight = one.live !== undefined && callsUntil(one.live, IN_FLIGHT_MS) !== undefined;
  return { failure, isInFlight };
}

const cancelled = new ActivityCancellationDetails({ cancelRequested: true });
const shutDown = new ActivityCancellationDetails({ workerShutdown: true });

describe('an activity that is told to end while a request is under way (rule 4)', () => {
  test('cancelled: the host says that something may still arrive', async () => {
    expect(await endedBoot('hangs', cancelled)).toMatchObject({
      failure: { name: 'CancelledFailure', details: [] },
      isInFlight: true,
    });
  });

  test('at a shutdown of its worker: the same', async () => {
    expect(await endedBoot('hangs', shutDown)).toMatchObject({ failure: { type: 'WorkerShutdown' }, isInFlight: true });
  });

  test('while it waits for what was accepted: confirmed', async () => {
    expect(await endedBoot('accepts', cancelled)).toMatchObject({
      failure: { name: 'CancelledFailure' },
      isInFlight: false,
    });
  });
});

describe('the own end of an activity', () => {
  const late = { message: 'too late', kind: 'PowerOffNotSeen' };
  const never = (signal: AbortSignal) =>
    new Promise<void>((_resolve, reject) => {
      signal.addEventListener('abort', () => reject(new Error('aborted')));
    });

  test('comes as a failure at the BMC', async () => {
    const failure = await failureOf(withinMs(10.5, NEVER, late, never));
    expect(failure).toMatchObject({ type: 'BmcFailure', message: 'too late', details: [{ kind: 'PowerOffNotSeen' }] });
    expect(landingOf(failure)).toBeUndefined();
  });

  test('a cancel before it is none of it', async () => {
    const gone = new AbortController();
    setTimeout(() => gone.abort(), 5);
    expect(String(await failureOf(withinMs(1_000, gone.signal, late, never)))).toContain('aborted');
  });
});

describe('a wait that is given up', () => {
  /** As Node has it: a rejection that nobody hears ends the process. */
  async function unheard(act: () => Promise<unknown>): Promise<unknown[]> {
    const heard: unknown[] = [];
    const listener = (reason: unknown) => void heard.push(reason);
    process.on('unhandledRejection', listener);
    try {
      await act();
      await new Promise((resolve) => setImmediate(resolve));
      await new Promise((resolve) => setImmediate(resolve));
    } finally {
      process.off('unhandledRejection', listener);
    }
    return heard;
  }

  test.each(['before it begins', 'while it lasts'])(
    '%s: what it waited for may fail later, and nobody is hit by it',
    async (when) => {
      const stop = new AbortController();
      let fail: (error: Error) => void = () => undefined;
      const slow = new Promise<void>((_resolve, reject) => (fail = reject));
      if (when === 'before it begins') stop.abort(new Error('stopped'));
      const waits = orAborted(slow, stop.signal);
      stop.abort(new Error('stopped'));
      await expect(waits).rejects.toThrow('stopped');
      expect(await unheard(() => Promise.resolve(fail(new Error('Temporal is away'))))).toEqual([]);
    },
  );
});
