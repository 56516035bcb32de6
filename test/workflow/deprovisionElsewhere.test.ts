import { afterAll, beforeAll, expect, jest, test } from '@jest/globals';
import { hostChanged } from '../../contracts/messages.ts';
import { workflowId } from '../../contracts/names.ts';
import { bmcDown, claimRef } from './fakes.ts';
import { Stage } from './stage.ts';

jest.setTimeout(60_000);

let stage: Stage;
beforeAll(async () => void (stage = await Stage.open()));
afterAll(() => stage.close());

// In a file of its own: a child that is abandoned leaves the Java test server's clock locked, and the next test would wait in real time.
test('a deprovision waits for a release that goes on before it lets the machine go', async () => {
  let isBack = false;
  const fakes = stage.prepare({
    releaseHost: () => (isBack ? Promise.resolve({ kind: 'released' }) : Promise.reject(bmcDown())),
    awaitClaimEnd: async () => {
      isBack = true;
      const { host } = claimRef(fakes.machine);
      const id = workflowId('release', { namespace: 'ns', name: host });
      await stage.env.client.workflow.getHandle(id).signal(hostChanged, { connectionHash: 'new' });
      await fakes.called('findClaim');
    },
  });
  await (await stage.start('deprovision')).result();
  const { story } = fakes;
  expect(story.indexOf('removeMachineFinalizer')).toBeGreaterThan(story.indexOf('!awaitClaimEnd'));
  const release = stage.env.client.workflow.getHandle(
    workflowId('release', { namespace: 'ns', name: claimRef(fakes.machine).host }),
  );
  await release.result();
});
