import { afterAll, beforeAll, describe, expect, jest, test } from '@jest/globals';
import { ActivityFailure, TimeoutFailure } from '@temporalio/common';
import { sortFailure } from '../../workflows/failure.ts';
import type { HostInput } from '../../contracts/names.ts';
import { failedReason } from './ended.ts';
import { claimIsLost, lostWorker, type Fakes } from './fakes.ts';
import { Stage } from './stage.ts';

jest.setTimeout(60_000);

let stage: Stage;
beforeAll(async () => void (stage = await Stage.open()));
afterAll(() => stage.close());

const ofActivity = (cause: Error) =>
  new ActivityFailure('activity failed', 'bootInspector', '1', 'NON_RETRYABLE_FAILURE', 'me', cause);

describe('what became of an activity', () => {
  test('a call that was too slow is not said to have lost its worker', () => {
    const { kind, message } = sortFailure(ofActivity(new TimeoutFailure('late', undefined, 'START_TO_CLOSE')));
    expect(kind).toBe('unconfirmed');
    expect(message).not.toContain('lost');
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
    expect(fakes.inputs('releaseHost')).toHaveLength(2);
  });

  test.each<[string, Fakes['implementation']['releaseHostUnserved']]>([
    ['by force', () => Promise.resolve({ kind: 'forced' })],
    ['meanwhile', () => Promise.reject(claimIsLost())],
  ])('that is ended %s then is over', async (_how, releaseHostUnserved) => {
    const fakes = stage.prepare({ ...timedOut, releaseHost: () => lostWorker(stage.env), releaseHostUnserved });
    expect(await failedReason(await stage.start('provision'))).toBe('InspectionTimeout');
    expect(fakes.inputs('releaseHost')).toHaveLength(1);
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
    const fakes = stage.prepare({
      removeHostFinalizer: () => Promise.resolve({ kind: 'notDue', message: 'it is paused' }),
    });
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
});
