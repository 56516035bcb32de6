import { afterAll, beforeAll, expect, jest, test } from '@jest/globals';
import { claimEnded } from '../../contracts/messages.ts';
import { workflowId } from '../../contracts/names.ts';
import { failedReason } from './ended.ts';
import { bmcDown, claimRef, claims, fakeActivities, RELEASE_STEPS, releaseInput } from './fakes.ts';
import { Stage } from './stage.ts';

jest.setTimeout(60_000);

let stage: Stage;
beforeAll(async () => void (stage = await Stage.open()));
afterAll(() => stage.close());

test('a release that another run had begun is woken, and waited for: two never work on one BMC', async () => {
  let isBack = false;
  const fakes = stage.prepare({
    releaseHost: () => (isBack ? Promise.resolve({ kind: 'released' }) : Promise.reject(bmcDown())),
    requestRelease: async (input) => {
      isBack = true;
      await well.requestRelease(input);
    },
  });
  const well = fakeActivities(stage.env, {}, fakes.machine).implementation;
  const release = await stage.start('release', releaseInput(fakes));
  await fakes.called('releaseHost');
  await (await stage.start('deprovision')).result();
  await release.result();
  const { events } = await release.fetchHistory();
  const signals = (events ?? []).flatMap(
    ({ workflowExecutionSignaledEventAttributes: signal }) => signal?.signalName ?? [],
  );
  expect(signals).toEqual(['hostChanged']);
  // All attempts are of the one run. Skipped time may bring one before the signal.
  const attempts = fakes.inputs('releaseHost').map(({ attempt }) => attempt);
  expect(attempts.length).toBeGreaterThanOrEqual(2);
  expect(attempts).toEqual(attempts.map((_attempt, index) => index + 1));
  expect(fakes.names().at(-1)).toBe('removeMachineFinalizer');
});

test('a provisioning that finds its host being released waits for that, and ends with the recorded reason', async () => {
  const reason = 'HardwareRequirementsNotMet: Host h has 4 cores: too few.';
  const fakes = stage.prepare({ claimHost: claims(stage.env, {}, { stage: 'Releasing', isAdopted: true, reason }) });
  expect(await failedReason(await stage.start('provision'))).toBe('HardwareRequirementsNotMet');
  expect(fakes.inputs('failMachine')[0]?.message).toBe('Host h has 4 cores: too few.');
  expect(fakes.names()).toEqual(['claimHost', ...RELEASE_STEPS, 'failMachine']);
});

test('a claim that is told to have ended, and has not, is waited for', async () => {
  const fakes = stage.prepare({
    releaseHost: async () => {
      const run = stage.env.client.workflow.getHandle(workflowId('deprovision', fakes.machine));
      await run.signal(claimEnded, { claim: claimRef(fakes.machine).id });
      await fakes.called('markReleasing', 2);
      expect(fakes.names()).not.toContain('removeMachineFinalizer');
      return { kind: 'released' };
    },
  });
  await (await stage.start('deprovision')).result();
  expect(fakes.names().at(-1)).toBe('removeMachineFinalizer');
});

test('and goes on with another host where the run that began the release would have', async () => {
  const reason = 'InspectionTimeout: Host h sent no inspection report.';
  const first = claims(stage.env, { attempts: 2 }, { stage: 'Releasing', isAdopted: true, reason });
  const fakes = stage.prepare({
    markReleasing: () => Promise.resolve({ kind: 'ended' }),
    claimHost: (input) =>
      input.attempt === 1 ? first(input) : Promise.resolve({ kind: 'notDue', reason: 'Paused', message: 'second' }),
  });
  expect(await (await stage.start('provision')).result()).toBe('second');
  expect(fakes.inputs('claimHost').map(({ attempt, tried }) => [attempt, tried.length])).toEqual([
    [1, 0],
    [2, 1],
  ]);
  expect(fakes.inputs('failMachine')).toEqual([]);
});
