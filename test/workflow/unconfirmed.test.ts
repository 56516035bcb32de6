import { afterAll, beforeAll, describe, expect, jest, test } from '@jest/globals';
import type { RunContext } from '../../contracts/claimRef.ts';
import { failedReason } from './ended.ts';
import { bmcDown, claims, lostWorker } from './fakes.ts';
import { Stage } from './stage.ts';

jest.setTimeout(60_000);

let stage: Stage;
beforeAll(async () => void (stage = await Stage.open()));
afterAll(() => stage.close());

describe('the end of an activity that nobody confirmed', () => {
  test('a release whose worker was lost is repeated as unconfirmed', async () => {
    let tries = 0;
    const fakes = stage.prepare({
      takeReport: () => Promise.resolve({ kind: 'timedOut' }),
      releaseHost: () => {
        tries += 1;
        return tries === 1 ? lostWorker(stage.env) : Promise.resolve({ kind: 'released' });
      },
    });
    await failedReason(await stage.start('provision'));
    expect(fakes.inputs('releaseHost').map(({ isUnconfirmed }) => isUnconfirmed)).toEqual([false, true]);
  });

  test('a lost worker: the release waits for what may still arrive', async () => {
    const fakes = stage.prepare((well) => {
      let tries = 0;
      return {
        bootInspector: (input) => {
          tries += 1;
          return tries === 1 ? lostWorker(stage.env) : well.bootInspector(input);
        },
        takeReport: () => Promise.resolve({ kind: 'timedOut' }),
      };
    });
    await failedReason(await stage.start('provision'));
    expect(fakes.inputs('bootInspector')).toHaveLength(2);
    expect(fakes.inputs('releaseHost')[0]).toMatchObject({ isUnconfirmed: true });
  });

  test.each([
    ['one that was reset goes on with the claim of the run before', () => 'the run before', true],
    ['its own claim is no news', ({ workflow }: RunContext) => workflow.runID, false],
  ])('of a run: %s', async (_what, claimedBy, isUnconfirmed) => {
    const fakes = stage.prepare({
      claimHost: (input) => claims(stage.env, {}, { claimedBy: claimedBy(input.run) })(input),
      takeReport: () => Promise.resolve({ kind: 'timedOut' }),
    });
    await failedReason(await stage.start('provision'));
    expect(fakes.inputs('releaseHost')[0]).toMatchObject({ isUnconfirmed });
  });

  test('a BMC that refused is confirmed', async () => {
    const fakes = stage.prepare({ bootInspector: () => Promise.reject(bmcDown()) });
    await failedReason(await stage.start('provision'));
    expect(fakes.inputs('releaseHost')[0]).toMatchObject({ isUnconfirmed: false });
  });
});
