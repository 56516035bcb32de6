import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import { claimHost } from '../../../activities/claim/claimHost.ts';
import { openProvisioning } from '../../../activities/provision/handOver.ts';
import { findCondition } from '../../../crds/conditions.ts';
import { LABEL_CLUSTER_NAME, LABEL_ZONE } from '../../../crds/names.ts';
import {
  CAPI_CLUSTERS,
  CAPI_MACHINES,
  HOSTS,
  MACHINES,
  SECRETS,
  type Identified,
  type Resource,
} from '../../../kube/resource.ts';
import {
  capiCluster,
  capiMachine,
  CLAIM,
  claimedHost,
  freeHost,
  machine,
  OURS,
  OWNED,
} from '../controllers/builders.ts';
import { ApiServer } from './apiServer.ts';
import { asActivity, PLAN, REF, RUN, workerOn } from './worker.ts';

let api: ApiServer;
beforeEach(async () => {
  api = await ApiServer.start();
  // Only v1beta1 is there: any other path of the group is answered as one that does not exist.
  api.serves = (path) =>
    !path.startsWith('/apis/cluster.x-k8s.io/') || path.startsWith('/apis/cluster.x-k8s.io/v1beta1/');
  api.put(MACHINES, machine({ metadata: { ...OURS, ...OWNED } }));
});
afterEach(() => api.stop());

const older = <T extends Identified>(resource: Resource<T>): Resource<T> => ({ ...resource, version: 'v1beta1' });

function putOwner(spec: object = {}): void {
  const infrastructureRef = { kind: 'Beskar7Machine', name: 'm' };
  api.put(older(CAPI_MACHINES), capiMachine({ spec: { clusterName: 'c', infrastructureRef, ...spec } }));
}

function putHandover(): void {
  const inspection = { claim: CLAIM, reportDigest: 'x' };
  const status = { state: 'Inspecting' as const, inspectionTimestamp: new Date().toISOString(), inspection };
  api.put(HOSTS, claimedHost('Armed', status));
}

const open = () => asActivity(() => openProvisioning(workerOn(api), { claim: REF, run: RUN, plan: PLAN }));
const claim = () =>
  asActivity(() => claimHost(workerOn(api), { run: RUN, attempt: 1, tried: [], isReset: false, isCancelled: false }));

describe('Cluster API that serves only v1beta1', () => {
  test('the bootstrap data of a machine that a Machine owns is found, and nothing is handed over without', async () => {
    putHandover();
    putOwner({ bootstrap: {} });
    await expect(open()).rejects.toMatchObject({ type: 'Superseded' });
    expect(api.get(HOSTS, 'h').status?.handover).toBeUndefined();
    putOwner({ bootstrap: { dataSecretName: 'data' } });
    const metadata = {
      name: 'data',
      namespace: 'ns',
      uid: 's',
      resourceVersion: '1',
      labels: { [LABEL_CLUSTER_NAME]: 'c' },
    };
    api.put(SECRETS, { metadata, type: 'cluster.x-k8s.io/secret', data: { value: 'eA==' } });
    await open();
    expect(api.get(HOSTS, 'h').status?.handover).toMatchObject({ claim: CLAIM, bootstrapSecret: 'data' });
  });

  test('the zone that the owner asks for counts', async () => {
    putOwner({ failureDomain: 'z1' });
    api.put(HOSTS, freeHost('elsewhere', { [LABEL_ZONE]: 'z2' }));
    const message = expect.stringContaining('asked for any host in zone z1, looked at 1 host (1 in other zones)');
    await expect(claim()).resolves.toMatchObject({ kind: 'noMatchingHost', message });
    api.put(HOSTS, freeHost('there', { [LABEL_ZONE]: 'z1' }));
    await expect(claim()).resolves.toMatchObject({ kind: 'claimed', claim: { ref: { host: 'there' } } });
  });

  test('a paused Cluster is seen: nothing is claimed', async () => {
    putOwner();
    api.put(older(CAPI_CLUSTERS), capiCluster({ spec: { paused: true } }));
    api.put(HOSTS, freeHost('a'));
    await expect(claim()).resolves.toMatchObject({ kind: 'notDue', reason: 'Paused' });
  });
});

test('the owner Machine is deleted by force in mid-run: no hand-over, the machine says why, and the run ends in time', async () => {
  putHandover();
  putOwner({ bootstrap: { dataSecretName: 'data' } });
  await api.client().delete(older(CAPI_MACHINES), 'ns', 'owner');
  await expect(open()).rejects.toMatchObject({ type: 'Superseded', nonRetryable: false });
  expect(api.get(HOSTS, 'h').status?.handover).toBeUndefined();
  expect(findCondition(api.get(MACHINES, 'm').status?.conditions, 'Ready')).toMatchObject({
    reason: 'WaitingForBootstrapData',
    message: expect.stringContaining('its owner, Machine ns/owner, does not exist') as unknown,
  });
  const host = api.get(HOSTS, 'h');
  api.put(HOSTS, { ...host, status: { ...host.status, inspectionTimestamp: '2026-01-01T00:00:00Z' } });
  await expect(open()).rejects.toMatchObject({ type: 'InvalidBootConfiguration', nonRetryable: true });
});
