import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import { bearerOf, hostKeyOf, matchesHash } from '../../../api/auth.ts';
import { replacement } from '../../../api/hostFacts.ts';
import { DEFAULT_RATES, RateLimit } from '../../../http/rateLimit.ts';
import { cleanReason } from '../../../api/reason.ts';
import { RunSignals } from '../../../api/runSignals.ts';
import { sha256 } from './scene.ts';

describe('rate limit', () => {
  test('takes a burst, then the average', () => {
    let now = 0;
    const limit = new RateLimit({ burst: 3, perSecond: 2 }, { now: () => now });
    expect([1, 2, 3, 4].map(() => limit.take('a'))).toEqual([0, 0, 0, 500]);
    expect(limit.take('b')).toBe(0);
    now = 400;
    expect(limit.take('a')).toBeCloseTo(100);
    now = 500;
    expect(limit.take('a')).toBe(0);
    now = 1e9;
    expect([1, 2, 3, 4].map(() => limit.take('a') === 0)).toEqual([true, true, true, false]);
  });
  test.each([
    ['behind one NAT', DEFAULT_RATES.perSource],
    ['of one namespace', DEFAULT_RATES.perNamespace],
  ])('500 servers %s at once, with all calls that each makes in a minute', (_what, rate) => {
    let now = 0;
    const limit = new RateLimit(rate, { now: () => now });
    const isTaken = (count: number) =>
      Array.from({ length: count }, () => limit.take('nat')).every((wait) => wait === 0);
    // Script, report, first poll, each with one repeat.
    expect(isTaken(500 * 6)).toBe(true);
    for (let second = 5; second <= 60; second += 5) {
      now = second * 1000;
      expect(isTaken(500)).toBe(true);
    }
  });
  test('remembers a bounded number of keys, the most recent', () => {
    const limit = new RateLimit({ burst: 1, perSecond: 0.001 }, { maxKeys: 2, now: () => 0 });
    expect(['a', 'b', 'a', 'c', 'a'].map((key) => limit.take(key) === 0)).toEqual([true, true, false, true, false]);
    expect(limit.take('b')).toBe(0);
  });
});

describe('reasons', () => {
  test.each([
    ['  disk\n\tis  full ', 'disk is full'],
    ['', 'no reason given'],
    ['\u0000\u001b', 'no reason given'],
    ['x'.repeat(300), 'x'.repeat(256)],
    ['ü'.repeat(200), 'ü'.repeat(128)],
    [`${'x'.repeat(255)}😀`, 'x'.repeat(255)],
    ['\ud83d', '\ufffd'],
  ])('%j is %j', (text, expected) => expect(cleanReason(text)).toBe(expected));
  test('any text: at most 256 bytes, well formed, printable', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'binary', maxLength: 400 }), (text) => {
        const reason = cleanReason(text);
        expect(Buffer.byteLength(reason)).toBeLessThanOrEqual(256);
        expect(reason.isWellFormed() && reason !== '' && !/[\p{Cc}\p{Cf}\p{Cs}]/u.test(reason)).toBe(true);
      }),
      { numRuns: 60 },
    );
  });
});

describe('auth', () => {
  test.each([
    ['Bearer abc', 'abc'],
    ['bearer  abc ', 'abc'],
    ['Bearer a=b', undefined],
    ['Bearer', undefined],
    ['Token abc', undefined],
    [undefined, undefined],
  ])('%j gives %j', (header, token) => expect(bearerOf(header)).toBe(token));
  test('nothing but the secret itself matches', () => {
    expect(matchesHash('s', sha256('s'))).toBe(true);
    const misses: [string | undefined, string | undefined][] = [
      ['', sha256('')],
      [undefined, sha256('')],
      ['s', undefined],
      ['s', ''],
      ['s', sha256('s').slice(1)],
      ['s', sha256('s').toUpperCase()],
      ['s', 'z'.repeat(64)],
      ['x'.repeat(600), sha256('x'.repeat(600))],
    ];
    for (const [secret, hash] of misses) expect(matchesHash(secret, hash)).toBe(false);
  });
  test('names that no host can have', () => {
    expect(hostKeyOf('ns', 'a.b-c')).toEqual({ namespace: 'ns', host: 'a.b-c' });
    for (const bad of ['', '.', '..', 'A', 'a/b', 'a b', 'a\n', '-a', 'a'.repeat(254), undefined]) {
      expect(hostKeyOf('ns', bad)).toBeUndefined();
      expect(hostKeyOf(bad, 'h')).toBeUndefined();
    }
  });
});

test('a replacement turns any object into another', () => {
  const value: fc.Arbitrary<unknown> = fc.letrec((tie) => ({
    value: fc.oneof({ maxDepth: 3 }, fc.integer(), fc.array(fc.integer(), { maxLength: 2 }), tie('object')),
    object: fc.dictionary(fc.constantFrom('a', 'b', 'c'), tie('value')),
  })).object;
  fc.assert(
    fc.property(value, value, (before, after) => {
      expect(apply(before, replacement(before as object, after as object))).toEqual(after);
    }),
  );
});

