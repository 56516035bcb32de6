import { afterEach, describe, expect, test } from '@jest/globals';
import { MockActivityEnvironment } from '@temporalio/testing';
import type { Dependencies } from '../../../activities/dependencies.ts';
import { removeHostFinalizer, retireHost, retireHostUnserved } from '../../../activities/release/retireHost.ts';
import { ANNOTATION_PAUSED, FINALIZER_HOST, FINALIZER_SECRET } from '../../../crds/names.ts';
import type { PhysicalHost } from '../../../crds/physicalHost.ts';
import { claimedHost, DELETED, host, SERVER } from '../controllers/builders.ts';
import { failureOf, fakeBmc, stopAll, type FakeBmc } from '../redfish/fakeBmc.ts';
import { NEVER, OneHost } from './oneHost.ts';

const opened: OneHost[] = [];
afterEach(async () => {
  for (const one of opened.splice(0)) await one.close();
  await stopAll();
});

const RESET = '/redfish/v1/Systems/1/Actions/ComputerSystem.Reset';
const ref = { namespace: 'ns', name: 'h', uid: 'h-uid' };
const input = { host: ref, attempt: 1, nextAttemptInMs: 2_000 };

function scene(
  bmc: FakeBmc | undefined,
  pool?: string,
  start = host({ metadata: { ...DELETED, annotations: SERVER }, status: { state: 'Available' } }),
) {
  const { redfishConnection } = start.spec;
  const spec = { ...start.spec, redfishConnection: { ...redfishConnection, ...(pool ? { workerPool: pool } : {}) } };
  const one = new OneHost({ ...start, spec }, bmc);
  opened.push(one);
  return one;
}

const retire = (one: OneHost, queue: string, limitMs?: number) =>
  new MockActivityEnvironment().run(() => retireHost(one.deps, input, NEVER, queue, limitMs));

describe('a deleted host whose pool was corrected', () => {
  test.each<[string, string | undefined, string, unknown]>([
    ['of the old pool', 'site-a', 'bmc.site-b', { kind: 'pending', pool: 'site-a' }],
    ['of a pool that it has no longer', undefined, 'bmc.site-b', { kind: 'pending', pool: null }],
    ['of its pool', 'site-a', 'bmc.site-a', { kind: 'off', secrets: ['bmc'] }],
    ['without a pool', undefined, 'bmc', { kind: 'off', secrets: ['bmc'] }],
  ])('a worker %s', async (_which, pool, queue, expected) => {
    const bmc = await fakeBmc((it) => (it.power = 'On'));
    expect(await retire(scene(bmc, pool), queue)).toEqual(expected);
    expect(bmc.seen.length > 0).toBe((expected as { kind: string }).kind === 'off');
  });
});

test.each([
  { of: 'a host that was enrolled', status: { state: 'Available' as const } },
  { of: 'one whose status was lost', status: {} },
])('a retirement ends in its own time, and tells it: of $of', async ({ status }) => {
  const bmc = await fakeBmc((it) => {
    it.power = 'On';
    it.on('POST', RESET, { instead: 'hang' });
  });
  const one = scene(bmc, undefined, host({ metadata: { ...DELETED, annotations: SERVER }, status }));
  expect(await failureOf(retire(one, 'bmc', 300))).toMatchObject({
    details: [{ kind: 'PowerOffNotSeen', mayHaveLanded: true }],
  });
  expect(one.conditions()).toEqual(['Ready=False ReleasePending', 'RedfishReachable=False RedfishError']);
});

describe('the word to let it go without being seen off', () => {
  const HELD = {
    type: 'Ready',
    status: 'False' as const,
    reason: 'ReleasePending',
    message: 'held',
    lastTransitionTime: '2026-01-01T00:00:00Z',
  };
  const forced = (isHeld: boolean) =>
    host({
      metadata: { ...DELETED, annotations: { ...SERVER, 'beskar7.io/force-release': 'burnt down' } },
      status: isHeld ? { state: 'Error', conditions: [HELD] } : { state: 'Available' },
    });

  test('set after the host has said that it is held up: it goes, and no BMC is called', async () => {
    const bmc = await fakeBmc((it) => (it.power = 'On'));
    expect(await retire(scene(bmc, undefined, forced(true)), 'bmc')).toMatchObject({ kind: 'off' });
    expect(bmc.changes).toEqual([]);
  });

  test('set long before: removed with a word, and the server is switched off', async () => {
    const bmc = await fakeBmc((it) => (it.power = 'On'));
    const one = scene(bmc, undefined, forced(false));
    expect(await retire(one, 'bmc')).toMatchObject({ kind: 'off' });
    expect(bmc.power).toBe('Off');
    expect(one.live?.metadata.annotations?.['beskar7.io/force-release']).toBeUndefined();
    expect(one.said.join()).toContain('ForceReleaseRefused');
  });

  test('set long before, and the BMC does not do it: the host stays, and says how to force it', async () => {
    const bmc = await fakeBmc((it) => {
      it.power = 'On';
      it.on('POST', RESET, { status: 400 });
    });
    const one = scene(bmc, undefined, forced(false));
    expect(await failureOf(retire(one, 'bmc'))).toMatchObject({ type: 'BmcFailure' });
    expect(one.conditions()).toContain('Ready=False ReleasePending');
    expect(one.said.join()).toContain('ForceReleaseRefused');
    one.change({ metadata: { annotations: { 'beskar7.io/force-release': 'burnt down' } } });
    expect(await retire(one, 'bmc')).toMatchObject({ kind: 'off' });
  });
});

