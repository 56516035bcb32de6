import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import type { Beskar7Machine, HardwareRequirements, LabelSelector } from '../../../crds/beskar7Machine.ts';
import { LABEL_ZONE } from '../../../crds/names.ts';
import type { PhysicalHost } from '../../../crds/physicalHost.ts';
import { Matching, type Waiter } from '../../../model/waiters.ts';
import { freeHost, machine } from '../controllers/builders.ts';
import { matching, matchWaiters, spareHosts } from './matching.ts';
import { oracleMatch, oracleSpare } from './waitersOracle.ts';

function waiter(
  n: number,
  hostSelector?: LabelSelector,
  more: { zone?: string; tried?: string[]; requirements?: HardwareRequirements } = {},
): Waiter {
  const creationTimestamp = new Date(1e12 + n * 1000).toISOString();
  const { zone, tried, requirements } = more;
  return {
    machine: machine({
      metadata: { name: `m${n}`, uid: `m${n}-uid`, creationTimestamp },
      spec: {
        ...(hostSelector ? { hostSelector } : {}),
        ...(requirements ? { hardwareRequirements: requirements } : {}),
      },
      status: { ...(tried ? { waitingFor: { triedHosts: tried } } : {}) },
    }),
    failureDomain: zone,
  };
}

/** A host whose last report says that it has so many cores, GiB, and a disk of 100 GB. */
const withReport = (host: PhysicalHost, { cores, memory }: { cores: number; memory: number }): PhysicalHost => ({
  ...host,
  status: {
    ...host.status,
    inspectionReport: { cpus: { cores }, memory: { totalGB: memory }, disks: [{ sizeGB: 100 }] },
  },
});

const definedOf = (required: { [K in keyof HardwareRequirements]?: number | undefined }): HardwareRequirements =>
  Object.fromEntries(Object.entries(required).filter(([, value]) => value !== undefined));

const names = (of: readonly { metadata: { name: string } }[]) => of.map(({ metadata }) => metadata.name);

describe('the matching is that of the slow one that it replaces', () => {
  const key = fc.constantFrom('rack', 'gpu');
  const value = fc.constantFrom('a', 'b', 'c');
  const labels = fc.dictionary(key, value, { maxKeys: 2 });
  const expression = fc.record({
    key,
    operator: fc.constantFrom('In' as const, 'NotIn' as const, 'Exists' as const, 'DoesNotExist' as const),
    values: fc.uniqueArray(value, { minLength: 1, maxLength: 2 }),
  });
  const selector = fc.option(
    fc.record({
      matchLabels: labels,
      matchExpressions: fc
        .array(expression, { maxLength: 2 })
        .map((all) => all.map((one) => (one.operator.endsWith('In') ? one : { key: one.key, operator: one.operator }))),
    }),
    { nil: undefined },
  );
  const zone = fc.option(fc.constantFrom('z1', 'z2'), { nil: undefined });
  const size = fc.constantFrom(4, 8, 16);
  const report = fc.option(fc.record({ cores: size, memory: size }), { nil: undefined });
  const host = fc.record({ labels, zone, report });
  const requirements = fc.option(
    fc.record({ minCPUCores: size, minMemoryGB: size, minDiskGB: fc.constantFrom(0, 100) }, { requiredKeys: [] }),
    { nil: undefined },
  );
  const wish = fc.record({
    selector,
    zone,
    tried: fc.option(fc.subarray(['h0', 'h1', 'h2', 'h3']), { nil: undefined }),
    requirements,
    age: fc.integer({ min: 0, max: 3 }),
  });

  test('the same machines are served, and the same hosts are spare', () => {
    fc.assert(
      fc.property(fc.array(host, { maxLength: 10 }), fc.array(wish, { maxLength: 12 }), (offers, wishes) => {
        const free = offers.map((offer, n) => {
          const zoned = offer.zone === undefined ? {} : { [LABEL_ZONE]: offer.zone };
          const made = freeHost(`h${n}`, { ...offer.labels, ...zoned });
          return offer.report === undefined ? made : withReport(made, offer.report);
        });
        const waiters = wishes.map(({ selector: of, zone: domain, tried, requirements: required }, n) =>
          waiter(n, of as LabelSelector | undefined, {
            ...(domain === undefined ? {} : { zone: domain }),
            ...(tried === undefined ? {} : { tried }),
            ...(required === undefined ? {} : { requirements: definedOf(required) }),
          }),
        );
        expect(names(matchWaiters(free, waiters))).toEqual(names(oracleMatch(free, waiters)));
        expect(names(spareHosts(free, waiters))).toEqual(names(oracleSpare(free, waiters)));
      }),
      { numRuns: 500 },
    );
  });
});