/** RFC 7386 §2. */
function apply(target: unknown, patch: unknown): unknown {
  if (typeof patch !== 'object' || patch === null || Array.isArray(patch)) return patch;
  const isObject = typeof target === 'object' && target !== null && !Array.isArray(target);
  const result: Record<string, unknown> = isObject ? { ...target } : {};
  for (const [key, item] of Object.entries(patch)) {
    if (item === null) delete result[key];
    else result[key] = apply(result[key], item);
  }
  return result;
}

describe('signals', () => {
  const consumerRef = { apiVersion: 'v1', kind: 'Beskar7Machine', name: 'm', namespace: 'n', uid: 'm-1' };
  const redfishConnection = { address: 'https://10.0.0.5', credentialsSecretRef: 'bmc' };
  const host = {
    metadata: { name: 'h', namespace: 'n', uid: 'h-uid', resourceVersion: '1' },
    spec: { consumerRef, redfishConnection },
  };
  function scene(timeoutMs: number) {
    const logged: string[] = [];
    const warn = (_fields: unknown, message?: string) => void logged.push(message ?? '');
    const sent: string[] = [];
    const signal = (kind: string, machine: { namespace: string; name: string }, claim: string) =>
      new Promise<void>(() => void sent.push(`${kind} ${machine.namespace}/${machine.name} ${claim}`));
    // The part of pino that is used.
    const logger = { debug: warn, info: warn, warn, error: warn };
    return { logged, sent, signals: new RunSignals({ logger, signal }, timeoutMs) };
  }
  test.each([
    ['of another namespace', { namespace: 'victim' }],
    ['without a uid', { uid: undefined as never }],
  ])('a host whose tenant has made it name a machine %s signals no run', async (_what, of) => {
    const { logged, sent, signals } = scene(2_000);
    const forged = { ...host, spec: { ...host.spec, consumerRef: { ...consumerRef, ...of } } };
    signals.send('inspectionReported', forged, 'c-1', { isNews: true });
    await signals.drain(1);
    expect(sent).toEqual([]);
    expect(logged).toEqual([expect.stringContaining('references no machine of its namespace')]);
  });
  test('a bounded number is under way, and stopping does not wait for ever', async () => {
    const { logged, sent, signals } = scene(2_000);
    for (let index = 0; index < 1001; index += 1) signals.send('osReported', host, `c-${index}`, { isNews: false });
    expect(sent).toHaveLength(1000);
    expect(sent[0]).toBe('osReported n/m c-0');
    expect(logged).toEqual([expect.stringContaining('1000 signals are in flight')]);
    await signals.drain(1);
  });
  test('a callback that repeats 10 times a second signals its run once a minute; what is new is told at once', async () => {
    let nowMs = 0;
    let fails = false;
    const sent: string[] = [];
    const signal = (kind: string, _machine: unknown, claim: string) => {
      sent.push(`${kind} ${claim}`);
      return fails ? Promise.reject(new Error('Temporal is away')) : Promise.resolve();
    };
    const none = () => undefined;
    const logger = { debug: none, info: none, warn: none, error: none };
    const signals = new RunSignals({ logger, signal }, 1_000, () => nowMs);
    signals.send('handoverReported', host, 'c', { isNews: true });
    for (; nowMs < 180_000; nowMs += 100) signals.send('handoverReported', host, 'c', { isNews: false });
    expect(sent).toEqual(['handoverReported c', 'handoverReported c', 'handoverReported c']);
    // Provisioned, then failed: that is news, of the same kind.
    signals.send('handoverReported', host, 'c', { isNews: true });
    signals.send('osReported', host, 'c', { isNews: false });
    signals.send('handoverReported', host, 'other', { isNews: false });
    expect(sent.slice(3)).toEqual(['handoverReported c', 'osReported c', 'handoverReported other']);
    fails = true;
    nowMs += 60_000;
    signals.send('handoverReported', host, 'c', { isNews: false });
    await signals.drain(1_000);
    signals.send('handoverReported', host, 'c', { isNews: false });
    expect(sent.slice(6)).toEqual(['handoverReported c', 'handoverReported c']);
    await signals.drain(1_000);
  });
  test('each has a deadline, and a host without a machine gets none', async () => {
    const { logged, sent, signals } = scene(5);
    signals.send('inspectionReported', host, 'c', { isNews: true });
    await signals.drain(5_000);
    expect(logged).toEqual(['the run could not be signalled; the watcher signals it later']);
    signals.send('osReported', { metadata: { ...host.metadata }, spec: { redfishConnection } }, 'c', { isNews: true });
    expect(sent).toHaveLength(1);
  });
});
