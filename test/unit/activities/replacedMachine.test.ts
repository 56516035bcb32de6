import { afterEach, beforeEach, expect, test } from '@jest/globals';
import { claimHost } from '../../../activities/claim/claimHost.ts';
import { settleHandover } from '../../../activities/provision/handOver.ts';
import { FINALIZER_MACHINE } from '../../../crds/names.ts';
import { HOSTS, MACHINES } from '../../../kube/resource.ts';
import { CLAIM, claimedHost, DELETED, freeHost, machine } from '../controllers/builders.ts';
import { ApiServer } from './apiServer.ts';
import { asActivity, PLAN, REF, RUN, workerOn } from './worker.ts';

let api: ApiServer;
let deps: ReturnType<typeof workerOn>;
beforeEach(async () => {
  api = await ApiServer.start();
  deps = workerOn(api);
});
afterEach(() => api.stop());

const SINCE = '2026-01-01T00:00:00Z';
const settle = () => asActivity(() => settleHandover(deps, { claim: REF, run: RUN, plan: PLAN, startedAt: SINCE }));

/**
 * As `kubectl replace` with the manifest that it was made from leaves a machine in flight: the status stays, the
 * metadata goes.
 */
function replaced(metadata: { deletionTimestamp?: string; finalizers?: string[] } = {}): void {
  const status = { phase: 'Provisioning' as const, workflow: RUN.workflow, hostRef: { name: 'h', namespace: 'ns' } };
  api.put(MACHINES, machine({ metadata, status }));
}

test('whoever writes the providerID of a machine without our finalizer puts it back', async () => {
  replaced({ finalizers: ['other'] });
  api.put(HOSTS, claimedHost('Armed', { handover: { claim: CLAIM, openedAt: SINCE, outcome: 'Provisioned' } }));
  await expect(settle()).resolves.toEqual({ kind: 'provisioned' });
  const { metadata, spec } = api.get(MACHINES, 'm');
  expect([spec.providerID, metadata.finalizers]).toEqual(['b7://ns/h/m', ['other', FINALIZER_MACHINE]]);
});

test('not on one that is being deleted: the API server refuses it', async () => {
  replaced({ ...DELETED, finalizers: ['other'] });
  api.put(HOSTS, claimedHost('Armed', { handover: { claim: CLAIM, openedAt: SINCE, outcome: 'Provisioned' } }));
  await settle();
  expect(api.get(MACHINES, 'm').metadata.finalizers).toEqual(['other']);
});

test('the next run of a machine in flight goes on with its claim, and claims no second host', async () => {
  replaced();
  api.put(HOSTS, claimedHost('Armed', { state: 'Inspecting', inspection: { claim: CLAIM, deadline: SINCE } }));
  api.put(HOSTS, freeHost('other'));
  const claimed = await asActivity(() =>
    claimHost(deps, { run: RUN, attempt: 1, tried: [], isReset: false, isCancelled: false }),
  );
  expect(claimed).toMatchObject({ kind: 'claimed', claim: { ref: { host: 'h', id: CLAIM }, stage: 'Armed' } });
  expect(api.get(MACHINES, 'm').metadata.finalizers).toEqual([FINALIZER_MACHINE]);
});
