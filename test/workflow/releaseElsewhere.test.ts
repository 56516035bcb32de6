import { afterAll, beforeAll, expect, jest, test } from '@jest/globals';
import { workflowId } from '../../contracts/names.ts';
import { failedReason, lastedMs } from './ended.ts';
import { bmcDown, claimRef } from './fakes.ts';
import { Stage } from './stage.ts';

jest.setTimeout(60_000);

let stage: Stage;
beforeAll(async () => void (stage = await Stage.open()));
afterAll(() => stage.close());

test('a release that does not succeed is waited for 2 minutes, then goes on by itself while the provisioning ends', async () => {
  let isBack = false;
  const fakes = stage.prepare({
    takeReport: () => Promise.resolve({ kind: 'timedOut' }),
    releaseHost: () => (isBack ? Promise.resolve({ kind: 'released' }) : Promise.reject(bmcDown())),
  });
  const run = await stage.start('provision');
  expect(await failedReason(run)).toBe('InspectionTimeout');
  const tookMs = await lastedMs(run);
  expect(tookMs).toBeLessThan(3 * 60_000);
  const { host } = claimRef(fakes.machine);
  expect(fakes.inputs('failMachine')[0]?.message).toContain(`release/ns/${host} continues`);
  const attempts = fakes.inputs('releaseHost').map(({ attempt, nextAttemptInMs }) => [attempt, nextAttemptInMs]);
  expect(attempts.slice(0, 4)).toEqual([
    [1, 2_000],
    [2, 4_000],
    [3, 8_000],
    [4, 16_000],
  ]);
  isBack = true;
  const release = stage.env.client.workflow.getHandle(workflowId('release', { namespace: 'ns', name: host }));
  await expect(release.result()).resolves.toBe(`host ns/${host} was released`);
});
