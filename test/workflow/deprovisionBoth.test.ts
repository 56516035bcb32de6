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
test('of two claims the second is released at once, whatever the BMC of the first one does', async () => {
  let isBack = false;
  const fakes = stage.prepare((well) => ({
    findClaims: ({ name }) => Promise.resolve([1, 2].map((n) => claimRef({ ...fakes.machine, name }, n))),
    findClaim: () => Promise.resolve(claimRef(fakes.machine, 1)),
    releaseHost: (input, ...more) =>
      input.claim.id === 'claim-1' && !isBack ? Promise.reject(bmcDown()) : well.releaseHost(input, ...more),
    awaitClaimEnd: async () => {
      const second = fakes.inputs('releaseHost').filter(({ claim }) => claim.id === 'claim-2');
      expect(second).toHaveLength(1);
      isBack = true;
      const id = workflowId('release', { namespace: 'ns', name: claimRef(fakes.machine).host });
      await stage.env.client.workflow.getHandle(id).signal(hostChanged, { connectionHash: 'new' });
      await fakes.called('findClaim');
    },
  }));
  await expect((await stage.start('deprovision')).result()).resolves.toContain('2 hosts released');
  const ids = fakes.inputs('releaseHost').map(({ claim }) => claim.id);
  expect(ids.indexOf('claim-2')).toBeLessThan(ids.lastIndexOf('claim-1'));
  expect(fakes.names()).toContain('removeMachineFinalizer');
  const release = workflowId('release', { namespace: 'ns', name: claimRef(fakes.machine).host });
  await stage.env.client.workflow.getHandle(release).result();
});
