import { afterAll, beforeAll, describe, expect, jest, test } from '@jest/globals';
import { failedReason, lastedMs } from './ended.ts';
import { claims, nobodyTookIt } from './fakes.ts';
import { Stage } from './stage.ts';

jest.setTimeout(60_000);

let stage: Stage;
beforeAll(async () => void (stage = await Stage.open()));
afterAll(() => stage.close());

const messages = (of: { inputs(name: 'reportProgress'): { message: string }[] }) =>
  of.inputs('reportProgress').map(({ message }) => message);

describe('a boot that is held up', () => {
  test.each(['prepareBoot', 'bootInspector'] as const)(
    'nobody takes %s: it is told, and goes on when somebody does',
    async (name) => {
      let isServed = false;
      const fakes = stage.prepare((well) => ({
        [name]: (input: never) => {
          if (isServed) return (well[name] as unknown as (input: never) => Promise<never>)(input);
          isServed = true;
          return Promise.reject(nobodyTookIt());
        },
      }));
      const run = await stage.start('provision');
      await expect(run.result()).resolves.toContain('was provisioned');
      expect(messages(fakes)).toEqual([
        expect.stringMatching(
          /^No bmc-worker took the boot of host \S+ for a minute: start one without --worker-pool.* until \S+Z at most\.$/,
        ),
      ]);
      // It waited in the queue, and not beside it: no attempt is told with a next one.
      expect(messages(fakes).join()).not.toContain('Next attempt');
    },
  );

  test('its turn to power on does not come: that is what is told, and no BMC is waited for', async () => {
    const fakes = stage.prepare({ acquirePowerOnPermit: () => Promise.reject(nobodyTookIt()) });
    expect(await failedReason(await stage.start('provision'))).toBe('BootFailed');
    expect(fakes.inputs('failMachine')[0]?.message).toMatch(
      /its turn to power on did not come .*: raise --power-on-rate/,
    );
    expect(fakes.inputs('releaseHost')).toHaveLength(1);
    expect(fakes.names()).not.toContain('bootInspector');
  });
});

describe('a claim that the API server refuses', () => {
  const refused = { kind: 'claimRefused' as const, message: 'refused', retryInMs: 30_000 };

  test('is tried again by itself', async () => {
    let calls = 0;
    const fakes = stage.prepare((well) => ({
      claimHost: (input) => ((calls += 1) < 3 ? Promise.resolve(refused) : well.claimHost(input)),
    }));
    const run = await stage.start('provision');
    await expect(run.result()).resolves.toContain('was provisioned');
    expect(fakes.inputs('claimHost')).toHaveLength(3);
    expect(await lastedMs(run)).toBeGreaterThanOrEqual(60_000);
  });

  test('can be cancelled', async () => {
    const fakes = stage.prepare({ claimHost: () => Promise.resolve({ ...refused, retryInMs: 3_600_000 }) });
    const run = await stage.start('provision');
    await fakes.called('claimHost');
    await run.cancel();
    await expect(run.result()).rejects.toMatchObject({ cause: { name: 'CancelledFailure' } });
    expect(fakes.inputs('failMachine')[0]).toMatchObject({ outcome: 'Cancelled' });
  });
});

test('hosts that were tried before a run was lost are not tried by the next attempt', async () => {
  const fakes = stage.prepare({
    claimHost: (input) =>
      claims(stage.env, { attempts: 3 }, input.attempt === 1 ? { attempt: 2, tried: ['lost'] } : {})(input),
    takeReport: () => Promise.resolve({ kind: 'timedOut' }),
  });
  expect(await failedReason(await stage.start('provision'))).toBe('InspectionTimeout');
  const { name } = fakes.machine;
  expect(fakes.inputs('claimHost').map(({ attempt, tried }) => ({ attempt, tried }))).toEqual([
    { attempt: 1, tried: [] },
    { attempt: 3, tried: ['lost', `host-${name}-2`] },
  ]);
});
