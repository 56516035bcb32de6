import { afterAll, beforeAll, describe, expect, jest, test } from '@jest/globals';
import { endStatus, failedReason, untilItWaits } from './ended.ts';
import {
  RELEASE_STEPS,
  claimIsLost,
  claims,
  inMs,
  runOf,
  told,
  untilCancelled,
  type Activities,
  type Fakes,
} from './fakes.ts';
import { Stage } from './stage.ts';

jest.setTimeout(60_000);

let stage: Stage;
beforeAll(async () => void (stage = await Stage.open()));
afterAll(() => stage.close());

const MINUTE_MS = 60_000;
const bootsSilently = async () => ({ inspectionDeadline: await inMs(stage.env, 10 * MINUTE_MS) });
const cancel = (fakes: () => Fakes) => runOf(stage.env, fakes().machine).cancel();

/** The compensations, as they ended: released, and the machine told that it was cancelled. */
function expectCancelled(fakes: Fakes): void {
  expect(fakes.names().slice(-RELEASE_STEPS.length - 1)).toEqual([...RELEASE_STEPS, 'failMachine']);
  expect(fakes.inputs('markReleasing')[0]?.reason).toMatch(/^Cancelled/);
  expect(fakes.inputs('markReleasing')[0]?.stages).toEqual(['Claimed', 'Armed']);
  expect(fakes.inputs('failMachine')).toHaveLength(1);
  expect(fakes.inputs('failMachine')[0]).toMatchObject({
    outcome: 'Cancelled',
    reason: 'Cancelled',
    plan: { specHash: 'hash' },
  });
  expect(fakes.inputs('failMachine')[0]?.message).toContain('beskar7.io/retry');
}

describe('a cancel', () => {
  test('before the first step: no host is claimed for it, and the machine says so', async () => {
    const fakes = stage.prepare({
      claimHost: (input) =>
        input.isCancelled === true
          ? Promise.resolve({ kind: 'noMatchingHost', message: 'no host is looked for' })
          : claims(stage.env)(input),
    });
    const run = await stage.startBeforeItsWorker('provision', (begun) => begun.cancel());
    expect(await endStatus(run)).toBe('CANCELLED');
    expect(fakes.names()).toEqual(['claimHost', 'failMachine']);
    expect(fakes.inputs('failMachine')[0]).toMatchObject({ outcome: 'Cancelled', reason: 'Cancelled' });
  });

  test('before the first step of a run that finds the claim of an earlier one: that is released', async () => {
    const fakes = stage.prepare({ claimHost: claims(stage.env, {}, { isAdopted: true }) });
    const run = await stage.startBeforeItsWorker('provision', (begun) => begun.cancel());
    expect(await endStatus(run)).toBe('CANCELLED');
    expect(fakes.inputs('claimHost')).toMatchObject([{ isCancelled: true }]);
    expectCancelled(fakes);
  });

  test('while it waits for a host: there is nothing to release', async () => {
    const fakes = stage.prepare({
      claimHost: () => Promise.resolve({ kind: 'noMatchingHost', message: 'no free host fits' }),
    });
    const run = await stage.start('provision');
    await fakes.called('claimHost');
    await run.cancel();
    expect(await endStatus(run)).toBe('CANCELLED');
    expect(fakes.names()).toEqual(['claimHost', 'failMachine']);
    expect(fakes.inputs('failMachine')[0]).toMatchObject({ outcome: 'Cancelled', reason: 'Cancelled' });
  });

  test('while a host is being claimed: the claim is awaited, and released without a call to boot it', async () => {
    const fakes: Fakes = stage.prepare({
      claimHost: async (input) => {
        await cancel(() => fakes);
        return claims(stage.env)(input);
      },
    });
    expect(await endStatus(await stage.start('provision'))).toBe('CANCELLED');
    expectCancelled(fakes);
    expect(fakes.names()).not.toContain('prepareBoot');
  });

  test.each(['prepareBoot', 'bootInspector'] as const)(
    'in %s: the stage is written before the running call is told to end, and its end is awaited',
    async (name) => {
      const fakes: Fakes = stage.prepare({
        [name]: async () => {
          await cancel(() => fakes);
          return untilCancelled();
        },
      });
      expect(await endStatus(await stage.start('provision'))).toBe('CANCELLED');
      expectCancelled(fakes);
      const from = fakes.story.indexOf(name);
      expect(fakes.story.slice(from)).toEqual([
        name,
        'markReleasing',
        '!markReleasing',
        `!${name}`,
        // The stage was written above.
        ...RELEASE_STEPS.slice(1).flatMap((step) => [step, `!${step}`]),
        'failMachine',
        '!failMachine',
      ]);
      expect(fakes.inputs('releaseHost')).toHaveLength(1);
    },
  );

  const others: [string, () => Partial<Activities>][] = [
    ['acquirePowerOnPermit', () => ({ acquirePowerOnPermit: once(() => Promise.resolve()) })],
    ['takeReport', () => ({ takeReport: once(() => Promise.resolve({ kind: 'waiting' })) })],
    [
      'openProvisioning',
      () => ({ openProvisioning: once(async () => ({ deadline: await inMs(stage.env, 20 * MINUTE_MS) })) }),
    ],
    ['settleHandover', () => ({ settleHandover: once(() => Promise.resolve({ kind: 'waiting' })) })],
  ];
  test.each(others)('in %s', async (_name, overrides) => {
    const fakes = stage.prepare(overrides());
    expect(await endStatus(await stage.start('provision'))).toBe('CANCELLED');
    expectCancelled(fakes);
  });

  test('while it waits for the report', async () => {
    const fakes = stage.prepare({ bootInspector: bootsSilently });
    const run = await stage.start('provision');
    await fakes.called('bootInspector');
    await untilItWaits(run);
    await run.cancel();
    expect(await endStatus(run)).toBe('CANCELLED');
    expectCancelled(fakes);
    expect(fakes.names()).not.toContain('takeReport');
  });

  test('while it waits for the hand-over', async () => {
    const fakes = stage.prepare({
      openProvisioning: async () => ({ deadline: await inMs(stage.env, 20 * MINUTE_MS) }),
    });
    const run = await stage.start('provision');
    await fakes.called('openProvisioning');
    await untilItWaits(run);
    await run.cancel();
    expect(await endStatus(run)).toBe('CANCELLED');
    expectCancelled(fakes);
  });

  test('while it waits to boot again', async () => {
    const fakes = stage.prepare({ prepareBoot: () => Promise.reject(new Error('refused')) });
    const run = await stage.start('provision');
    await fakes.called('reportProgress', 3);
    await run.cancel();
    expect(await endStatus(run)).toBe('CANCELLED');
    expectCancelled(fakes);
  });

  test('during the release of a failed attempt: no other host is tried', async () => {
    const fakes: Fakes = stage.prepare({
      claimHost: claims(stage.env, { attempts: 3 }),
      takeReport: () => Promise.resolve({ kind: 'timedOut' }),
      releaseHost: async () => {
        await cancel(() => fakes);
        return { kind: 'released' };
      },
    });
    expect(await endStatus(await stage.start('provision'))).toBe('CANCELLED');
    expect(fakes.inputs('claimHost')).toHaveLength(1);
    expect(fakes.inputs('failMachine')).toHaveLength(1);
    expect(fakes.inputs('failMachine')[0]).toMatchObject({ outcome: 'Cancelled' });
  });

  test('while another host is being announced', async () => {
    const fakes: Fakes = stage.prepare({
      claimHost: claims(stage.env, { attempts: 3 }),
      takeReport: () => Promise.resolve({ kind: 'timedOut' }),
      reportProgress: async () => {
        await cancel(() => fakes);
        return {};
      },
    });
    expect(await endStatus(await stage.start('provision'))).toBe('CANCELLED');
    expect(fakes.inputs('claimHost')).toHaveLength(1);
    expect(fakes.inputs('failMachine')[0]).toMatchObject({ outcome: 'Cancelled' });
  });

  test('does not stop the last release, nor the last word', async () => {
    const fakes: Fakes = stage.prepare({
      takeReport: () => Promise.resolve({ kind: 'timedOut' }),
      releaseHost: async () => {
        await cancel(() => fakes);
        return { kind: 'released' };
      },
    });
    const run = await stage.start('provision');
    expect(await failedReason(run)).toBe('InspectionTimeout');
    expect(await endStatus(run)).toBe('FAILED');
    expect(fakes.names().slice(-3)).toEqual(['releaseHost', 'markReleasing', 'failMachine']);
    expect(fakes.inputs('failMachine')).toMatchObject([{ outcome: 'Failed', reason: 'InspectionTimeout' }]);
  });
});

