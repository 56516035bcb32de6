import { afterAll, beforeAll, describe, expect, jest, test } from '@jest/globals';
import type { WorkflowHandle } from '@temporalio/client';
import { IN_FLIGHT_MS } from '../../model/deadlines.ts';
import { hostChanged } from '../../contracts/messages.ts';
import { TASK_QUEUE, type HostInput } from '../../contracts/names.ts';
import { lastedMs } from './ended.ts';
import { bmcDown, claimIsLost, inMs, lostWorker, nobodyTookIt, type Activities, type Fakes } from './fakes.ts';
import { Stage } from './stage.ts';

jest.setTimeout(60_000);

let stage: Stage;
beforeAll(async () => void (stage = await Stage.open()));
afterAll(() => stage.close());

const MINUTE_MS = 60_000;

function hostOf(fakes: Fakes, pool?: string): HostInput {
  return { ...fakes.machine, name: `host-${fakes.machine.name}`, ...(pool === undefined ? {} : { pool }) };
}

/** The queues of workers at BMCs that a run has used, in order. */
async function bmcQueues(run: WorkflowHandle): Promise<string[]> {
  const events = (await run.fetchHistory()).events ?? [];
  const queues = events.flatMap((event) => event.activityTaskScheduledEventAttributes?.taskQueue?.name ?? []);
  return queues.filter((name) => name !== TASK_QUEUE);
}

type Enroll = Activities['enrollHost'];

/** Fails so often, with the next attempt in so many milliseconds, then enrolls. */
function failsFirst(times: number, nextInMs: number, connectionHash = 'old', clockBehindMs = 0): Enroll {
  let tries = 0;
  return async () => {
    tries += 1;
    if (tries > times) return { kind: 'enrolled' };
    const nextAttemptAt = await inMs(stage.env, nextInMs - clockBehindMs);
    return { kind: 'failed', message: '401', nextAttemptAt, retryInMs: nextInMs, connectionHash };
  };
}

describe('enroll/<ns>/<host>', () => {
  test('a host that answers is enrolled at once', async () => {
    const fakes = stage.prepare();
    const run = await stage.start('enroll', hostOf(fakes));
    await expect(run.result()).resolves.toContain('is Available');
    expect(fakes.inputs('enrollHost')).toEqual([{ host: hostOf(fakes), failures: 0 }]);
  });

  test('is tried again when the activity says, which is told how often it has failed', async () => {
    const fakes = stage.prepare({ enrollHost: failsFirst(2, MINUTE_MS) });
    const run = await stage.start('enroll', hostOf(fakes));
    await run.result();
    expect(fakes.inputs('enrollHost').map(({ failures }) => failures)).toEqual([0, 1, 2]);
    const tookMs = await lastedMs(run);
    expect(tookMs).toBeGreaterThanOrEqual(2 * MINUTE_MS - 1_000);
    expect(tookMs).toBeLessThan(2.5 * MINUTE_MS);
  });

  test('a worker whose clock is behind does not make it log in without a pause', async () => {
    const fakes = stage.prepare({ enrollHost: failsFirst(3, MINUTE_MS, 'old', 60 * MINUTE_MS) });
    const run = await stage.start('enroll', hostOf(fakes));
    await run.result();
    expect(await lastedMs(run)).toBeGreaterThanOrEqual(3 * MINUTE_MS - 1_000);
  });

  test('between two attempts there is a second, whatever the activity says', async () => {
    const fakes = stage.prepare({ enrollHost: failsFirst(3, -MINUTE_MS) });
    const run = await stage.start('enroll', hostOf(fakes));
    await run.result();
    expect(await lastedMs(run)).toBeGreaterThanOrEqual(3_000 - 50);
  });

  test('a changed host is tried at once, and its failures count anew', async () => {
    const fakes = stage.prepare({ enrollHost: failsFirst(1, 60 * MINUTE_MS) });
    const run = await stage.start('enroll', hostOf(fakes));
    await fakes.called('enrollHost');
    await stage.env.sleep('5 minutes');
    await run.signal(hostChanged, { connectionHash: 'new' });
    await run.result();
    expect(fakes.inputs('enrollHost').map(({ failures }) => failures)).toEqual([0, 0]);
    expect(await lastedMs(run)).toBeLessThan(10 * MINUTE_MS);
  });

  test('a signal about what was tried already changes nothing', async () => {
    const fakes = stage.prepare({ enrollHost: failsFirst(1, 10 * MINUTE_MS, 'same') });
    const run = await stage.start('enroll', hostOf(fakes));
    await fakes.called('enrollHost');
    await stage.env.sleep('1 minute');
    await run.signal(hostChanged, { connectionHash: 'same' });
    await run.result();
    expect(await lastedMs(run)).toBeGreaterThanOrEqual(10 * MINUTE_MS - 1_000);
  });

  test('goes on in a fresh history and keeps the count', async () => {
    const fakes = stage.prepare({ enrollHost: failsFirst(60, MINUTE_MS) });
    const run = await stage.start('enroll', hostOf(fakes));
    await expect(run.result()).resolves.toContain('is Available');
    expect(fakes.inputs('enrollHost').map(({ failures }) => failures)).toEqual(Array.from({ length: 61 }, (_, n) => n));
  });

  test('an error that nobody expected is tried again, slower each time', async () => {
    const errors = [bmcDown(), new TypeError('no'), new TypeError('no'), new TypeError('no'), new TypeError('no')];
    const fakes = stage.prepare({
      enrollHost: () => {
        const error = errors.shift();
        return error ? Promise.reject(error) : Promise.resolve({ kind: 'enrolled' });
      },
    });
    const run = await stage.start('enroll', hostOf(fakes));
    await expect(run.result()).resolves.toContain('is Available');
    expect(await lastedMs(run)).toBeGreaterThan(20_000);
  });

  test('a host that is not due ends the run', async () => {
    const fakes = stage.prepare({ enrollHost: () => Promise.resolve({ kind: 'notDue', message: 'it is claimed' }) });
    await expect((await stage.start('enroll', hostOf(fakes))).result()).resolves.toBe('it is claimed');
  });

  test('a pool of workers of its own', async () => {
    const fakes = stage.prepare();
    const run = await stage.start('enroll', hostOf(fakes, 'site-a'));
    await run.result();
    expect(await bmcQueues(run)).toEqual(['bmc.site-a']);
  });

  test('no worker of its pool: that is told, and it goes on with the pool that the host names by now', async () => {
    const fakes = stage.prepare((well) => ({
      enrollHost: (input) =>
        fakes.inputs('enrollHost').length < 3 ? Promise.reject(nobodyTookIt()) : well.enrollHost(input),
      enrollHostUnserved: () => Promise.resolve({ kind: 'pending', message: 'no worker', pool: 'site-a' }),
    }));
    const run = await stage.start('enroll', hostOf(fakes));
    await expect(run.result()).resolves.toContain('is Available');
    expect(fakes.names().slice(0, 4)).toEqual(['enrollHost', 'enrollHostUnserved', 'enrollHost', 'enrollHostUnserved']);
    expect(await bmcQueues(run)).toEqual(['bmc', 'bmc.site-a', 'bmc.site-a']);
  });

  test('a failed attempt tells the pool for the next one', async () => {
    const fakes = stage.prepare((well) => ({
      enrollHost: async (input) =>
        fakes.inputs('enrollHost').length > 1
          ? well.enrollHost(input)
          : {
              kind: 'failed',
              message: 'unreachable from here',
              nextAttemptAt: await inMs(stage.env, 1_000),
              retryInMs: 1_000,
              connectionHash: 'x',
              pool: 'site-a',
            },
    }));
    const run = await stage.start('enroll', hostOf(fakes));
    await run.result();
    expect(await bmcQueues(run)).toEqual(['bmc', 'bmc.site-a']);
  });
});

