import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import { pollHost } from '../../../activities/monitor/pollHost.ts';
import { bootInspector, prepareBoot } from '../../../activities/provision/bootInspector.ts';
import { releaseHost } from '../../../activities/release/releaseHost.ts';
import { retireHost } from '../../../activities/release/retireHost.ts';
import { claimOf } from '../../../model/claim.ts';
import { findCondition } from '../../../crds/conditions.ts';
import type { PhysicalHost } from '../../../crds/physicalHost.ts';
import { HOSTS, MACHINES } from '../../../kube/resource.ts';
import { BmcNetworks, RedfishPool, type RedfishPoolOptions } from '../../../redfish/index.ts';
import { claimedHost, DELETED, host, machine, SERVER } from '../controllers/builders.ts';
import { failureOf, fakeBmc, stopAll, type FakeBmc } from '../redfish/fakeBmc.ts';
import { ApiServer } from './apiServer.ts';
import { asActivity, putBehind, REF, RUN, workerOn } from './worker.ts';

/**
 * A host that is enrolled already when `--bmc-networks` or `--require-bmc-https` is changed: each path to its BMC sends
 * nothing, says why, loses nothing, and continues when the flag or the address is corrected.
 */

let api: ApiServer;
let bmc: FakeBmc;
const pools: RedfishPool[] = [];

beforeEach(async () => {
  api = await ApiServer.start();
  bmc = await fakeBmc((it) => (it.power = 'On'));
  api.put(MACHINES, machine());
});
afterEach(async () => {
  for (const pool of pools.splice(0)) await pool.closeAll();
  await stopAll();
  await api.stop();
});

/** A worker of a process that was started with these flags. */
function worker(options: RedfishPoolOptions) {
  const redfish = new RedfishPool(options);
  pools.push(redfish);
  const events: string[] = [];
  const recorder = { event: (_of: unknown, _type: string, reason: string) => void events.push(reason) };
  return { ...workerOn(api, { redfish, recorder } as never), events };
}
const live = () => api.get(HOSTS, 'h');
const conditionOf = (type: string) => findCondition(live().status?.conditions, type);
/** Neither a connection nor a request. */
const untouched = () => expect([bmc.connections, bmc.seen, bmc.power]).toEqual([0, [], 'On']);

const FLAGS: [string, RedfishPoolOptions, string, RegExp][] = [
  [
    '--bmc-networks without its network',
    { networks: new BmcNetworks({ allowsLoopback: false }) },
    'AddressNotAllowed',
    /was not sent: .*127\.0\.0\.1.*--bmc-networks/,
  ],
  ['--require-bmc-https', { requiresHttps: true }, 'PlainHTTPForbidden', /http:\/\/.*--require-bmc-https/],
];

