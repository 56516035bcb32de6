import { afterEach, describe, expect, test } from '@jest/globals';
import { MockActivityEnvironment } from '@temporalio/testing';
import { HOSTS } from '../../../kube/resource.ts';
import type { Dependencies } from '../../../activities/dependencies.ts';
import { releaseHost, releaseHostUnserved } from '../../../activities/release/releaseHost.ts';
import { claimOf } from '../../../model/claim.ts';
import { ANNOTATION_FORCE_RELEASE } from '../../../crds/names.ts';
import type { PhysicalHost } from '../../../crds/physicalHost.ts';
import { claimedHost } from '../controllers/builders.ts';
import { failureOf, fakeBmc, stopAll, type FakeBmc } from '../redfish/fakeBmc.ts';
import { kubeError, NEVER, OneHost, REF } from './oneHost.ts';

const opened: OneHost[] = [];
afterEach(async () => {
  for (const one of opened.splice(0)) await one.close();
  await stopAll();
});

const RESET = '/redfish/v1/Systems/1/Actions/ComputerSystem.Reset';
const input = {
  claim: REF,
  attempt: 1,
  nextAttemptInMs: 2_000,
};

function scene(bmc?: FakeBmc, start = claimedHost('Releasing', { state: 'Available' })): OneHost {
  const one = new OneHost(start, bmc);
  opened.push(one);
  return one;
}

const release = (deps: Dependencies, limitMs?: number) =>
  new MockActivityEnvironment().run(() => releaseHost(deps, input, NEVER, limitMs));
const told = (one: OneHost) => one.live?.status?.conditions?.find(({ type }) => type === 'Ready')?.message;

describe('a release that does not come to its end', () => {
  test('a task that goes on running: told on the host in its own time', async () => {
    const bmc = await fakeBmc((it) => {
      it.power = 'On';
      it.on('POST', RESET, { status: 202, headers: { location: '/task', 'retry-after': '0' } });
      it.on('GET', '/task', { body: { TaskState: 'Running' } });
    });
    const one = scene(bmc);
    expect(await failureOf(release(one.deps, 400))).toMatchObject({
      type: 'BmcFailure',
      details: [{ kind: 'PowerOffNotSeen' }],
    });
    expect(one.live?.status).toMatchObject({ state: 'Error', ready: false });
    expect(told(one)).toContain('was not confirmed off');
  });

  test('so slow that the override cannot be looked at: the same', async () => {
    const bmc = await fakeBmc();
    let looks = 0;
    bmc.on('GET', '/redfish/v1/Systems/1', () => ((looks += 1) > 1 ? { instead: 'hang' } : undefined));
    const one = scene(bmc);
    expect(await failureOf(release(one.deps, 300))).toMatchObject({ details: [{ kind: 'PowerOffNotSeen' }] });
    expect(told(one)).toContain('boot override');
  });

  test('its end was not confirmed: told, and nothing is said of the BMC', async () => {
    const one = scene();
    const unconfirmed = 'the worker that made the call was lost (HEARTBEAT)';
    expect(await releaseHostUnserved(one.deps, { ...input, unconfirmed })).toEqual({ kind: 'pending' });
    expect(one.conditions()).toEqual(['Ready=False ReleasePending']);
    expect(told(one)).toMatch(/attempt 1: the worker that made the call was lost .*next attempt at/);
  });
});

describe('the word to release by force', () => {
  const forced = (state: 'InUse' | 'Error', reason = 'burnt down', more: object = {}) =>
    claimedHost('Releasing', { state }, { annotations: { [ANNOTATION_FORCE_RELEASE]: reason }, ...more });
  const offered = (one: OneHost) => [
    one.live?.status?.state,
    one.live?.metadata.annotations?.[ANNOTATION_FORCE_RELEASE],
  ];

  test('said before the BMC was tried: a server that can be switched off is', async () => {
    const bmc = await fakeBmc((it) => (it.power = 'On'));
    const one = scene(bmc, forced('InUse'));
    expect(await release(one.deps)).toEqual({ kind: 'released' });
    expect([bmc.power, ...offered(one)]).toEqual(['Off', 'Available', undefined]);
  });

  test.each<['InUse' | 'Error', string[]]>([
    ['InUse', ['ForceOff', 'GracefulShutdown']],
    ['Error', []],
  ])('of a BMC that does not do it (%s): %j is tried, and the host is free', async (state, tried) => {
    const bmc = await fakeBmc((it) => {
      it.power = 'On';
      it.on('POST', RESET, { status: 400 });
    });
    const one = scene(bmc, forced(state));
    expect(await release(one.deps)).toEqual({ kind: 'forced' });
    expect(bmc.sent('POST', RESET).map(({ body }) => (body as { ResetType: string }).ResetType)).toEqual(tried);
    expect([claimOf(one.live as PhysicalHost), ...offered(one)]).toEqual([undefined, 'Enrolling', undefined]);
  });

  test('said while the BMC was tried: it is heard at the end of that try', async () => {
    const bmc = await fakeBmc((it) => (it.power = 'On'));
    const one = scene(bmc, claimedHost('Releasing', { state: 'InUse' }));
    bmc.on('POST', RESET, () => {
      one.change({ metadata: { annotations: { [ANNOTATION_FORCE_RELEASE]: 'burnt down' } } });
      return { status: 400 };
    });
    expect(await release(one.deps)).toEqual({ kind: 'forced' });
    expect([bmc.power, ...offered(one)]).toEqual(['On', 'Enrolling', undefined]);
    expect(one.said).toEqual(['ForceReleased']);
  });

  test('without a reason it is not heard', async () => {
    const bmc = await fakeBmc((it) => {
      it.power = 'On';
      it.on('POST', RESET, { status: 400 });
    });
    expect(await failureOf(release(scene(bmc, forced('Error', ' ')).deps))).toMatchObject({ type: 'BmcFailure' });
  });

  test('of a host that is being deleted stands for its retirement too, which meets the same BMC', async () => {
    const one = scene(undefined, forced('Error', 'burnt down', { deletionTimestamp: '2026-01-01T00:00:00Z' }));
    expect(await release(one.deps)).toEqual({ kind: 'forced' });
    expect(offered(one)).toEqual(['Enrolling', 'burnt down']);
  });
});

