import { afterEach, beforeEach, describe, expect, jest, test } from '@jest/globals';
import fc from 'fast-check';
import { isFree, Waker } from '../../../controllers/waker.ts';
import type { Beskar7Machine } from '../../../crds/beskar7Machine.ts';
import {
  ANNOTATION_CALLS_UNTIL,
  ANNOTATION_DELETE_FOR_MOVE,
  ANNOTATION_PAUSED,
  ANNOTATION_RETRY,
  ANNOTATION_UNSCHEDULABLE,
  LABEL_ZONE,
} from '../../../crds/names.ts';
import type { PhysicalHost } from '../../../crds/physicalHost.ts';
import type { Waiter } from '../../../model/waiters.ts';
import { matchWaiters, spareHosts } from '../model/matching.ts';
import { cachesOf } from '../../../workers/caches.ts';
import { capiCluster, claimedHost, DELETED, freeHost, handled, host, machine } from './builders.ts';
import { FakeStarter, fakeInformers, logger } from './fakes.ts';

const conditions = [
  {
    type: 'MachineProvisioned',
    status: 'False' as const,
    reason: 'NoMatchingHost',
    message: '',
    lastTransitionTime: '2026-01-01T00:00:00Z',
  },
];

function waiter(name: string, age: number, spec: Partial<Beskar7Machine['spec']> = {}): Beskar7Machine {
  const creationTimestamp = new Date(1e12 + age * 1000).toISOString();
  return machine({
    metadata: { name, uid: `${name}-uid`, creationTimestamp },
    spec,
    status: { phase: 'Claiming', conditions },
  });
}

const wants = (of: Beskar7Machine, failureDomain?: string): Waiter => ({ machine: of, failureDomain });
const callsUntilIn = (ms: number) => ({ [ANNOTATION_CALLS_UNTIL]: new Date(Date.now() + ms).toISOString() });
const names = (machines: Beskar7Machine[]) => machines.map(({ metadata }) => metadata.name);
const gpu = { hostSelector: { matchLabels: { gpu: 'yes' } } };

const oneOf = (values: string[]) => ({
  hostSelector: { matchExpressions: [{ key: 'name', operator: 'In' as const, values }] },
});

/** Whether each wish can have a host of its own. */
function canAllHave([first, ...others]: readonly string[][], hosts: readonly string[]): boolean {
  if (first === undefined) return true;
  const fitting = hosts.filter((host) => first.includes(host));
  return fitting.some((taken) =>
    canAllHave(
      others,
      hosts.filter((host) => host !== taken),
    ),
  );
}

describe('who stands in the way of younger machines', () => {
  test('those that wait and would take a host: not one that is paused, whose cluster is paused, or that is moved', () => {
    const informers = fakeInformers();
    const having = (name: string, age: number, metadata: Partial<Beskar7Machine['metadata']>) => {
      const one = waiter(name, age);
      return { ...one, metadata: { ...one.metadata, ...metadata } };
    };
    for (const one of [
      waiter('young', 5),
      waiter('old', 1),
      having('paused', 0, { annotations: { [ANNOTATION_PAUSED]: '' } }),
      having('moved', 0, { annotations: { [ANNOTATION_DELETE_FOR_MOVE]: '' } }),
      having('of-cluster', 0, { labels: { 'cluster.x-k8s.io/cluster-name': 'c' } }),
    ])
      informers.machines.put(one);
    expect(names(cachesOf(informers).waitingMachines('ns'))).toEqual(['of-cluster', 'old', 'young']);
    informers.capiClusters.put(capiCluster({ spec: { paused: true } }));
    expect(names(cachesOf(informers).waitingMachines('ns'))).toEqual(['old', 'young']);
  });
});

