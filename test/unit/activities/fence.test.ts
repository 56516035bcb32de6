import { describe, expect, test } from '@jest/globals';
import type { ClaimRef } from '../../../contracts/claimRef.ts';
import { BmcCalls } from '../../../activities/bmc/bmcCalls.ts';
import { claimFence, retireFence, type FenceDependencies } from '../../../activities/bmc/fence.ts';
import { HostReservations } from '../../../activities/claim/hostReservations.ts';
import { byPreference, fits, unfitReason } from '../../../activities/claim/hostFit.ts';
import type { ClaimStage } from '../../../model/claim.ts';
import { connectionHash } from '../../../model/connection.ts';
import type { PhysicalHost } from '../../../crds/physicalHost.ts';
import type { Duplicate } from '../../../model/sameServer.ts';
import { serializeServer } from '../../../model/serverIdentity.ts';
import type { KubeClient } from '../../../kube/client.ts';
import { claimAnnotation } from '../../support/claims.ts';

const machine = { namespace: 'ns', name: 'm', uid: 'machine-uid' };
const ref: ClaimRef = { namespace: 'ns', host: 'h', hostUid: 'host-uid', id: 'c1', machine };
const signal = new AbortController().signal;
const CONNECTION = { address: 'http://bmc', credentialsSecretRef: 's' };

function host(
  stage: ClaimStage | undefined,
  changes: { id?: string; uid?: string; consumer?: string; deleted?: boolean } = {},
): PhysicalHost {
  const at = '2026-01-01T00:00:00.000Z';
  return {
    metadata: {
      name: 'h',
      namespace: 'ns',
      uid: changes.uid ?? 'host-uid',
      resourceVersion: '1',
      ...(changes.deleted ? { deletionTimestamp: at } : {}),
      annotations: {
        'beskar7.io/server': serializeServer({ address: 'bmc', serialNumber: 'SN-1' }),
        ...(stage ? claimAnnotation(stage, { id: changes.id ?? 'c1' }) : {}),
      },
    },
    spec: {
      redfishConnection: CONNECTION,
      ...(stage
        ? {
            consumerRef: {
              apiVersion: 'v',
              kind: 'Beskar7Machine',
              name: 'm',
              namespace: 'ns',
              uid: changes.consumer ?? machine.uid,
            },
          }
        : {}),
    },
    status: {
      state: 'Available',
      enrollment: { attempt: 0, connectionHash: connectionHash({ redfishConnection: CONNECTION }) },
    },
  };
}

const shown = { systemID: '1', serialNumber: 'SN-1' };

/** Serves the host, and takes any write of it. */
const kubeWith = (live: PhysicalHost) =>
  ({ get: () => Promise.resolve(live), mergePatch: () => Promise.resolve(live) }) as unknown as KubeClient;

const callsOf = (live: PhysicalHost) => new BmcCalls(kubeWith(live), { namespace: 'ns', host: 'h', limitMs: 1_000 });

/** What a fence works with where the host is as given, and another host may stand for its server. */
const depsWith = (live: PhysicalHost, duplicate?: Duplicate): FenceDependencies => ({
  kube: kubeWith(live),
  caches: { duplicateOf: () => duplicate },
});

/** A fence on behalf of the claim, after a read that showed the server. */
function fenceOf(live: PhysicalHost, stages: readonly ClaimStage[], ends = signal, duplicate?: Duplicate) {
  const options = claimFence(depsWith(live, duplicate), callsOf(live), ref, live, stages, ends);
  options.identify?.(shown);
  return options;
}

/** The same for a retirement. */
function retireFenceOf(live: PhysicalHost, duplicate?: Duplicate) {
  const options = retireFence(depsWith(live, duplicate), callsOf(live), live, signal);
  options.identify?.(shown);
  return options;
}

const claimLost = expect.objectContaining({ type: 'ClaimLost', nonRetryable: true }) as unknown;

describe('the fence of a claim', () => {
  test('lets a call through in its stage, at once', async () => {
    const { fence, userAgent } = fenceOf(host('Armed'), ['Armed']);
    const check = await fence();
    expect(() => check()).not.toThrow();
    expect(userAgent).toBe('beskar7 (c1)');
  });

  test.each([
    ['another stage', host('HandedOver')],
    ['another claim', host('Armed', { id: 'c2' })],
    ['no claim', host(undefined)],
    ['another host of the name', host('Armed', { uid: 'other' })],
    ['another machine', host('Armed', { consumer: 'other' })],
  ])('%s: ClaimLost, and nothing is sent', async (_what, live) => {
    await expect(fenceOf(live, ['Claimed', 'Armed']).fence()).rejects.toEqual(claimLost);
  });

  test('the last look refuses when more than 2 s have passed since the read began', async () => {
    const now = performance.now.bind(performance);
    let later = 0;
    performance.now = () => now() + later;
    try {
      const check = await fenceOf(host('Armed'), ['Armed']).fence();
      later = 2_000;
      expect(() => check()).toThrow(/more than 2 s passed/);
    } finally {
      performance.now = now;
    }
  });

  test('the last look refuses after a cancel', async () => {
    const cancelled = new AbortController();
    const check = await fenceOf(host('Armed'), ['Armed'], cancelled.signal).fence();
    cancelled.abort(new Error('cancelled'));
    expect(() => check()).toThrow('cancelled');
  });
});

describe('the fence of a retirement', () => {
  test('lets Off through for a deleted host that nobody has claimed', async () => {
    await expect(retireFenceOf(host(undefined, { deleted: true })).fence()).resolves.toBeDefined();
  });
  test.each([
    ['claimed', host('HandedOver', { deleted: true })],
    ['not deleted', host(undefined)],
  ])('%s: nothing is sent', async (_what, live) => {
    await expect(retireFenceOf(live).fence()).rejects.toEqual(claimLost);
  });
});

