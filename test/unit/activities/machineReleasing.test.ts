import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import { failMachine } from '../../../activities/provision/endRun.ts';
import { releaseHostUnserved } from '../../../activities/release/releaseHost.ts';
import { markReleasing } from '../../../activities/release/markReleasing.ts';
import type { Beskar7MachineStatus } from '../../../crds/beskar7Machine.ts';
import { CLAIM_STAGES } from '../../../model/claim.ts';
import type { Condition } from '../../../crds/schema.ts';
import { HOSTS, MACHINES } from '../../../kube/resource.ts';
import { claimedHost, DELETED, machine, OURS } from '../controllers/builders.ts';
import { ApiServer } from './apiServer.ts';
import { asActivity, REF, RUN, workerOn } from './worker.ts';

const FORCE = 'kubectl annotate physicalhost h -n ns beskar7.io/force-release="<reason>"';
const TYPES = ['Ready', 'InfrastructureReady', 'MachineProvisioned'];

let api: ApiServer;
beforeEach(async () => void (api = await ApiServer.start()));
afterEach(() => api.stop());

const said = (status: 'True' | 'False', reason: string): Condition[] =>
  TYPES.map((type) => ({ type, status, reason, message: reason, lastTransitionTime: '2026-01-01T00:00:00Z' }));
const PROVISIONED: Beskar7MachineStatus = {
  phase: 'Provisioned',
  ready: true,
  initialization: { provisioned: true },
  conditions: said('True', 'InspectionComplete'),
  addresses: [{ type: 'Hostname', address: 'h' }],
  failureDomain: 'z1',
  hostRef: { namespace: 'ns', name: 'h' },
  workflow: { id: 'provision/ns/m', runID: 'run-0' },
};
const INSPECTING: Beskar7MachineStatus = {
  phase: 'Inspecting',
  ready: false,
  initialization: { provisioned: false },
  conditions: said('False', 'WaitingForInspection'),
  hostRef: { namespace: 'ns', name: 'h' },
  workflow: RUN.workflow,
};

const live = () => api.get(MACHINES, 'm');
const told = () => (live().status?.conditions ?? []).map(({ status, reason }) => `${status} ${reason}`);
const message = () => live().status?.conditions?.[0]?.message ?? '';
const mark = (reason: string) =>
  asActivity(() => markReleasing(workerOn(api), { claim: REF, reason, stages: CLAIM_STAGES }));
const machineWrites = () => api.written().filter((write) => write.includes('beskar7machines'));

function put(status: Beskar7MachineStatus, metadata: object = OURS) {
  const spec = status.phase === 'Provisioned' ? { providerID: 'b7://ns/h/m' } : {};
  api.put(MACHINES, machine({ metadata: { ...OURS, ...metadata }, spec, status }));
}

describe('a machine whose host is being released says so', () => {
  test('when it is cancelled: at once, with the command that ends it without the BMC; its end has the last word', async () => {
    put(INSPECTING);
    api.put(HOSTS, claimedHost('Armed'));
    await mark('Cancelled: Cancelled on host h.');
    expect(told()).toEqual(Array(3).fill('False ReleasingHost'));
    expect(message()).toMatch(/^Host h is being released \(Cancelled: Cancelled on host h\): it is free when/);
    expect(message()).toContain(FORCE);
    expect(live().status).toMatchObject({ phase: 'Inspecting', hostRef: INSPECTING.hostRef, workflow: RUN.workflow });
    // Since when it is not ready has not changed.
    expect(live().status?.conditions?.[0]?.lastTransitionTime).toBe('2026-01-01T00:00:00Z');
    await mark('Cancelled: Cancelled on host h.');
    expect(machineWrites()).toHaveLength(1);
    const end = { outcome: 'Cancelled', reason: 'Cancelled', message: 'Cancelled on host h.' } as const;
    await asActivity(() => failMachine(workerOn(api), { run: RUN, ...end }));
    expect(told()).toEqual(Array(3).fill('False Cancelled'));
    // Elsewhere the release goes on.
    await mark('release goes on');
    expect(told()).toEqual(Array(3).fill('False Cancelled'));
  });

  test('when it is deleted after it was provisioned: not ready any more, and provisioned all the same', async () => {
    put(PROVISIONED, DELETED);
    api.put(HOSTS, claimedHost('HandedOver'));
    await mark('Beskar7Machine ns/m is deleted');
    expect(told()).toEqual(Array(3).fill('False ReleasingHost'));
    const { conditions, ...rest } = live().status ?? {};
    const { conditions: _before, ...before } = PROVISIONED;
    expect(rest).toEqual(before);
    expect(conditions?.[0]?.lastTransitionTime).not.toBe('2026-01-01T00:00:00Z');
  });

  test('while a deleted one waits for it: as the host says it, with each attempt that fails', async () => {
    put(PROVISIONED, DELETED);
    api.put(HOSTS, claimedHost('Releasing', { state: 'Error' }));
    for (const attempt of [1, 2]) {
      const input = { claim: REF, attempt, nextAttemptInMs: 60_000, unconfirmed: `call ${attempt} was cut short` };
      await asActivity(() => releaseHostUnserved(workerOn(api), input));
      expect(message()).toMatch(
        new RegExp(
          `^Host h is being released\\. Release, attempt ${attempt}: call ${attempt} was cut short\\..*next attempt at`,
        ),
      );
      expect(message()).toContain(FORCE);
    }
    expect(told()).toEqual(Array(3).fill('False ReleasingHost'));
  });

  test.each<[string, Beskar7MachineStatus]>([
    ['it runs somewhere', PROVISIONED],
    ['its run has failed, and says why', { ...INSPECTING, phase: 'Failed' }],
    ['its run has another host', { ...INSPECTING, hostRef: { namespace: 'ns', name: 'other' } }],
    ['its run waits for a host', { ...INSPECTING, phase: 'Claiming', hostRef: undefined as never }],
  ])('but not when %s', async (_why, status) => {
    put(status);
    api.put(HOSTS, claimedHost('Armed'));
    await mark('BootFailed: it did not boot');
    expect(machineWrites()).toEqual([]);
  });

  test('and one that is gone, or may not be written, does not hold the release up', async () => {
    api.put(HOSTS, claimedHost('Armed'));
    await expect(mark('gone')).resolves.toMatchObject({ kind: 'releasing' });
    put(INSPECTING);
    const deps = workerOn(api);
    const kube = api.client();
    kube.applyStatus = () => Promise.reject(new Error('refused by a policy'));
    const again = asActivity(() => markReleasing({ ...deps, kube }, { claim: REF, reason: 'x', stages: CLAIM_STAGES }));
    await expect(again).resolves.toMatchObject({ kind: 'releasing' });
    expect(told()).toEqual(Array(3).fill('False WaitingForInspection'));
  });
});
