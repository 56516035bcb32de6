import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import { bootInspector, prepareBoot } from '../../../activities/provision/bootInspector.ts';
import { claimHost } from '../../../activities/claim/claimHost.ts';
import { failMachine } from '../../../activities/provision/endRun.ts';
import { openProvisioning, settleHandover } from '../../../activities/provision/handOver.ts';
import { takeReport } from '../../../activities/provision/inspection.ts';
import { releaseHost } from '../../../activities/release/releaseHost.ts';
import { claimOf, type ClaimStage } from '../../../model/claim.ts';
import {
  ANNOTATION_BLOCK_MOVE,
  ANNOTATION_PAUSED,
  FINALIZER_MACHINE,
  LABEL_CLUSTER_NAME,
} from '../../../crds/names.ts';
import type { PhysicalHostStatus } from '../../../crds/physicalHost.ts';
import { CAPI_CLUSTERS, CAPI_MACHINES, HOSTS, MACHINES, SECRETS } from '../../../kube/resource.ts';
import { capiCluster, capiMachine, CLAIM, claimedHost, freeHost, machine, OWNED } from '../controllers/builders.ts';
import { fakeBmc, stopAll, type FakeBmc } from '../redfish/fakeBmc.ts';
import { ApiServer } from './apiServer.ts';
import { asActivity, putBehind, PLAN, REF, RUN, workerOn } from './worker.ts';

const PAUSED = { [ANNOTATION_PAUSED]: '' };
const BLOCKED = { finalizers: [FINALIZER_MACHINE], annotations: { [ANNOTATION_BLOCK_MOVE]: 'true' } };

let api: ApiServer;
let bmc: FakeBmc;
let deps: ReturnType<typeof workerOn>;
beforeEach(async () => {
  api = await ApiServer.start();
  bmc = await fakeBmc();
  deps = workerOn(api);
  const bootstrap = { dataSecretName: 'data' };
  const infrastructureRef = { kind: 'Beskar7Machine', name: 'm' };
  api.put(CAPI_MACHINES, capiMachine({ spec: { clusterName: 'c', bootstrap, infrastructureRef } }));
  const labels = { [LABEL_CLUSTER_NAME]: 'c' };
  api.put(SECRETS, {
    metadata: { name: 'data', namespace: 'ns', uid: 's', resourceVersion: '1', labels },
    type: 'cluster.x-k8s.io/secret',
  });
});
afterEach(async () => {
  await deps.redfish.closeAll();
  await stopAll();
  await api.stop();
});

/** Pauses in each way there is: the machine, or its Cluster. */
const WAYS = ['machine', 'Cluster'] as const;
function pausedMachine(way: (typeof WAYS)[number], metadata: { annotations?: Record<string, string> } = {}): void {
  api.put(CAPI_CLUSTERS, capiCluster({ spec: { paused: way === 'Cluster' } }));
  const annotations = { ...metadata.annotations, ...(way === 'machine' ? PAUSED : {}) };
  api.put(MACHINES, machine({ metadata: { ...OWNED, ...metadata, annotations } }));
}

const claim = () =>
  asActivity(() => claimHost(deps, { run: RUN, attempt: 1, tried: [], isReset: false, isCancelled: false }));
const blocksMove = () => api.get(MACHINES, 'm').metadata.annotations?.[ANNOTATION_BLOCK_MOVE] !== undefined;

describe.each(WAYS)('nothing begins that is paused by its %s (rule 16)', (way) => {
  test('a machine without a claim: no host is claimed, nothing is written', async () => {
    pausedMachine(way);
    api.put(HOSTS, freeHost('a'));
    expect(await claim()).toMatchObject({ kind: 'notDue', reason: 'Paused' });
    expect(api.writes).toEqual([]);
  });

  test('one that waited for a host: the same, and it may be moved', async () => {
    pausedMachine(way, BLOCKED);
    api.put(HOSTS, freeHost('a'));
    expect(await claim()).toMatchObject({ kind: 'notDue', reason: 'Paused' });
    expect(api.written()).toEqual(['patch beskar7machines/m']);
    expect(blocksMove()).toBe(false);
  });

  test('one that has a claim, whose run was lost: no new run goes on with it, and it may not be moved', async () => {
    pausedMachine(way, BLOCKED);
    api.put(HOSTS, claimedHost('Armed'));
    expect(await claim()).toMatchObject({ kind: 'notDue', reason: 'Paused' });
    expect(api.writes).toEqual([]);
    expect(blocksMove()).toBe(true);
  });
});

describe.each(WAYS)('a run in flight goes on to its end though its %s is paused (rule 16)', (way) => {
  /** A paused machine whose host is in a stage of its claim. */
  function inFlight(stage: ClaimStage, status: PhysicalHostStatus = {}): void {
    pausedMachine(way, BLOCKED);
    putBehind(api, bmc, claimedHost(stage, status));
  }
  const input = { claim: REF, run: RUN };
  const since = '2026-01-01T00:00:00Z';
  const phase = () => api.get(MACHINES, 'm').status?.phase;
  const stage = () => claimOf(api.get(HOSTS, 'h'))?.stage;

  test('it is switched off, booted and seen on', async () => {
    inFlight('Claimed', { state: 'InUse' });
    bmc.power = 'On';
    await asActivity((signal) => prepareBoot(deps, input, signal));
    expect(bmc.power).toBe('Off');
    await asActivity((signal) => bootInspector(deps, input, signal));
    expect([bmc.power, stage(), phase()]).toEqual(['On', 'Armed', 'Inspecting']);
  });

  test('its report is taken', async () => {
    inFlight('Armed', { inspection: { claim: CLAIM, reportDigest: 'x' }, inspectionReport: {} });
    const taken = await asActivity(() => takeReport(deps, { ...input, timedOut: false }));
    expect([taken.kind, phase()]).toEqual(['reported', 'Validating']);
  });

  test('its bootstrap data is opened', async () => {
    inFlight('Armed', { inspection: { claim: CLAIM, reportDigest: 'x' } });
    await asActivity(() => openProvisioning(deps, { ...input, plan: PLAN }));
    expect(api.get(HOSTS, 'h').status).toMatchObject({ state: 'Ready', handover: { claim: CLAIM } });
    expect(phase()).toBe('Provisioning');
  });

  test('it is handed over, and may be moved', async () => {
    inFlight('Armed', { handover: { claim: CLAIM, openedAt: since, outcome: 'Provisioned' } });
    const settled = await asActivity(() => settleHandover(deps, { ...input, plan: PLAN, startedAt: since }));
    expect([settled.kind, stage(), phase()]).toEqual(['provisioned', 'HandedOver', 'Provisioned']);
    expect(blocksMove()).toBe(false);
  });

  test('or it is released, its end told, and may be moved', async () => {
    inFlight('Releasing');
    bmc.power = 'On';
    const release = { claim: REF, attempt: 1 };
    await asActivity((signal) => releaseHost(deps, { ...release, nextAttemptInMs: 1 }, signal));
    expect([bmc.power, stage()]).toEqual(['Off', undefined]);
    await asActivity(() => failMachine(deps, { run: RUN, outcome: 'Failed', reason: 'BootFailed', message: 'why' }));
    expect([phase(), blocksMove()]).toEqual(['Failed', false]);
  });
});