describe('who is woken', () => {
  test('the oldest that fit, at most as many as hosts are free', () => {
    const waiters = [wants(waiter('young', 3)), wants(waiter('old', 1)), wants(waiter('middle', 2))];
    expect(names(matchWaiters([freeHost('a'), freeHost('b')], waiters))).toEqual(['old', 'middle']);
  });

  test('an old one that does not fit does not stand in the way', () => {
    const waiters = [wants(waiter('old', 1, gpu)), wants(waiter('young', 2)), wants(waiter('zoned', 0), 'z1')];
    expect(names(matchWaiters([freeHost('a')], waiters))).toEqual(['young']);
    expect(names(matchWaiters([freeHost('a', { gpu: 'yes', [LABEL_ZONE]: 'z1' })], waiters))).toEqual(['zoned']);
  });

  test('one that has tried a host already leaves it to the next', () => {
    const tried = waiter('old', 1);
    tried.status = { ...tried.status, waitingFor: { triedHosts: ['a'] } };
    const waiters = [wants(tried), wants(waiter('young', 2))];
    expect(names(matchWaiters([freeHost('a')], waiters))).toEqual(['young']);
    expect(names(matchWaiters([freeHost('a'), freeHost('b')], waiters))).toEqual(['old', 'young']);
  });

  test('an old one that fits several hosts leaves the one that a younger one needs', () => {
    const waiters = [wants(waiter('any', 1)), wants(waiter('picky', 2, gpu)), wants(waiter('late', 3))];
    const free = [freeHost('a', { gpu: 'yes' }), freeHost('b')];
    expect(names(matchWaiters(free, waiters))).toEqual(['any', 'picky']);
    expect(names(matchWaiters([...free, freeHost('c')], waiters))).toEqual(['any', 'picky', 'late']);
  });

  test('never more than fit, whatever is asked for', () => {
    const label = fc.constantFrom('x', 'y', undefined);
    const labelsOf = (value: string | undefined): Record<string, string> => (value === undefined ? {} : { l: value });
    fc.assert(
      fc.property(fc.array(label, { maxLength: 8 }), fc.array(label, { maxLength: 8 }), (offers, wishes) => {
        const free = offers.map((value, n) => freeHost(`h${n}`, labelsOf(value)));
        const waiters = wishes.map((value, n) =>
          wants(waiter(`m${n}`, n, value === undefined ? {} : { hostSelector: { matchLabels: labelsOf(value) } })),
        );
        const chosen = matchWaiters(free, waiters);
        expect(chosen.length).toBeLessThanOrEqual(Math.min(free.length, waiters.length));
        expect(new Set(chosen).size).toBe(chosen.length);
        for (const value of ['x', 'y']) {
          const asking = chosen.filter(({ spec }) => spec.hostSelector?.matchLabels?.l === value);
          expect(asking.length).toBeLessThanOrEqual(offers.filter((offer) => offer === value).length);
        }
      }),
    );
  });

  test('never a younger one in the place of an older one, and none is left out that could be there too', () => {
    const subset = fc.subarray(['a', 'b', 'c', 'd']);
    fc.assert(
      fc.property(subset, fc.array(subset, { maxLength: 5 }), (offers, wishes) => {
        const free = offers.map((name) => freeHost(name, { name }));
        const waiters = wishes.map((values, n) => wants(waiter(`m${n}`, n, oneOf(values))));
        // By trying all ways: each in the order of age, as long as all before it keep a host of their own.
        const served: string[][] = [];
        const expected = waiters.filter((_waiter, n) => {
          const isServed = canAllHave([...served, wishes[n] ?? []], offers);
          if (isServed) served.push(wishes[n] ?? []);
          return isServed;
        });
        expect(names(matchWaiters(free, waiters))).toEqual(names(expected.map(({ machine: of }) => of)));
        // A host is spare when all of them can do without it.
        const spare = offers.filter((host) =>
          canAllHave(
            served,
            offers.filter((name) => name !== host),
          ),
        );
        expect(spareHosts(free, waiters).map(({ metadata }) => metadata.name)).toEqual(spare);
      }),
    );
  });

  test.each([
    ['free', freeHost('a'), true],
    ['claimed', claimedHost('Claimed', { state: 'Available' }), false],
    ['in error', host({ status: { state: 'Error' } }), false],
    ['deleted', freeHost('a', {}, DELETED), false],
    ['unschedulable', freeHost('a', {}, { annotations: { [ANNOTATION_UNSCHEDULABLE]: '' } }), false],
    ['paused', freeHost('a', {}, { annotations: { [ANNOTATION_PAUSED]: '' } }), false],
    ['free, with calls under way', freeHost('a', {}, { annotations: callsUntilIn(60_000) }), false],
    ['free, with calls that are over', freeHost('a', {}, { annotations: callsUntilIn(-1) }), true],
  ])('a host that is %s', (_name, given, expected) => {
    expect(isFree(given)).toBe(expected);
  });
});

