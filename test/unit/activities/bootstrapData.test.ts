import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import { openProvisioning } from '../../../activities/provision/handOver.ts';
import { findCondition } from '../../../crds/conditions.ts';
import type { PhysicalHostStatus } from '../../../crds/physicalHost.ts';
import { specHash } from '../../../model/handled.ts';
import { LABEL_CLUSTER_NAME } from '../../../crds/names.ts';
import { CAPI_MACHINES, HOSTS, MACHINES, SECRETS, type CapiMachine } from '../../../kube/resource.ts';
import { capiMachine, CLAIM, claimedHost, machine, OURS, OWNED } from '../controllers/builders.ts';
import { ApiServer } from './apiServer.ts';
import { asActivity, PLAN, REF, RUN, workerOn } from './worker.ts';

let api: ApiServer;
let deps: ReturnType<typeof workerOn>;
beforeEach(async () => {
  api = await ApiServer.start();
  deps = workerOn(api);
  api.put(MACHINES, machine({ metadata: { ...OURS, ...OWNED } }));
  api.put(CAPI_MACHINES, owner());
  putSecret();
  putHost(new Date().toISOString());
});
afterEach(() => api.stop());

const OWN = {
  clusterName: 'c',
  bootstrap: { dataSecretName: 'data' },
  infrastructureRef: { kind: 'Beskar7Machine', name: 'm' },
};
const owner = (spec: Partial<CapiMachine['spec']> = {}, uid = 'o') =>
  capiMachine({ metadata: { uid }, spec: { ...OWN, ...spec } });

function putSecret(type = 'cluster.x-k8s.io/secret', cluster = 'c'): void {
  const metadata = {
    name: 'data',
    namespace: 'ns',
    uid: 's',
    resourceVersion: '1',
    labels: { [LABEL_CLUSTER_NAME]: cluster },
  };
  api.put(SECRETS, { metadata, type, data: { value: 'eA==' } });
}

function putHost(inspectionTimestamp: string, status: PhysicalHostStatus = {}): void {
  const inspection = { claim: CLAIM, reportDigest: 'x' };
  const claim = { specHash: specHash(api.get(MACHINES, 'm').spec) };
  api.put(HOSTS, claimedHost('Armed', { state: 'Inspecting', inspectionTimestamp, inspection, ...status }, {}, claim));
}

const open = () => asActivity(() => openProvisioning(deps, { claim: REF, run: RUN, plan: PLAN }));
const handover = () => api.get(HOSTS, 'h').status?.handover;

describe('whoever may write to the Temporal namespace opens no bootstrap data with it', () => {
  const REPORT = { cpus: { cores: 4 }, memory: { totalBytes: 8 * 2 ** 30 }, disks: [] };
  const notValidated = { type: 'HardwareNotValidated', nonRetryable: true };
  const wants = (minCPUCores: number) => {
    const own = machine({ metadata: { ...OURS, ...OWNED } });
    api.put(MACHINES, { ...own, spec: { ...own.spec, hardwareRequirements: { minCPUCores } } });
  };

  test('of a host without a report of this claim', async () => {
    putHost(new Date().toISOString(), { inspection: { claim: CLAIM } });
    await expect(open()).rejects.toMatchObject(notValidated);
    putHost(new Date().toISOString(), { inspection: { claim: 'an earlier one', reportDigest: 'x' } });
    await expect(open()).rejects.toMatchObject(notValidated);
    expect(handover()).toBeUndefined();
  });

  test('of a server that does not meet what its machine asks for, whatever the input of the activity says', async () => {
    wants(64);
    putHost(new Date().toISOString(), { inspectionReport: REPORT });
    const failure = await open().catch((error: unknown) => error);
    expect(failure).toMatchObject(notValidated);
    expect(String(failure)).toContain('minCPUCores: 64 asked for, 4 found');
    expect(handover()).toBeUndefined();
  });

  test('one that meets it is opened', async () => {
    wants(4);
    putHost(new Date().toISOString(), { inspectionReport: REPORT });
    await open();
    expect(handover()).toMatchObject({ claim: CLAIM });
  });
});