test('a BMC that offers no ForceOff: the server is shut down', async () => {
  const bmc = await fakeBmc((it) => {
    it.power = 'On';
    it.resetTypes = ['On', 'GracefulShutdown', 'ForceRestart'];
  });
  expect(await release(scene(bmc).deps)).toEqual({ kind: 'released' });
  expect(bmc.changes).toEqual([expect.stringContaining('"GracefulShutdown"')]);
});

describe('what is said of the BMC when a release fails', () => {
  test.each<[string, unknown, string[]]>([
    ['the API server fails', kubeError(500, 'InternalError'), []],
    ['the Secret is missing', kubeError(404, 'NotFound'), ['RedfishReachable=False SecretMissing']],
  ])('%s', async (_what, error, expected) => {
    const one = scene();
    const credentials = { get: () => Promise.reject(error as Error) };
    await failureOf(release({ ...one.deps, credentials } as unknown as Dependencies));
    expect(one.conditions()).toEqual(['Ready=False ReleasePending', ...expected]);
  });

  test('a fence that could not be read in time', async () => {
    const bmc = await fakeBmc((it) => (it.power = 'On'));
    const one = scene(bmc);
    const { get } = one.deps.kube as unknown as { get: (...all: unknown[]) => Promise<unknown> };
    let reads = 0;
    const slow = (...all: unknown[]) =>
      all[0] === HOSTS && (reads += 1) === 2
        ? Promise.reject(kubeError(0, 'Aborted'))
        : Reflect.apply(get, one.deps.kube, all);
    const kube = { ...one.deps.kube, get: slow };
    await failureOf(release({ ...one.deps, kube } as unknown as Dependencies));
    expect(one.conditions()).toEqual(['Ready=False ReleasePending']);
    expect(bmc.changes).toEqual([]);
  });

  test('the BMC refuses: that is no word of the API server', async () => {
    const bmc = await fakeBmc((it) => {
      it.power = 'On';
      it.on('POST', RESET, { status: 400 });
    });
    const one = scene(bmc);
    await failureOf(release(one.deps));
    expect(one.conditions()).toEqual(['Ready=False ReleasePending', 'RedfishReachable=False RedfishError']);
  });
});

test.each([403, 422])('the API server refuses to free it (%d): told on the host, with its words', async (status) => {
  const bmc = await fakeBmc();
  const one = scene(bmc);
  one.beforeWrite = (what) => {
    if (what === 'host') throw kubeError(status, 'PolicyX');
  };
  expect(await failureOf(release(one.deps))).toMatchObject({ type: 'BmcFailure' });
  expect(one.conditions()).toEqual(['Ready=False ReleasePending']);
  expect(told(one)).toContain('PolicyX said');
  expect(claimOf(one.live ?? claimedHost('Claimed'))?.stage).toBe('Releasing');
});

test('a host that is being moved is not written to', async () => {
  const bmc = await fakeBmc((it) => (it.power = 'On'));
  const one = scene(bmc);
  bmc.on('GET', '/redfish/v1/Systems/1', () => {
    if (bmc.sent('GET', '/redfish/v1/Systems/1').length === 1)
      one.change({ metadata: { annotations: { 'clusterctl.cluster.x-k8s.io/delete-for-move': '' } } });
    return undefined;
  });
  expect(await failureOf(release(one.deps))).toMatchObject({ type: 'ClaimLost' });
  expect(one.conditions()).toEqual([]);
  expect(bmc.changes).toEqual([]);
});
