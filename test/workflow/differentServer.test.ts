import { afterAll, beforeAll, describe, expect, jest, test } from '@jest/globals';
import { ApplicationFailure } from '@temporalio/common';
import { failedReason } from './ended.ts';
import { claims, releaseInput } from './fakes.ts';
import { Stage } from './stage.ts';

/**
 * Another server answers behind the BMC address of a host (decision 0020): nothing was sent, and only a person can say
 * what is right.
 */

jest.setTimeout(60_000);

let stage: Stage;
beforeAll(async () => void (stage = await Stage.open()));
afterAll(() => stage.close());

const another = () =>
  ApplicationFailure.create({
    message: 'nothing was sent: host ns/h stands for SN-1, but behind its address is a server with SN-2',
    type: 'DifferentServer',
    details: [{ kind: 'DifferentServer' }],
  });

describe('a provisioning', () => {
  test.each(['prepareBoot', 'bootInspector'] as const)(
    '%s: the host is given up at once, and the next one is taken',
    async (step) => {
      let calls = 0;
      const fakes = stage.prepare((well) => ({
        claimHost: claims(stage.env, { attempts: 2 }),
        [step]: (input: never) => {
          calls += 1;
          if (calls === 1) return Promise.reject(another());
          return (well[step] as unknown as (input: never) => Promise<never>)(input);
        },
      }));
      const run = await stage.start('provision');
      await expect(run.result()).resolves.toContain('was provisioned');
      // Not tried again at the same host: it would be the same server.
      expect(fakes.inputs(step)).toHaveLength(2);
      // The second call is the look at how the release ended.
      expect(fakes.inputs('markReleasing')[0]).toMatchObject({
        claim: { id: 'claim-1' },
        reason: expect.stringMatching(/^DifferentServer: .*SN-1.*SN-2/) as unknown,
      });
      expect(fakes.inputs('markReleasing').every(({ claim }) => claim.id === 'claim-1')).toBe(true);
      expect(fakes.inputs('releaseHost')).toMatchObject([{ claim: { id: 'claim-1' } }]);
    },
  );

  test('without a further attempt the machine fails with the reason and both identities', async () => {
    const fakes = stage.prepare({ bootInspector: () => Promise.reject(another()) });
    expect(await failedReason(await stage.start('provision'))).toBe('DifferentServer');
    expect(fakes.inputs('failMachine')[0]).toMatchObject({
      outcome: 'Failed',
      reason: 'DifferentServer',
      message: expect.stringMatching(/SN-1.*SN-2/) as unknown,
    });
    expect(fakes.names().slice(-3)).toEqual(['releaseHost', 'markReleasing', 'failMachine']);
  });
});

describe('a release', () => {
  test('is held, tried again, and ends when the server of the host is back', async () => {
    let isBack = false;
    const fakes = stage.prepare({
      releaseHost: () => (isBack ? Promise.resolve({ kind: 'released' }) : Promise.reject(another())),
    });
    const release = await stage.start('release', releaseInput(fakes));
    await fakes.called('releaseHost', 3);
    isBack = true;
    await expect(release.result()).resolves.toContain('was released');
  });

  test('of a machine that is deleted: its finalizer stays until then', async () => {
    let isBack = false;
    const fakes = stage.prepare({
      releaseHost: () => (isBack ? Promise.resolve({ kind: 'released' }) : Promise.reject(another())),
    });
    const run = await stage.start('deprovision');
    await fakes.called('releaseHost', 2);
    expect(fakes.names()).not.toContain('removeMachineFinalizer');
    isBack = true;
    await run.result();
    expect(fakes.names().at(-1)).toBe('removeMachineFinalizer');
  });
});
