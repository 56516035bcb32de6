import { afterAll, beforeAll, expect, jest, test } from '@jest/globals';
import { workflowId } from '../../contracts/names.ts';
import { failedReason } from './ended.ts';
import { bmcDown, claimRef, nobodyTookIt, type Fakes } from './fakes.ts';
import { Stage } from './stage.ts';

jest.setTimeout(60_000);

let stage: Stage;
beforeAll(async () => void (stage = await Stage.open()));
afterAll(() => stage.close());

// In a file of its own: a child that is abandoned leaves the Java test server's clock locked, and the next test would
// wait in real time.
test('calls that nobody takes are no attempts, and it goes on in release/<ns>/<host> when its time is over', async () => {
  let isEnded = false;
  const fakes: Fakes = stage.prepare((well) => ({
    takeReport: () => Promise.resolve({ kind: 'timedOut' }),
    releaseHost: () => Promise.reject(fakes.inputs('releaseHost').length % 2 === 1 ? nobodyTookIt() : bmcDown()),
    releaseHostUnserved: () => Promise.resolve({ kind: isEnded ? 'forced' : 'pending' }),
    failMachine: (input) => {
      isEnded = true;
      return well.failMachine(input);
    },
  }));
  expect(await failedReason(await stage.start('provision'))).toBe('InspectionTimeout');
  const attempts = fakes.inputs('releaseHost').map(({ attempt }) => attempt);
  expect(attempts.slice(0, 6)).toEqual([1, 1, 2, 2, 3, 3]);
  const { host } = claimRef(fakes.machine);
  const release = stage.env.client.workflow.getHandle(workflowId('release', { namespace: 'ns', name: host }));
  await expect(release.result()).resolves.toContain('was released');
});