describe('choosing', () => {
  const demand = { selector: undefined, requirements: undefined, failureDomain: undefined, tried: [] };
  test('a host that is claimed, deleted, tried, paused or unschedulable is not offered', () => {
    expect(fits(host(undefined), demand)).toBe(true);
    expect(unfitReason(host('Claimed'), demand)).toBe('claimed by other machines');
    expect(unfitReason(host(undefined, { deleted: true }), demand)).toBe('being deleted');
    expect(unfitReason(host(undefined), { ...demand, tried: ['h'] })).toBe('tried already');
    expect(unfitReason(host(undefined), { ...demand, failureDomain: 'zone-a' })).toBe('in other zones');
    for (const mark of ['beskar7.io/unschedulable', 'cluster.x-k8s.io/paused']) {
      const marked = host(undefined);
      marked.metadata.annotations = { [mark]: '' };
      expect(fits(marked, demand)).toBe(false);
    }
  });

  test('hosts whose BMC is away come last; the rest is spread by machine', () => {
    const hosts = ['a', 'b', 'c', 'd'].map((uid) => {
      const free = host(undefined);
      free.metadata.uid = uid;
      return free;
    });
    const order = (machine: string) => byPreference(hosts, machine).map(({ metadata }) => metadata.uid);
    const before = order('m1');
    expect([...before].sort()).toEqual(['a', 'b', 'c', 'd']);
    expect(new Set(['m1', 'm2', 'm3', 'm4', 'm5'].map((machine) => order(machine)[0])).size).toBeGreaterThan(1);
    const [first] = byPreference(hosts, 'm1');
    if (!first) throw new Error('there is a first');
    const away = { type: 'RedfishReachable', status: 'False' as const, reason: 'Unreachable', message: '' };
    first.status = { ...first.status, conditions: [{ ...away, lastTransitionTime: '2026-01-01T00:00:00Z' }] };
    expect(order('m1')).toEqual([...before.slice(1), before[0]]);
  });

  test('one that was released just now comes last, so that whoever replaces a machine that failed gets another server', () => {
    const now = Date.parse('2026-01-01T12:00:00Z');
    const released = (uid: string, minutesAgo?: number): PhysicalHost => {
      const made = host(undefined, { uid });
      const releasedAt = new Date(now - (minutesAgo ?? 0) * 60_000).toISOString();
      return { ...made, status: { ...made.status, ...(minutesAgo === undefined ? {} : { releasedAt }) } };
    };
    const hosts = [
      released('now', 0),
      released('soon', 2),
      released('before', 10),
      released('never'),
      released('x', -9),
    ];
    for (const machine of Array.from({ length: 20 }, (_, n) => `m${n}`)) {
      const order = byPreference(hosts, machine, now).map(({ metadata }) => metadata.uid ?? '');
      expect(order.slice(0, 3)).toEqual(['never', 'before', 'soon']);
      // A clock that is behind.
      expect(order.slice(3).sort()).toEqual(['now', 'x']);
    }
    // Long ago is as good as never: they are spread as ever.
    const long = [released('a', 100), released('b', 9_000), released('c')];
    const firsts = Array.from({ length: 20 }, (_, n) => byPreference(long, `m${n}`, now)[0]?.metadata.uid);
    expect(new Set(firsts)).toEqual(new Set(['a', 'b', 'c']));
    // A BMC that does not answer is worse.
    const away = { type: 'RedfishReachable', status: 'False' as const, reason: 'Unreachable', message: '' };
    const silent = released('silent');
    silent.status = { ...silent.status, conditions: [{ ...away, lastTransitionTime: '2026-01-01T00:00:00Z' }] };
    expect(byPreference([silent, released('now', 0)], 'm', now)[0]?.metadata.uid).toBe('now');
    // One on which the last run failed stays behind, however long ago.
    const failed = released('failed', 9_000);
    failed.status = { ...failed.status, lastFailure: 'ProvisionFailed' };
    const order = byPreference([failed, silent, released('now', 0)], 'm', now).map(({ metadata }) => metadata.uid);
    expect(order).toEqual(['now', 'failed', 'silent']);
  });

  test('a reservation holds until the cache shows a newer host, it ends by itself, or is given back', () => {
    let now = 0;
    const reservations = new HostReservations(100, () => now);
    const seen = (resourceVersion: string) => ({ metadata: { uid: 'a', resourceVersion } });
    expect([reservations.tryReserve(seen('1')), reservations.tryReserve(seen('1'))]).toEqual([true, false]);
    expect([reservations.tryReserve(seen('2')), reservations.tryReserve(seen('2'))]).toEqual([true, false]);
    now = 101;
    expect(reservations.tryReserve(seen('2'))).toBe(true);
    reservations.release(seen('2'));
    expect(reservations.isReserved(seen('2'))).toBe(false);
    expect(reservations.tryReserve({ metadata: {} })).toBe(false);
    // A claim that is on its way may take longer; once it was lost, the cache shows that in a moment.
    expect(reservations.tryReserve(seen('3'), 'm-uid')).toBe(true);
    now += 50_000;
    const mine = () => [reservations.isReservedFor(seen('3'), 'm-uid'), reservations.isReservedFor(seen('3'), 'other')];
    expect(mine()).toEqual([true, false]);
    reservations.lose(seen('3'));
    expect([...mine(), reservations.isReserved(seen('3'))]).toEqual([false, false, true]);
    now += 101;
    expect(reservations.isReserved(seen('3'))).toBe(false);
  });
});
