import { afterAll, beforeAll, describe, expect, jest, test } from '@jest/globals';
import { ActivityFailure, ApplicationFailure, CancelledFailure, TimeoutFailure } from '@temporalio/common';
import { mayHaveLanded, sortFailure } from '../../workflows/failure.ts';
import type { HostInput } from '../../contracts/names.ts';
import { failedReason } from './ended.ts';
import { bmcDown, claimIsLost, lostWorker, told, type Fakes } from './fakes.ts';
import { Stage } from './stage.ts';

jest.setTimeout(60_000);

let stage: Stage;
beforeAll(async () => void (stage = await Stage.open()));
afterAll(() => stage.close());

const landing = { mayHaveLanded: true } as const;
const ofActivity = (cause: Error) =>
  new ActivityFailure('activity failed', 'bootInspector', '1', 'NON_RETRYABLE_FAILURE', 'me', cause);

describe('what an activity has sent may still land', () => {
  test.each<[string, Error, boolean]>([
    ['cancelled while a request was under way', new CancelledFailure('cancelled', [landing]), true],
    ['cancelled between two requests', new CancelledFailure('cancelled'), false],
    ['shut down under way', ApplicationFailure.create({ type: 'WorkerShutdown', details: [landing] }), true],
    ['late', ApplicationFailure.create({ type: 'BmcFailure', details: [{ kind: 'x', ...landing }, null] }), true],
    ['refused', bmcDown(), false],
    ['a lost worker', new TimeoutFailure('lost', undefined, 'HEARTBEAT'), true],
    ['nobody took it', new TimeoutFailure('lost', undefined, 'SCHEDULE_TO_START'), false],
  ])('%s', (_what, cause, expected) => {
    expect(mayHaveLanded(ofActivity(cause))).toBe(expected);
  });

  test('a call that was too slow is not said to have lost its worker', () => {
    const { kind, message } = sortFailure(ofActivity(new TimeoutFailure('late', undefined, 'START_TO_CLOSE')));
    expect(kind).toBe('unconfirmed');
    expect(message).not.toContain('lost');
  });
});

describe('a boot that is cancelled', () => {
  test.each<[string, unknown[], boolean]>([
    ['while its power-on is under way: the release waits for what may land', [landing], true],
    ['between two requests: the release need not wait', [], false],
  ])('%s', async (_when, details, isUnconfirmed) => {
    const fakes = stage.prepare({
      bootInspector: async () => {
        await told();
        throw new CancelledFailure('cancelled', details);
      },
    });
    const run = await stage.start('provision');
    await fakes.called('bootInspector');
    await run.cancel();
    await expect(run.result()).rejects.toMatchObject({ cause: { name: 'CancelledFailure' } });
    expect(fakes.inputs('releaseHost')).toMatchObject([{ isUnconfirmed }]);
  });
});

describe('a release', () => {
  const timedOut = { takeReport: () => Promise.resolve({ kind: 'timedOut' as const }) };

  test('whose end nobody confirmed is told on the host, and goes on', async () => {
    let tries = 0;
    const fakes = stage.prepare({
      ...timedOut,
      releaseHost: () => {
        tries += 1;
        return tries === 1 ? lostWorker(stage.env) : Promise.resolve({ kind: 'released' });
      },
    });
    await failedReason(await stage.start('provision'));
    expect(fakes.inputs('releaseHostUnserved')).toMatchObject([
      { attempt: 1, unconfirmed: expect.stringContaining('lost') },
    ]);
    expect(fakes.inputs('releaseHost').map(({ isUnconfirmed }) => isUnconfirmed)).toEqual([false, true]);
  });

  test.each<[string, Fakes['implementation']['releaseHostUnserved']]>([
    ['by force', () => Promise.resolve({ kind: 'forced' })],
    ['meanwhile', () => Promise.reject(claimIsLost())],
  ])('that is ended %s then is over', async (_how, releaseHostUnserved) => {
    const fakes = stage.prepare({ ...timedOut, releaseHost: () => lostWorker(stage.env), releaseHostUnserved });
    expect(await failedReason(await stage.start('provision'))).toBe('InspectionTimeout');
    expect(fakes.inputs('releaseHost')).toHaveLength(1);
  });

  test('that gave up a request under way is repeated as unconfirmed', async () => {
    let tries = 0;
    const late = ApplicationFailure.create({
      message: 'late',
      type: 'BmcFailure',
      details: [{ kind: 'x', ...landing }],
    });
    const fakes = stage.prepare({
      ...timedOut,
      releaseHost: () => {
        tries += 1;
        return tries === 1 ? Promise.reject(late) : Promise.resolve({ kind: 'released' });
      },
    });
    await failedReason(await stage.start('provision'));
    expect(fakes.inputs('releaseHost').map(({ isUnconfirmed }) => isUnconfirmed)).toEqual([false, true]);
    expect(fakes.inputs('releaseHostUnserved')).toEqual([]);
  });
});

describe('a retirement', () => {
  const hostOf = ({ machine }: Fakes): HostInput => ({ ...machine, name: `host-${machine.name}` });

  test('of a host whose pool was corrected goes on with the workers of that pool', async () => {
    const fakes = stage.prepare({
      retireHost: () =>
        Promise.resolve(
          fakes.inputs('retireHost').length === 1 ? { kind: 'pending', pool: 'site-a' } : { kind: 'off', secrets: [] },
        ),
    });
    const run = await stage.start('retire', hostOf(fakes));
    await expect(run.result()).resolves.toContain('was retired');
    const queues = ((await run.fetchHistory()).events ?? []).flatMap(
      (event) => event.activityTaskScheduledEventAttributes?.taskQueue?.name ?? [],
    );
    expect(queues).toEqual(['bmc', 'bmc.site-a', 'beskar7']);
  });

  test('of a host that was paused after its server was seen off says so', async () => {
    const fakes = stage.prepare({ letHostGo: () => Promise.resolve({ kind: 'notDue', message: 'it is paused' }) });
    await expect((await stage.start('retire', hostOf(fakes))).result()).resolves.toBe('it is paused');
  });

  test('whose end nobody confirmed is told on the host, and goes on', async () => {
    let tries = 0;
    const fakes = stage.prepare({
      retireHost: () => {
        tries += 1;
        return tries === 1 ? lostWorker(stage.env) : Promise.resolve({ kind: 'off', secrets: [] });
      },
    });
    await expect((await stage.start('retire', hostOf(fakes))).result()).resolves.toContain('was retired');
    expect(fakes.inputs('retireHostUnserved')).toMatchObject([{ unconfirmed: expect.stringContaining('lost') }]);
  });

  test('whose request was given up under way lets the host go later', async () => {
    let tries = 0;
    const fakes = stage.prepare({
      retireHost: () => {
        tries += 1;
        const late = ApplicationFailure.create({ type: 'BmcFailure', message: 'late', details: [landing] });
        return tries === 1 ? Promise.reject(late) : Promise.resolve({ kind: 'off', secrets: [] });
      },
    });
    await (await stage.start('retire', hostOf(fakes))).result();
    // Off again after what was sent cannot arrive any more.
    expect(fakes.inputs('retireHost')).toHaveLength(3);
  });
});