const FAULTS: readonly (readonly [string, () => void, RegExp])[] = [
  [
    'the owner is another Machine of its name',
    () => api.put(CAPI_MACHINES, owner({}, 'other')),
    /is another one .*\(uid\)/,
  ],
  [
    'the owner names another machine',
    () => api.put(CAPI_MACHINES, owner({ infrastructureRef: { kind: 'Beskar7Machine', name: 'other' } })),
    /does not name this machine/,
  ],
  [
    'its label names another Cluster, whose data the owner names',
    () => (
      putSecret('cluster.x-k8s.io/secret', 'other'),
      api.put(MACHINES, machine({ metadata: { ...OURS, ...OWNED, labels: { [LABEL_CLUSTER_NAME]: 'other' } } }))
    ),
    /is of another Cluster \(c\) than the label of this machine says \(other\)/,
  ],
  [
    'the owner has no data yet',
    () => api.put(CAPI_MACHINES, owner({ bootstrap: {} })),
    /no spec.bootstrap.dataSecretName/,
  ],
  ['the owner is not there', () => api.put(MACHINES, owned('gone')), /Machine ns\/gone, does not exist/],
  [
    'the Secret is not there',
    () => api.put(CAPI_MACHINES, owner({ bootstrap: { dataSecretName: 'none' } })),
    /Secret ns\/none does not exist/,
  ],
  ['the Secret is no bootstrap data', () => putSecret('Opaque'), /no bootstrap data of Cluster c/],
  [
    "the Secret is another cluster's",
    () => putSecret('cluster.x-k8s.io/secret', 'other'),
    /no bootstrap data of Cluster c/,
  ],
  [
    'its owner reference is lost',
    () => api.put(MACHINES, machine({ metadata: { ...OURS, labels: OWNED.labels } })),
    /no owner Machine of Cluster c/,
  ],
];
const owned = (name: string) =>
  machine({
    metadata: { ...OURS, ...OWNED, ownerReferences: OWNED.ownerReferences.map((entry) => ({ ...entry, name })) },
  });

test('with its bootstrap data it is handed over', async () => {
  await open();
  expect(handover()).toMatchObject({ claim: CLAIM, bootstrapSecret: 'data' });
});

test('one that stands alone gets none', async () => {
  api.put(MACHINES, machine({ metadata: OURS }));
  await open();
  expect(handover()).toMatchObject({ claim: CLAIM });
  expect(handover()?.bootstrapSecret).toBeUndefined();
});

describe('an owned machine whose bootstrap data is not there', () => {
  test.each(FAULTS)('%s: it is not handed over, and says why', async (_what, break_, why) => {
    break_();
    await expect(open()).rejects.toMatchObject({ type: 'Superseded', nextRetryDelay: 5_000, nonRetryable: false });
    expect(handover()).toBeUndefined();
    const ready = findCondition(api.get(MACHINES, 'm').status?.conditions, 'Ready');
    expect(ready).toMatchObject({ reason: 'WaitingForBootstrapData', message: expect.stringMatching(why) });
    // It comes after all.
    api.put(MACHINES, machine({ metadata: { ...OURS, ...OWNED } }));
    api.put(CAPI_MACHINES, owner());
    putSecret();
    await open();
    expect(handover()).toMatchObject({ bootstrapSecret: 'data' });
  });

  test('when the time for the hand-over is over, the run ends with the reason', async () => {
    putSecret('Opaque');
    putHost('2026-01-01T00:00:00Z');
    await expect(open()).rejects.toMatchObject({
      nonRetryable: true,
      message: expect.stringMatching(/Waited until 2026/),
    });
    expect(handover()).toBeUndefined();
  });
});