describe('retire/<ns>/<host>', () => {
  test('sees the server off, then lets the host and its Secrets go', async () => {
    const fakes = stage.prepare();
    await expect((await stage.start('retire', hostOf(fakes))).result()).resolves.toContain('was retired');
    expect(fakes.names()).toEqual(['retireHost', 'removeHostFinalizer']);
    expect(fakes.inputs('removeHostFinalizer')).toEqual([{ host: hostOf(fakes), secrets: ['bmc'] }]);
  });

  test('is tried for as long as it takes, at once when the host changes', async () => {
    let isForced = false;
    const fakes = stage.prepare({
      retireHost: () => (isForced ? Promise.resolve({ kind: 'off', secrets: [] }) : Promise.reject(bmcDown())),
    });
    const run = await stage.start('retire', hostOf(fakes));
    await fakes.called('retireHost');
    await stage.env.sleep('30 minutes');
    const before = fakes.inputs('retireHost').length;
    expect(before).toBeGreaterThan(5);
    isForced = true;
    await run.signal(hostChanged, { connectionHash: 'any' });
    await run.result();
    expect(fakes.inputs('retireHost')).toHaveLength(before + 1);
  });

  test('after a lost worker it lets the host go only when nothing that was sent can arrive any more', async () => {
    let tries = 0;
    const fakes = stage.prepare({
      retireHost: () => {
        tries += 1;
        if (tries === 1) return lostWorker(stage.env);
        if (tries > 2) return Promise.resolve({ kind: 'off', secrets: ['bmc'] });
        return inMs(stage.env, IN_FLIGHT_MS).then((until) => ({ kind: 'inFlight', until }));
      },
    });
    const run = await stage.start('retire', hostOf(fakes));
    await expect(run.result()).resolves.toContain('was retired');
    const tried = ['retireHost', 'retireHostUnserved', 'retireHost', 'retireHost', 'removeHostFinalizer'];
    expect(fakes.names()).toEqual(tried);
    // The lost attempt is noticed after 20 s of silence, and after IN_FLIGHT_MS the host goes.
    expect(await lastedMs(run)).toBeGreaterThan(20_000 + IN_FLIGHT_MS);
  });

  test('no worker of its pool: an operator can do without', async () => {
    const fakes = stage.prepare({
      retireHost: () => Promise.reject(nobodyTookIt()),
      retireHostUnserved: () =>
        Promise.resolve(
          fakes.inputs('retireHostUnserved').length < 3
            ? { kind: 'pending', pool: 'site-a' }
            : { kind: 'off', secrets: ['bmc'] },
        ),
    });
    const run = await stage.start('retire', hostOf(fakes));
    await expect(run.result()).resolves.toContain('was retired');
    const tries = ['retireHost', 'retireHostUnserved'];
    expect(fakes.names()).toEqual([...tries, ...tries, ...tries, 'removeHostFinalizer']);
    expect(await bmcQueues(run)).toEqual(['bmc', 'bmc.site-a', 'bmc.site-a']);
  });

  test.each([
    ['claimed meanwhile', () => Promise.reject(claimIsLost('the host is claimed: it is not retired'))],
    ['not being deleted', () => Promise.resolve({ kind: 'notDue' as const, message: 'it is not being deleted' })],
  ])('%s: nothing is let go', async (_name, retireHost) => {
    const fakes = stage.prepare({ retireHost });
    await expect((await stage.start('retire', hostOf(fakes))).result()).resolves.toMatch(/is not/);
    expect(fakes.names()).toEqual(['retireHost']);
  });
});