describe('a cancel that comes too late', () => {
  test('the hand-over was cancelled between its two writes: it is finished, not undone', async () => {
    let tries = 0;
    const fakes: Fakes = stage.prepare({
      settleHandover: async () => {
        tries += 1;
        if (tries > 1) return { kind: 'provisioned' };
        await cancel(() => fakes);
        return untilCancelled();
      },
      markReleasing: () => Promise.reject(claimIsLost('the claim is in stage HandedOver')),
    });
    expect(await endStatus(await stage.start('provision'))).toBe('COMPLETED');
    expect(fakes.names()).not.toContain('releaseHost');
    expect(fakes.names()).not.toContain('failMachine');
  });

  test('the claim was lost: nothing is released, the machine says Cancelled', async () => {
    const fakes: Fakes = stage.prepare({
      bootInspector: bootsSilently,
      markReleasing: () => Promise.reject(claimIsLost()),
      settleHandover: () => Promise.reject(claimIsLost()),
    });
    const run = await stage.start('provision');
    await fakes.called('bootInspector');
    await untilItWaits(run);
    await run.cancel();
    expect(await endStatus(run)).toBe('CANCELLED');
    expect(fakes.names()).not.toContain('releaseHost');
    expect(fakes.inputs('failMachine')[0]).toMatchObject({ outcome: 'Cancelled' });
  });
});

/**
 * Cancels the run from within its first call, which ends as it would have once it was told: the test server loses the
 * end of an activity that comes in the same moment as its cancel, and with it the run.
 */
function once<T>(then: () => Promise<T>): () => Promise<T> {
  return async () => {
    const { fakes } = stage;
    await cancel(() => fakes);
    await told();
    return then();
  };
}