test('a retirement whose end nobody confirmed is told, and nothing is said of the BMC', async () => {
  const one = scene(undefined, 'site-a');
  const asked = { ...input, unconfirmed: 'the worker was lost' };
  expect(await retireHostUnserved(one.deps, asked)).toEqual({ kind: 'pending', pool: 'site-a' });
  expect(one.conditions()).toEqual(['Ready=False ReleasePending']);
  expect(one.live?.status?.conditions?.[0]?.message).toContain('the worker was lost');
});

test('a host that was claimed since it was looked at: nothing is written on it', async () => {
  const bmc = await fakeBmc((it) => (it.power = 'On'));
  const one = scene(bmc);
  bmc.on('GET', '/redfish/v1/', () => {
    one.change({ spec: { consumerRef: claimedHost('Claimed').spec.consumerRef } });
    return undefined;
  });
  expect(await failureOf(retire(one, 'bmc'))).toMatchObject({ type: 'ClaimLost' });
  expect(one.conditions()).toEqual([]);
  expect(bmc.changes).toEqual([]);
});

describe('letting a host go', () => {
  /** Gives the finalizers that are left on the host and on its Secret. */
  async function letGo(start: PhysicalHost | undefined, change: (one: OneHost) => void = () => undefined) {
    const one = scene(undefined, undefined, start ?? host({ metadata: DELETED }));
    if (start === undefined) one.live = undefined;
    const secret = { metadata: { namespace: 'ns', name: 'bmc', uid: 's', finalizers: [FINALIZER_SECRET] } };
    let asked = false;
    const kube = {
      ...one.deps.kube,
      list: () => Promise.resolve({ items: one.live ? [one.live] : [], resourceVersion: '1' }),
      get: (resource: { plural: string }, namespace: string, name: string) =>
        resource.plural === 'secrets' ? Promise.resolve(secret) : one.deps.kube.get(resource as never, namespace, name),
      mergePatch: (resource: { plural: string }, ...rest: [string, string, object]) => {
        if (resource.plural === 'secrets') return Promise.resolve((secret.metadata.finalizers = []));
        if (!asked) change(one);
        asked = true;
        return one.deps.kube.mergePatch(resource as never, ...rest);
      },
    };
    const deps = { ...one.deps, kube, caches: { hosts: () => [] } } as unknown as Dependencies;
    const result = await removeHostFinalizer(deps, { host: ref, secrets: ['bmc'] });
    return { kind: result.kind, host: one.live?.metadata.finalizers, secret: secret.metadata.finalizers };
  }

  const deleted = host({ metadata: DELETED });
  const pause = { metadata: { annotations: { [ANNOTATION_PAUSED]: '' } } };

  test('takes both finalizers', async () => {
    expect(await letGo(deleted)).toEqual({ kind: 'gone', host: [], secret: [] });
  });

  test('that is gone already: its Secret is let go', async () => {
    expect(await letGo(undefined)).toEqual({ kind: 'gone', host: undefined, secret: [] });
  });

  test('that has no finalizer of ours any more: the same', async () => {
    expect(await letGo(host({ metadata: { ...DELETED, finalizers: [] } }))).toMatchObject({ kind: 'gone', secret: [] });
  });

  test.each<[string, PhysicalHost, (one: OneHost) => void]>([
    ['before', host({ metadata: { ...DELETED, ...pause.metadata } }), () => undefined],
    ['in that moment', deleted, (one) => one.change(pause)],
  ])('that was paused %s: both stay, and that is said', async (_when, start, change) => {
    expect(await letGo(start, change)).toEqual({ kind: 'notDue', host: [FINALIZER_HOST], secret: [FINALIZER_SECRET] });
  });
});