describe('the waker', () => {
  let informers: ReturnType<typeof fakeInformers>;
  let starter: FakeStarter;
  let lost: string[];
  let waker: Waker;

  beforeEach(() => {
    jest.useFakeTimers();
    jest.spyOn(Math, 'random').mockReturnValue(0.5);
    informers = fakeInformers();
    starter = new FakeStarter();
    lost = [];
    waker = new Waker({ informers, starter, logger, onLost: ({ metadata }) => void lost.push(metadata.name) });
    waker.start();
  });
  afterEach(async () => {
    await waker.stop();
    jest.restoreAllMocks();
    jest.useRealTimers();
  });
  const pass = (ms: number) => jest.advanceTimersByTimeAsync(ms);

  test('looks at changes of 100 ms together, and wakes nobody twice while it claims', async () => {
    informers.machines.put(waiter('m1', 1), waiter('m2', 2), waiter('m3', 3));
    informers.hosts.put(freeHost('a'));
    informers.hosts.put(freeHost('b'));
    await pass(99);
    expect(starter.calls).toEqual([]);
    await pass(1);
    expect(starter.calls).toEqual(['wake m1', 'wake m2']);
    informers.hosts.put(freeHost('c'));
    await pass(100);
    expect(starter.calls).toEqual(['wake m1', 'wake m2', 'wake m3']);
  });

  test('offers no host that a machine says by its providerID that it runs on', async () => {
    const onA = (metadata = {}) =>
      machine({
        metadata: { name: 'on-a', ...metadata },
        spec: { providerID: 'b7://ns/a/m' },
        status: { phase: 'Provisioned' },
      });
    informers.machines.put(waiter('m1', 1), onA());
    informers.hosts.put(freeHost('a'));
    await pass(100);
    expect(starter.calls).toEqual([]);
    const caches = cachesOf(informers);
    expect(caches.isNamed(freeHost('a'))).toBe(true);
    informers.machines.put(onA(DELETED));
    await pass(31_000);
    expect(starter.calls[0]).toBe('wake m1');
    expect(caches.isNamed(freeHost('a'))).toBe(false);
  });

  test('a providerID that Beskar7 did not write takes no free host out of use', () => {
    const spec = { providerID: 'b7://ns/a/m' };
    const of = machine({ metadata: { name: 'original' }, spec });
    const copied = handled(of, 'Provisioned', { of: { namespace: 'ns', name: 'original', uid: 'x' } });
    informers.machines.put(machine({ metadata: { name: 'by-hand' }, spec }));
    informers.machines.put(machine({ metadata: { name: 'copy', annotations: copied }, spec }));
    expect(cachesOf(informers).isNamed(freeHost('a'))).toBe(false);
    informers.machines.put(machine({ metadata: { name: 'original', annotations: copied }, spec }));
    expect(cachesOf(informers).isNamed(freeHost('a'))).toBe(true);
  });

  test('does not stir for a write that frees nothing', async () => {
    informers.machines.put(waiter('m1', 1));
    informers.hosts.put(freeHost('a'));
    await pass(100);
    informers.machines.put(machine({ metadata: { name: 'm1', uid: 'm1-uid' }, status: { phase: 'Claiming' } }));
    for (let n = 0; n < 5; n += 1) informers.hosts.put(freeHost('a'));
    await pass(60_000);
    expect(starter.calls).toEqual(['wake m1']);
  });

  test('one that was woken just now takes up a host; whoever stays without one is woken soon, then ever later', async () => {
    informers.machines.put(waiter('m1', 1), waiter('m2', 2));
    informers.hosts.put(freeHost('a'));
    await pass(100);
    // Its sibling's change two seconds later finds m1 busy.
    await pass(2_000);
    informers.machines.put(waiter('m3', 3));
    await pass(100);
    expect(starter.calls).toEqual(['wake m1']);
    await pass(1_100);
    expect(starter.calls).toEqual(['wake m1', 'wake m1']);
    // Had it been taken by m0 meanwhile, this would be for the next in line.
    informers.machines.put(machine({ metadata: { name: 'm1', uid: 'm1-uid' }, status: { phase: 'Claiming' } }));
    await pass(6_200);
    expect(starter.calls).toEqual(['wake m1', 'wake m1', 'wake m2']);
    await pass(12_200);
    expect(starter.calls).toEqual(['wake m1', 'wake m1', 'wake m2', 'wake m2']);
  });

  test('looks again every 30 s while both are there', async () => {
    informers.machines.put(waiter('m1', 1));
    informers.hosts.put(freeHost('a'));
    await pass(200);
    starter.calls.length = 0;
    await pass(95_000);
    expect(starter.calls.length).toBeGreaterThanOrEqual(3);
    expect(starter.calls.length).toBeLessThanOrEqual(31);
  });

  test('a host whose last report is too small wakes nobody; a larger report, a lower wish or the word to try again do', async () => {
    const withMemory = (totalGB: number): PhysicalHost => {
      const free = freeHost('a');
      return { ...free, status: { ...free.status, inspectionReport: { memory: { totalGB } } } };
    };
    const asking = (minMemoryGB: number, annotations: Record<string, string> = {}) => {
      const made = waiter('m1', 1, { hardwareRequirements: { minMemoryGB } });
      return { ...made, metadata: { ...made.metadata, annotations } };
    };
    informers.machines.put(asking(512));
    informers.hosts.put(withMemory(64));
    await pass(61_000);
    expect(starter.calls).toEqual([]);
    informers.hosts.put(withMemory(512));
    await pass(100);
    expect(starter.calls).toEqual(['wake m1']);
    informers.hosts.put(withMemory(64));
    informers.machines.put(machine({ metadata: { name: 'm1', uid: 'm1-uid' }, status: { phase: 'Claiming' } }));
    for (const again of [asking(64), asking(512, { [ANNOTATION_RETRY]: '1' })]) {
      informers.machines.put(asking(512));
      await pass(40_000);
      starter.calls.length = 0;
      informers.machines.put(again);
      await pass(100);
      expect(starter.calls).toEqual(['wake m1']);
      informers.machines.put(machine({ metadata: { name: 'm1', uid: 'm1-uid' }, status: { phase: 'Claiming' } }));
    }
  });

  test('a host whose earlier calls are over is found without a change', async () => {
    informers.machines.put(waiter('m1', 1));
    informers.hosts.put(freeHost('a', {}, { annotations: callsUntilIn(20_000) }));
    await pass(19_000);
    expect(starter.calls).toEqual([]);
    await pass(35_000);
    expect(starter.calls[0]).toBe('wake m1');
  });

  test('a waiter without an open run is told to its watcher; Temporal away is tried again', async () => {
    starter.isHeard = false;
    informers.machines.put(waiter('m1', 1));
    informers.hosts.put(freeHost('a'));
    await pass(100);
    expect(lost).toEqual(['m1']);
    starter.failure = new Error('unavailable');
    await pass(40_000);
    starter.failure = undefined;
    starter.isHeard = true;
    starter.calls.length = 0;
    await pass(31_000);
    expect(starter.calls).toContain('wake m1');
  });
});
