import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import { clearNetworkBoot } from '../../../activities/bmc/leftOverride.ts';
import { releaseHost } from '../../../activities/release/releaseHost.ts';
import { claimOf } from '../../../model/claim.ts';
import { findCondition } from '../../../crds/conditions.ts';
import { HOSTS } from '../../../kube/resource.ts';
import { claimedHost } from '../controllers/builders.ts';
import { extendedError, failureOf, fakeBmc, stopAll, SYSTEM, type FakeBmc } from '../redfish/fakeBmc.ts';
import { ApiServer } from './apiServer.ts';
import { asActivity, putBehind, REF, workerOn } from './worker.ts';

const PXE = { BootSourceOverrideEnabled: 'Once', BootSourceOverrideTarget: 'Pxe' };
const KEPT = { status: 400, body: extendedError('Base.1.8.PropertyNotWritable', 'The override stays.') };

let api: ApiServer;
let bmc: FakeBmc;
beforeEach(async () => {
  api = await ApiServer.start();
  bmc = await fakeBmc((it) => (it.boot = { ...PXE }));
});
afterEach(async () => {
  await stopAll();
  await api.stop();
});

const live = () => api.get(HOSTS, 'h');
const conditionOf = (type: string) => findCondition(live().status?.conditions, type);

describe('a release whose BMC does not let the boot override be cleared', () => {
  async function released(attempt: number) {
    const deps = workerOn(api);
    const input = { claim: REF };
    const result: unknown = await failureOf(
      asActivity((signal) => releaseHost(deps, { ...input, attempt, nextAttemptInMs: 1 }, signal)).then((it) => {
        throw it;
      }),
    );
    await deps.redfish.closeAll();
    return result;
  }
  beforeEach(() => putBehind(api, bmc, claimedHost('Releasing', {}, {}, { releasedFrom: 'Claimed' })));

  test('says exactly that, twice, and then ends with a condition on the host', async () => {
    bmc.on('PATCH', SYSTEM, KEPT);
    for (const attempt of [1, 2]) {
      expect(String(await released(attempt))).toMatch(
        /is off \(power-off confirmed\), but its boot override could not be cleared: .*The override stays/,
      );
      expect(conditionOf('Ready')).toMatchObject({ reason: 'ReleasePending' });
      expect(claimOf(live())?.stage).toBe('Releasing');
    }
    expect(await released(3)).toEqual({ kind: 'released' });
    expect(claimOf(live())).toBeUndefined();
    expect(live().status).toMatchObject({ state: 'Available', powerState: 'Off' });
    expect(conditionOf('BootOverrideLeft')?.message).toMatch(
      /power-off confirmed.*may boot from the network at its next power-on/,
    );
  });

  test('a server that is on is never freed by that', async () => {
    bmc.power = 'On';
    bmc.on('PATCH', SYSTEM, KEPT);
    bmc.on('POST', `${SYSTEM}/Actions/ComputerSystem.Reset`, {
      status: 400,
      body: extendedError('Base.1.8.GeneralError', 'no'),
    });
    expect(String(await released(3))).not.toContain('power-off confirmed');
    expect(claimOf(live())?.stage).toBe('Releasing');
  });
});

describe('a network boot that its BMC has not consumed, though the server has booted and reported', () => {
  async function cleared(stage: 'Armed' | 'Releasing' = 'Armed') {
    putBehind(api, bmc, claimedHost(stage, {}, {}));
    bmc.power = 'On';
    const deps = workerOn(api);
    const result: unknown = await asActivity((signal) => clearNetworkBoot(deps, { claim: REF }, signal)).catch(
      (error: unknown) => error,
    );
    await deps.redfish.closeAll();
    return result;
  }

  test.each(['Once', 'Continuous'])('%s: taken back before the hand-over', async (enabled) => {
    bmc.boot = { ...PXE, BootSourceOverrideEnabled: enabled };
    expect(await cleared()).toEqual({ kind: 'clear' });
    expect(bmc.boot).toMatchObject({ BootSourceOverrideEnabled: 'Disabled' });
    expect(bmc.changes).toHaveLength(1);
  });

  test('consumed, as by most: one read of the system, and nothing is sent', async () => {
    bmc.boot = { ...PXE, BootSourceOverrideEnabled: 'Disabled' };
    expect(await cleared()).toEqual({ kind: 'clear' });
    expect(bmc.sent('GET', SYSTEM)).toHaveLength(1);
    expect(bmc.changes).toEqual([]);
  });

  test('refused: the host says so, and the provisioning goes on', async () => {
    bmc.on('PATCH', SYSTEM, KEPT);
    expect(await cleared()).toMatchObject({ kind: 'left' });
    expect(conditionOf('BootOverrideLeft')).toMatchObject({ status: 'True' });
    expect(conditionOf('BootOverrideLeft')?.message).toMatch(/still set after it has booted.*The override stays/);
  });

  test('the claim is being released: nothing is sent', async () => {
    expect(await cleared('Releasing')).toMatchObject({ type: 'ClaimLost' });
    expect(bmc.changes).toEqual([]);
  });
});
