import { BmcCalls } from '../../../activities/bmc/bmcCalls.ts';
import { afterEach, beforeEach, expect, test } from '@jest/globals';
import { bootInspector, prepareBoot } from '../../../activities/provision/bootInspector.ts';
import { releaseHost } from '../../../activities/release/releaseHost.ts';
import { claimFence, retireFence } from '../../../activities/bmc/fence.ts';
import { releasingText } from '../../../activities/release/releaseReport.ts';
import { retireHost } from '../../../activities/release/retireHost.ts';
import { findCondition } from '../../../crds/conditions.ts';
import { ANNOTATION_PAUSED } from '../../../crds/names.ts';
import { HOSTS, MACHINES } from '../../../kube/resource.ts';
import { claimedHost, DELETED, host, machine, OURS } from '../controllers/builders.ts';
import { fakeBmc, stopAll, type FakeBmc } from '../redfish/fakeBmc.ts';
import { ApiServer } from './apiServer.ts';
import { asActivity, putBehind, REF, RUN, workerOn } from './worker.ts';

const PAUSED = { annotations: { [ANNOTATION_PAUSED]: '' } };

let api: ApiServer;
let bmc: FakeBmc;
let deps: ReturnType<typeof workerOn>;
beforeEach(async () => {
  api = await ApiServer.start();
  bmc = await fakeBmc();
  deps = workerOn(api);
  api.put(MACHINES, machine({ metadata: OURS }));
  bmc.power = 'On';
});
afterEach(async () => {
  await deps.redfish.closeAll();
  await stopAll();
  await api.stop();
});

/** What went wrong, by the kind in its details. */
const kind = async (step: Promise<unknown>) => {
  const error = (await step.then(
    () => undefined,
    (failure: unknown) => failure,
  )) as { details?: { kind?: string }[]; nonRetryable?: boolean } | undefined;
  return [error?.details?.[0]?.kind, error?.nonRetryable ?? false];
};
const calls = () => new BmcCalls(deps.kube, { namespace: 'ns', host: 'h', limitMs: 1_000 });
const HELD = ['HostPaused', false];

const release = () => asActivity((signal) => releaseHost(deps, { claim: REF, attempt: 1, nextAttemptInMs: 1 }, signal));

test('its release: the server stays on, the host and the machine say why, and it ends when the pause is over', async () => {
  putBehind(api, bmc, claimedHost('Releasing', { state: 'Ready' }, PAUSED));
  expect(await kind(release())).toEqual(HELD);
  expect([bmc.power, bmc.seen.length]).toEqual(['On', 0]);
  const paused = api.get(HOSTS, 'h');
  const why = /ns\/h is paused \(annotation cluster.x-k8s.io\/paused\): nothing is sent to its BMC/;
  expect(findCondition(paused.status?.conditions, 'Ready')).toMatchObject({ reason: 'ReleasePending' });
  expect(findCondition(paused.status?.conditions, 'RedfishReachable')).toBeUndefined();
  expect(releasingText(paused, REF)).toMatch(why);
  const { [ANNOTATION_PAUSED]: _over, ...annotations } = paused.metadata.annotations ?? {};
  api.put(HOSTS, { ...paused, metadata: { ...paused.metadata, annotations } });
  await expect(release()).resolves.toMatchObject({ kind: 'released' });
  expect(bmc.power).toBe('Off');
});

test('a boot under way: nothing is sent, and it is tried again', async () => {
  putBehind(api, bmc, claimedHost('Claimed', { state: 'InUse' }, PAUSED));
  const input = { claim: REF, run: RUN };
  expect(await kind(asActivity((signal) => prepareBoot(deps, input, signal)))).toEqual(HELD);
  expect(await kind(asActivity((signal) => bootInspector(deps, input, signal)))).toEqual(HELD);
  expect([bmc.power, bmc.seen.length]).toEqual(['On', 0]);
});

test.each(['Claimed', 'Armed', 'Releasing'] as const)(
  'paused between two requests in %s: the fence holds',
  async (stage) => {
    const paused = claimedHost(stage, {}, PAUSED);
    api.put(HOSTS, paused);
    const { fence } = claimFence(deps, calls(), REF, paused, [stage], new AbortController().signal);
    expect(await kind(fence())).toEqual(HELD);
  },
);

test('its retirement: the fence holds, and a host that was never enrolled is not let go for that', async () => {
  const free = host({ metadata: { ...DELETED, ...PAUSED } });
  api.put(HOSTS, free);
  const { fence } = retireFence(deps, calls(), free, new AbortController().signal);
  expect(await kind(fence())).toEqual(HELD);
  const ref = { namespace: 'ns', name: 'h', uid: 'h-uid' };
  await expect(
    asActivity((signal) => retireHost(deps, { host: ref, attempt: 1, nextAttemptInMs: 1 }, signal)),
  ).resolves.toMatchObject({ kind: 'notDue', message: 'PhysicalHost ns/h is paused' });
  expect(api.get(HOSTS, 'h').metadata.finalizers).toEqual(free.metadata.finalizers);
});
