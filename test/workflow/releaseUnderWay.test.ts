import { afterAll, beforeAll, expect, jest, test } from '@jest/globals';
import { workflowId } from '../../contracts/names.ts';
import { failedReason } from './ended.ts';
import { bmcDown, claimRef, claims, DEPROVISION_STEPS, releaseInput } from './fakes.ts';
import { Stage } from './stage.ts';

jest.setTimeout(60_000);

let stage: Stage;
beforeAll(async () => void (stage = await Stage.open()));
afterAll(() => stage.close());

const LONG_AGO = '2020-01-01T00:00:00.000Z';
const releaseOf = (host: string) =>
  stage.env.client.workflow.getHandle(workflowId('release', { namespace: 'ns', name: host }));

test('what this run has marked itself, in a call that was repeated, it releases itself', async () => {
  const fakes = stage.prepare({
    markReleasing: async ({ reason }) => {
      const since = new Date((await stage.env.currentTimeMs()) + 1_000).toISOString();
      return { kind: 'underWay', since, wasHandedOver: true, reason };
    },
  });
  await (await stage.start('deprovision')).result();
  expect(fakes.names()).toEqual(DEPROVISION_STEPS);
});

test('a run that was reset has the reason and the start of the run of before, and is another one by its mark', async () => {
  const fakes = stage.prepare({
    markReleasing: async ({ reason }) => {
      const since = new Date((await stage.env.currentTimeMs()) + 1_000).toISOString();
      return { kind: 'underWay', since, wasHandedOver: true, reason, isOfAnother: true };
    },
    awaitClaimEnd: () => fakes.called('releaseHost'),
  });
  const run = await stage.start('deprovision');
  await run.result();
  const { host } = claimRef(fakes.machine);
  await releaseOf(host).result();
  // By release/<ns>/<host> alone, which waits out what the run of before may have sent.
  expect(fakes.inputs('releaseHost')).toMatchObject([{ isUnconfirmed: true }]);
  expect(fakes.inputs('releaseHost')[0]).not.toHaveProperty('run');
});

test('a release that another run is at is left to release/<ns>/<host>, which is woken: two never work on one BMC', async () => {
  let isBack = false;
  const fakes = stage.prepare({
    markReleasing: () =>
      Promise.resolve({ kind: 'underWay', since: LONG_AGO, wasHandedOver: false, reason: 'BootFailed: busy' }),
    releaseHost: () => (isBack ? Promise.resolve({ kind: 'released' }) : Promise.reject(bmcDown())),
    awaitClaimEnd: async () => {
      isBack = true;
      await fakes.called('releaseHost', 2);
    },
  });
  const release = await stage.start('release', releaseInput(fakes));
  await fakes.called('releaseHost');
  await (await stage.start('deprovision')).result();
  expect(fakes.story.indexOf('removeMachineFinalizer')).toBeGreaterThan(fakes.story.indexOf('!awaitClaimEnd'));
  await release.result();
  const { events } = await release.fetchHistory();
  const signals = (events ?? []).flatMap(
    ({ workflowExecutionSignaledEventAttributes: signal }) => signal?.signalName ?? [],
  );
  expect(signals).toEqual(['hostChanged']);
  // All attempts are of the one run, which waits out what others may have sent. Skipped time may bring one before the signal.
  const attempts = fakes.inputs('releaseHost').map(({ attempt, isUnconfirmed }) => [attempt, isUnconfirmed]);
  expect(attempts.length).toBeGreaterThanOrEqual(2);
  expect(attempts).toEqual(attempts.map((_attempt, index) => [index + 1, true]));
});

test('a provisioning that finds its host being released does the same, and ends with the recorded reason', async () => {
  const reason = 'HardwareRequirementsNotMet: Host h has 4 cores: too few.';
  const fakes = stage.prepare({
    claimHost: claims(stage.env, {}, { stage: 'Releasing', isAdopted: true, reason }),
    markReleasing: () => Promise.resolve({ kind: 'underWay', since: LONG_AGO, wasHandedOver: false, reason }),
    awaitClaimEnd: () => fakes.called('releaseHost'),
  });
  expect(await failedReason(await stage.start('provision'))).toBe('HardwareRequirementsNotMet');
  expect(fakes.inputs('failMachine')[0]?.message).toBe('Host h has 4 cores: too few.');
  await releaseOf(claimRef(fakes.machine).host).result();
  expect(fakes.inputs('releaseHost')).toMatchObject([{ isUnconfirmed: true }]);
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
