import { afterAll, beforeAll, expect, jest, test } from '@jest/globals';
import { hostChanged } from '../../contracts/messages.ts';
import { workflowId } from '../../contracts/names.ts';
import { lastedMs, untilItWaits } from './ended.ts';
import { bmcDown, claimRef, type Fakes } from './fakes.ts';
import { Stage } from './stage.ts';

jest.setTimeout(60_000);

let stage: Stage;
beforeAll(async () => void (stage = await Stage.open()));
afterAll(() => stage.close());

const releaseOf = (fakes: Fakes, n = 1) =>
  stage.env.client.workflow.getHandle(
    workflowId('release', { namespace: 'ns', name: claimRef(fakes.machine, n).host }),
  );

test('a deprovision waits for as long as it takes, without a slot, and is told when its host is free', async () => {
  let isBack = false;
  const fakes = stage.prepare({
    releaseHost: () => (isBack ? Promise.resolve({ kind: 'released' }) : Promise.reject(bmcDown())),
  });
  const run = await stage.start('deprovision');
  await fakes.called('releaseHost');
  await stage.env.sleep('3 hours');
  expect(fakes.names()).not.toContain('removeMachineFinalizer');
  // Looks at the host now and then: a signal may be lost.
  const looks = fakes.inputs('markReleasing').length;
  expect(looks).toBeGreaterThan(10);
  expect(looks).toBeLessThan(40);
  // Only the first one wakes it: the release keeps to its own pace.
  expect(fakes.inputs('requestRelease').filter(({ isFirst }) => isFirst)).toHaveLength(1);
  const { pendingActivities } = (await run.describe()).raw;
  expect(pendingActivities ?? []).toEqual([]);
  isBack = true;
  await releaseOf(fakes).signal(hostChanged, { connectionHash: 'new' });
  await run.result();
  expect(fakes.story.indexOf('removeMachineFinalizer')).toBeGreaterThan(fakes.story.lastIndexOf('!releaseHost'));
});

test('a release that was terminated is started again by whoever waits for it', async () => {
  let isBack = false;
  const fakes = stage.prepare({
    releaseHost: () => (isBack ? Promise.resolve({ kind: 'released' }) : Promise.reject(bmcDown())),
  });
  const run = await stage.start('deprovision');
  await fakes.called('releaseHost');
  await untilItWaits(releaseOf(fakes));
  await releaseOf(fakes).terminate();
  isBack = true;
  await run.result();
  expect(await lastedMs(run)).toBeLessThan(5 * 60_000);
});