describe.each(FLAGS)('%s', (_flag, options, reason, why) => {
  test.each<[string, () => PhysicalHost]>([
    ['free', () => host({ status: { state: 'Available', ready: true, powerState: 'On' } })],
    ['handed over', () => claimedHost('HandedOver', { state: 'Ready', ready: true, powerState: 'On' })],
  ])('the monitor of a host that is %s: said, and state, claim and power stay', async (_what, of) => {
    putBehind(api, bmc, of());
    const before = live();
    const failed = await pollHost(worker(options), before, undefined, 60_000, new AbortController().signal);
    expect(failed).toMatchObject({ attempts: 1, isRefused: false });
    untouched();
    expect(conditionOf('RedfishReachable')).toMatchObject({ status: 'False', reason });
    expect(conditionOf('RedfishReachable')?.message).toMatch(why);
    expect(conditionOf('RedfishReachable')?.message).toMatch(/Attempt 1; the next one is due at /);
    expect(claimOf(live())).toEqual(claimOf(before));
    expect(live().spec).toEqual(before.spec);
    expect(live().status?.powerState).toBe('On');
    // Whether the host is offered, and what runs on it, is not the monitor's to say.
    expect(api.written()).toEqual(['apply physicalhosts/h/status']);
  });

  test.each([
    ['prepareBoot', prepareBoot],
    ['bootInspector', bootInspector],
  ] as const)('%s of a claimed host: fails so that it is tried again, the claim stays', async (_what, step) => {
    putBehind(api, bmc, claimedHost('Claimed', { state: 'InUse' }));
    const before = claimOf(live());
    const deps = worker(options);
    const failure = await failureOf(asActivity<unknown>((signal) => step(deps, { claim: REF, run: RUN }, signal)));
    expect(failure).toMatchObject({ type: 'BmcFailure', nonRetryable: false });
    expect(String(failure)).toMatch(why);
    untouched();
    expect(conditionOf('RedfishReachable')).toMatchObject({ status: 'False', reason });
    expect(conditionOf('RedfishReachable')?.message).toContain('Beskar7Machine m says when it is tried again');
    expect(claimOf(live())).toMatchObject({ id: before?.id, stage: before?.stage });
    expect(live().spec.consumerRef).toMatchObject({ name: 'm', uid: 'm-uid' });
  });

  const releasing = () => claimedHost('Releasing', { state: 'InUse' }, {}, { releasedFrom: 'Claimed' });
  const release = (deps: ReturnType<typeof worker>, attempt = 1) =>
    asActivity((signal) => releaseHost(deps, { claim: REF, attempt, nextAttemptInMs: 60_000 }, signal));

  test('a release: waits and says so; when the flag is taken back it ends with the server off', async () => {
    putBehind(api, bmc, releasing());
    const failure = await failureOf(release(worker(options)));
    expect(failure).toMatchObject({ type: 'BmcFailure', nonRetryable: false });
    untouched();
    expect(claimOf(live())?.stage).toBe('Releasing');
    expect(live().spec.consumerRef).toMatchObject({ uid: 'm-uid' });
    expect(live().status).toMatchObject({ state: 'Error', ready: false });
    expect(conditionOf('Ready')).toMatchObject({ status: 'False', reason: 'ReleasePending' });
    expect(conditionOf('Ready')?.message).toMatch(why);
    expect(conditionOf('Ready')?.message).toMatch(/beskar7\.io\/force-release/);
    expect(conditionOf('RedfishReachable')).toMatchObject({ status: 'False', reason });

    expect(await release(worker({}), 2)).toEqual({ kind: 'released' });
    expect(bmc.power).toBe('Off');
    expect(claimOf(live())).toBeUndefined();
  });

  test('a release that is forced: nothing is sent either, and the host says that power-off was not confirmed', async () => {
    putBehind(api, bmc, releasing());
    const deps = worker(options);
    await failureOf(release(deps));
    const { metadata, ...rest } = live();
    const annotations = { ...metadata.annotations, 'beskar7.io/force-release': 'the server is off, ticket 4711' };
    api.put(HOSTS, { ...rest, metadata: { ...metadata, annotations } });
    expect(await release(deps, 2)).toEqual({ kind: 'forced' });
    untouched();
    expect(deps.events).toContain('ForceReleased');
  });

  test('a deleted, free host: its retirement waits and says so, its finalizer stays', async () => {
    const finalizers = ['beskar7.io/host'];
    const metadata = { ...DELETED, annotations: SERVER, finalizers };
    putBehind(api, bmc, host({ metadata, status: { state: 'Available', ready: true, powerState: 'On' } }));
    const input = { host: { namespace: 'ns', name: 'h', uid: 'h-uid' }, attempt: 1, nextAttemptInMs: 60_000 };
    const failure = await failureOf(asActivity((signal) => retireHost(worker(options), input as never, signal)));
    expect(failure).toMatchObject({ type: 'BmcFailure', nonRetryable: false });
    untouched();
    expect(live().metadata.finalizers).toEqual(finalizers);
    expect(conditionOf('Ready')?.message).toMatch(why);
  });
});
