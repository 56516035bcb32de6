import { afterAll, beforeAll, describe, expect, jest, test } from '@jest/globals';
import type { ClaimState } from '../../contracts/claimRef.ts';
import type { Plan } from '../../activities/claim/plan.ts';
import { inspectionReported, progress } from '../../contracts/messages.ts';
import { endStatus, failedReason, lastedMs } from './ended.ts';
import { RELEASE_STEPS, claims, inMs, type Activities, type Fakes } from './fakes.ts';
import { Stage } from './stage.ts';

jest.setTimeout(60_000);

let stage: Stage;
beforeAll(async () => void (stage = await Stage.open()));
afterAll(() => stage.close());

const MINUTE_MS = 60_000;

/** A claim that an earlier run has made. */
function adopts(state: Partial<ClaimState>, overrides: Partial<Activities> = {}, plan: Partial<Plan> = {}): Fakes {
  return stage.prepare({ claimHost: claims(stage.env, plan, { isAdopted: true, ...state }), ...overrides });
}

describe('a claim of an earlier run', () => {
  test('armed and seen on: nothing is sent, and only the rest of the time is waited', async () => {
    const inspectionDeadline = await inMs(stage.env, 3 * MINUTE_MS);
    const fakes = adopts(
      { stage: 'Armed', inspectionDeadline },
      { takeReport: ({ timedOut }) => Promise.resolve({ kind: timedOut ? 'timedOut' : 'waiting' }) },
    );
    const run = await stage.start('provision');
    expect(await failedReason(run)).toBe('InspectionTimeout');
    expect(fakes.names()).not.toContain('prepareBoot');
    expect(fakes.names()).not.toContain('bootInspector');
    // Once at the start, since the earlier run may have been told; once when the timer had fired.
    expect(fakes.inputs('takeReport').map(({ timedOut }) => timedOut)).toEqual([false, true]);
    expect(await lastedMs(run)).toBeLessThan(4 * MINUTE_MS);
  });

  test('a report that came while no run was open is found', async () => {
    const fakes = adopts({ stage: 'Armed', inspectionDeadline: await inMs(stage.env, 3 * MINUTE_MS) });
    await expect((await stage.start('provision')).result()).resolves.toContain('was provisioned');
    expect(fakes.names()).toEqual([
      'claimHost',
      'takeReport',
      'clearNetworkBoot',
      'openProvisioning',
      'settleHandover',
    ]);
  });

  test('a deadline that has passed meanwhile is asked for once, then over', async () => {
    const fakes = adopts(
      { stage: 'Armed', inspectionDeadline: await inMs(stage.env, -MINUTE_MS) },
      { takeReport: ({ timedOut }) => Promise.resolve({ kind: timedOut ? 'timedOut' : 'waiting' }) },
    );
    expect(await failedReason(await stage.start('provision'))).toBe('InspectionTimeout');
    expect(fakes.inputs('takeReport')).toHaveLength(2);
  });

  test('claimed and not yet booted: it is booted within the rest of its time', async () => {
    const fakes = adopts(
      { stage: 'Claimed', bootDeadline: await inMs(stage.env, 2 * MINUTE_MS) },
      {
        prepareBoot: () => Promise.reject(new Error('refused')),
      },
    );
    const run = await stage.start('provision');
    expect(await failedReason(run)).toBe('BootFailed');
    expect(await lastedMs(run)).toBeLessThan(3 * MINUTE_MS);
    expect(fakes.inputs('releaseHost')).toHaveLength(1);
  });

  test('the attempts of earlier runs count', async () => {
    const fakes = adopts(
      { stage: 'Armed', attempt: 2, inspectionDeadline: await inMs(stage.env, MINUTE_MS) },
      {
        takeReport: () => Promise.resolve({ kind: 'timedOut' }),
      },
      { attempts: 2 },
    );
    expect(await failedReason(await stage.start('provision'))).toBe('InspectionTimeout');
    expect(fakes.inputs('claimHost')).toHaveLength(1);
  });

  test('the query tells what it waits for', async () => {
    const fakes = adopts(
      { stage: 'Armed', inspectionDeadline: await inMs(stage.env, 3 * MINUTE_MS) },
      {
        takeReport: () => Promise.resolve({ kind: 'waiting' }),
      },
    );
    const run = await stage.start('provision');
    await fakes.called('takeReport');
    await expect(run.query(progress)).resolves.toMatchObject({ phase: 'Inspecting', claim: 'claim-1' });
    await run.signal(inspectionReported, { claim: 'another' });
    await run.terminate();
  });
});

describe('a release that an earlier run had begun is finished with its reason', () => {
  const recorded: [string | undefined, string, 'Failed' | 'Cancelled'][] = [
    ['HardwareRequirementsNotMet: Host h has 4 cores: too few.', 'HardwareRequirementsNotMet', 'Failed'],
    ['Cancelled', 'Cancelled', 'Cancelled'],
    ['Cancelled: by an operator', 'Cancelled', 'Cancelled'],
    ['Beskar7Machine ns/m is deleted', 'UnexpectedError', 'Failed'],
    [undefined, 'UnexpectedError', 'Failed'],
  ];
  test.each(recorded)('%s', async (reason, expected, outcome) => {
    const fakes = adopts({ stage: 'Releasing', ...(reason === undefined ? {} : { reason }) });
    expect(await endStatus(await stage.start('provision'))).toBe('FAILED');
    expect(fakes.names()).toEqual(['claimHost', ...RELEASE_STEPS, 'failMachine']);
    expect(fakes.inputs('failMachine')[0]).toMatchObject({ reason: expected, outcome });
  });

  test('the message is kept whole', async () => {
    const fakes = adopts({ stage: 'Releasing', reason: 'BootFailed: Host h: 503: busy.' });
    await endStatus(await stage.start('provision'));
    expect(fakes.inputs('failMachine')[0]?.message).toBe('Host h: 503: busy.');
  });
});
