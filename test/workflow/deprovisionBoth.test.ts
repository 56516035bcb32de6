import { afterAll, beforeAll, expect, jest, test } from '@jest/globals';
import { hostChanged } from '../../contracts/messages.ts';
import { workflowId } from '../../contracts/names.ts';
import { bmcDown, claimRef } from './fakes.ts';
import { Stage } from './stage.ts';

jest.setTimeout(60_000);

let stage: Stage;
beforeAll(async () => void (stage = await Stage.open()));
afterAll(() => stage.close());

test('of two claims the second is released at once, whatever the BMC of the first one does', async () => {
  let isBack = false;
  const fakes = stage.prepare((well) => ({
    findClaims: ({ name }) => Promise.resolve([1, 2].map((n) => claimRef({ ...fakes.machine, name }, n))),
    releaseHost: (input, ...more) =>
      input.claim.id === 'claim-1' && !isBack ? Promise.reject(bmcDown()) : well.releaseHost(input, ...more),
  }));
  const run = await stage.start('deprovision');
  const second = workflowId('release', { namespace: 'ns', name: claimRef(fakes.machine, 2).host });
  await fakes.called('releaseHost', 2);
  await stage.env.client.workflow.getHandle(second).result();
  expect(fakes.names()).not.toContain('removeMachineFinalizer');
  isBack = true;
  const first = workflowId('release', { namespace: 'ns', name: claimRef(fakes.machine, 1).host });
  await stage.env.client.workflow.getHandle(first).signal(hostChanged, { connectionHash: 'new' });
  await expect(run.result()).resolves.toContain('2 hosts released');
  const ids = fakes.inputs('releaseHost').map(({ claim }) => claim.id);
  expect(ids.indexOf('claim-2')).toBeLessThan(ids.lastIndexOf('claim-1'));
  expect(fakes.names().at(-1)).toBe('removeMachineFinalizer');
});