/** Comparisons, and the most between two yields. */
function workOf(free: Parameters<typeof Matching.steps>[0], waiters: readonly Waiter[]) {
  const steps = Matching.steps(free, waiters);
  let yields = 0;
  for (;;) {
    const step = steps.next();
    if (step.done === true) return { found: step.value, yields };
    yields += 1;
  }
}

describe('the work grows with hosts plus waiters, not with their product', () => {
  const HOSTS = 10_000;
  const WAITERS = 5_000;
  const free = Array.from({ length: HOSTS }, (_, n) =>
    freeHost(`h${n}`, { 'kubernetes.io/hostname': `h${n}`, rack: `r${n % 100}`, only: `o${n % 7}` }),
  );
  const many = (of: (n: number) => LabelSelector | undefined) =>
    Array.from({ length: WAITERS }, (_, n) => waiter(n, of(n)));
  const named = (n: number) => ({ matchLabels: { 'kubernetes.io/hostname': `h${n}` } });
  const notNamed = (n: number) => ({
    matchExpressions: [{ key: 'kubernetes.io/hostname', operator: 'NotIn' as const, values: [`h${n}`] }],
  });
  const eitherOf = (n: number) => ({
    matchExpressions: [{ key: 'kubernetes.io/hostname', operator: 'In' as const, values: [`h${n}`, `h${n + 1}`] }],
  });

  test.each<[string, number, (n: number) => LabelSelector | undefined, number]>([
    ['all ask for any host', HOSTS, () => undefined, WAITERS],
    ['each for a host of its own', HOSTS, named, WAITERS],
    ['each for one that is not there', HOSTS, (n) => named(n + HOSTS), 0],
    ['each for any but one', HOSTS, notNamed, WAITERS],
    ['each for any but one, and there are fewer hosts', 1_000, notNamed, 1_000],
    ['each for one of two, in a chain', HOSTS, eitherOf, WAITERS],
    ['each for one of two, and there are fewer hosts', 1_000, eitherOf, 1_000],
    ['the same few labels', HOSTS, (n) => ({ matchLabels: { rack: `r${n % 100}` } }), WAITERS],
  ])('%s', (_name, hosts, of, matched) => {
    const offered = free.slice(0, hosts);
    const { found, yields } = workOf(offered, many(of));
    expect(found.matched).toHaveLength(matched);
    expect(found.operations).toBeLessThanOrEqual(20 * (hosts + WAITERS));
    expect(yields).toBeGreaterThanOrEqual((hosts + WAITERS) / 100 + found.operations / 500 - 2);
  });

  test('an answer comes also where all want what all others hold', () => {
    // Young ones who fit few hosts make older ones move, again and again.
    const waiters = many((n) => (n < WAITERS / 2 ? notNamed(n) : named(WAITERS - n)));
    const { found } = workOf(free.slice(0, WAITERS), waiters);
    expect(found.matched).toHaveLength(WAITERS);
    expect(found.operations).toBeLessThanOrEqual(5_100_000);
  });

  test('who is older is served first, whatever is asked for', () => {
    const served: Beskar7Machine[] = matching(free.slice(0, 100), many(notNamed)).matched;
    expect(names(served)).toEqual(Array.from({ length: 100 }, (_, n) => `m${n}`));
  });
});
