import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import { bootSecretName } from '../../../model/bootSecret.ts';
import {
  arm,
  CLAIM_STAGES,
  claimIn,
  handOver,
  newClaim,
  parseClaim,
  release,
  restoreHandedOver,
  restoreReleasing,
  serializeClaim,
  type Claim,
  type ClaimStage,
} from '../../../model/claim.ts';
import { askOf, isAskUnhandled, specHash } from '../../../model/handled.ts';
import { parseProviderID, providerIDOf } from '../../../model/providerID.ts';
import { claimAnnotation, claimText, claimWith } from '../../support/claims.ts';

/** What each object that was read has. */
const READ = { namespace: 'ns', uid: 'u', resourceVersion: '1' };

const at = fc.date({ noInvalidDate: true }).map((date) => date.toISOString());
const claims: fc.Arbitrary<Claim> = fc
  .tuple(
    fc.constantFrom(...CLAIM_STAGES),
    fc.record({ id: fc.uuid(), attempt: fc.integer({ min: 1, max: 10 }), deadline: at, since: at }),
  )
  .map(([stage, fields]) => claimWith(stage, fields));

describe('claim annotation', () => {
  test('what is written is read', () => {
    fc.assert(fc.property(claims, (claim) => expect(parseClaim(serializeClaim(claim))).toEqual(claim)));
  });

  test('anything else is no claim, and never throws', () => {
    fc.assert(fc.property(fc.oneof(fc.string(), fc.json()), (text) => expect(parseClaim(text)).toBeUndefined()));
  });

  test.each([['a'], ['a', 'b'], []])('hosts that were tried are names: %j', (...tried) => {
    const [claim] = fc.sample(claims, 1);
    expect(parseClaim(JSON.stringify({ ...claim, tried }))).toEqual({ ...claim, tried });
  });

  test.each(['x', 1, {}, [1], null])('else it is no claim: workflow code goes through them (%j)', (tried) => {
    const [claim] = fc.sample(claims, 1);
    expect(parseClaim(JSON.stringify({ ...claim, tried }))).toBeUndefined();
  });

  const MINTED = { tokenHash: 'aa', nonceHash: 'bb', bootSecret: 'h-boot-c1' };

  test.each<[ClaimStage, object]>([
    ['Claimed', { specHash: undefined }],
    ['Armed', { specHash: undefined }],
    ['Armed', { tokenHash: undefined }],
    ['Armed', { nonceHash: undefined }],
    ['Armed', { bootSecret: 7 }],
    ['HandedOver', { since: undefined }],
    ['HandedOver', { specHash: 7 }],
    ['Releasing', { reason: undefined }],
    ['Releasing', { releasedFrom: 'Releasing' }],
    ['Releasing', { id: '' }],
  ])('%s is not whole with %j: a part of a claim is never taken for one', (stage, change) => {
    const whole = JSON.parse(claimText(stage)) as object;
    expect(parseClaim(JSON.stringify({ ...whole, ...change }))).toBeUndefined();
  });

  test.each<[ClaimStage, object]>([
    ['Claimed', MINTED],
    ['Armed', { reason: 'r', releasedFrom: 'Claimed' }],
    ['HandedOver', { reason: 'r', releasedFrom: 'Armed' }],
    ['Releasing', { other: 1 }],
  ])('%s has no %j: that is left out', (stage, more) => {
    const claim = claimWith(stage);
    expect(parseClaim(JSON.stringify({ ...claim, ...more }))).toEqual(claim);
  });

  test('the Secret of a claim has a valid name, whatever the host is called', () => {
    expect(bootSecretName('rack1-01', 'c1')).toBe('rack1-01-boot-c1');
    expect(bootSecretName('a'.repeat(253), 'b'.repeat(36))).toHaveLength(253);
  });
});

describe('the life of a claim', () => {
  const ASKED = { attempt: 2, tried: ['a'], specHash: 's1', bootTimeoutMs: 600_000, traceparent: '00-1-2-01' };
  const MINTED = { tokenHash: 'aa', nonceHash: 'bb', bootSecret: 'h-boot-c1' };
  const claimed = newClaim(ASKED);
  const armed = arm(claimed, MINTED);
  const handedOver = handOver(armed);
  const kept = { id: claimed.id, attempt: 2, tried: ['a'], specHash: 's1', traceparent: '00-1-2-01' };

  test.each<[string, Claim, object]>([
    ['it is made', claimed, { stage: 'Claimed', ...kept }],
    ['armed', armed, { stage: 'Armed', ...kept, ...MINTED }],
    ['handed over', handedOver, { stage: 'HandedOver', ...kept, ...MINTED }],
    ['released before it was armed', release(claimed, 'r'), { ...kept, releasedFrom: 'Claimed', reason: 'r' }],
    ['released while it boots', release(armed, 'r'), { ...kept, ...MINTED, releasedFrom: 'Armed', reason: 'r' }],
    ['released with its machine', release(handedOver, 'r'), { ...kept, ...MINTED, releasedFrom: 'HandedOver' }],
    ['lost, and its server runs', restoreHandedOver('c1', 's1'), { stage: 'HandedOver', id: 'c1', specHash: 's1' }],
    ['lost, and nothing is known', restoreHandedOver(undefined, undefined), { stage: 'HandedOver', attempt: 1 }],
    [
      'lost, and released in good order',
      restoreReleasing('c1', { reason: 'r', wasHandedOver: true }),
      { stage: 'Releasing', id: 'c1', reason: 'r', releasedFrom: 'HandedOver' },
    ],
    [
      'lost, and released',
      restoreReleasing(undefined, { reason: 'r', wasHandedOver: false }),
      { stage: 'Releasing', reason: 'r' },
    ],
  ])('%s', (_what, claim, expected) => {
    expect(claim).toMatchObject(expected);
    // What a stage does not have, the one before has not left.
    expect(parseClaim(serializeClaim(claim))).toEqual(claim);
    expect(claim.id).not.toBe('');
    expect(Date.parse(claim.since)).toBeLessThanOrEqual(Date.now());
  });

  test('its deadline is that of the boot, from the claim; no transition moves it', () => {
    expect(Date.parse(claimed.deadline) - Date.parse(claimed.since)).toBe(600_000);
    expect([armed, handedOver, release(armed, 'r')].map(({ deadline }) => deadline)).toEqual(
      Array(3).fill(claimed.deadline),
    );
    expect(newClaim({ ...ASKED, tried: [] })).not.toHaveProperty('tried');
    expect(newClaim(ASKED).id).not.toBe(claimed.id);
  });

  test('no other transition compiles, and none is made by hand', () => {
    const releasing = release(armed, 'r');
    // Never called: the compiler is the test.
    const _illegal = (): Claim[] => [
      // @ts-expect-error: a claim is armed once
      arm(armed, MINTED),
      // @ts-expect-error: what is being released is not armed
      arm(releasing, MINTED),
      // @ts-expect-error: a server without a token has not booted
      handOver(claimed),
      // @ts-expect-error: what is being released is not handed over
      handOver(releasing),
      // @ts-expect-error: the release is not begun twice: reason and stage of the first stay
      release(releasing, 'again'),
      // @ts-expect-error: arming takes all of what was minted
      arm(claimed, { tokenHash: 'aa', nonceHash: 'bb' }),
      // @ts-expect-error: no stage is written over another
      { ...armed, stage: 'HandedOver' },
      // @ts-expect-error: nor with all that the stage has
      { ...claimed, ...MINTED, stage: 'Armed' },
      // @ts-expect-error: a claim comes from a transition
      { id: 'c', stage: 'HandedOver', attempt: 1, deadline: '', since: '' },
    ];
    expect(_illegal).toBeInstanceOf(Function);
  });

  test('a host in the wrong stage has no such claim', () => {
    const host = { metadata: { ...READ, name: 'h', annotations: claimAnnotation('Armed', { id: 'c1' }) } };
    expect(claimIn(host, 'Armed')?.tokenHash).toBe('aa');
    expect(claimIn(host, 'Claimed', 'Armed')?.id).toBe('c1');
    expect(claimIn(host, 'Releasing')).toBeUndefined();
    expect(claimIn({ metadata: { ...READ, name: 'h' } }, 'Armed')).toBeUndefined();
  });
});

describe('what the user asks for', () => {
  const machine = (annotations: Record<string, string>, spec = {}) => ({
    metadata: { ...READ, name: 'm', annotations },
    spec: { targetOSImage: 'http://x/os', ...spec },
  });

  test('the hash does not depend on the order of keys, nor on what Beskar7 writes', () => {
    const a = { targetOSImage: 'http://x/os', attempts: 2, providerID: 'b7://ns/h/m' };
    const b = { attempts: 2, targetOSImage: 'http://x/os' };
    expect(specHash(a)).toBe(specHash(b));
    expect(specHash({ ...b, attempts: 3 })).not.toBe(specHash(b));
  });

  test('an outcome deals with it until spec or retry change', () => {
    const handled = JSON.stringify({ ...askOf(machine({})), outcome: 'Failed' });
    expect(isAskUnhandled(machine({}))).toBe(true);
    expect(isAskUnhandled(machine({ 'beskar7.io/handled': handled }))).toBe(false);
    expect(isAskUnhandled(machine({ 'beskar7.io/handled': handled, 'beskar7.io/retry': '1' }))).toBe(true);
    expect(isAskUnhandled(machine({ 'beskar7.io/handled': handled }, { attempts: 2 }))).toBe(true);
    expect(isAskUnhandled(machine({ 'beskar7.io/handled': 'garbage' }))).toBe(true);
  });

  test('by a new value of the annotation retry; not by its end, nor by the value again that was dealt with', () => {
    const dealtWith = JSON.stringify({ ...askOf(machine({ 'beskar7.io/retry': '1' })), outcome: 'Cancelled' });
    const isDue = (retry?: string) =>
      isAskUnhandled(
        machine({ 'beskar7.io/handled': dealtWith, ...(retry === undefined ? {} : { 'beskar7.io/retry': retry }) }),
      );
    expect([undefined, '', '1'].map(isDue)).toEqual([false, false, false]);
    expect(isDue('2')).toBe(true);
  });
});

test('a providerID names its host and its machine, and nothing else does', () => {
  const named = { namespace: 'ns', host: 'rack1-01', machine: 'workers-x7' };
  expect(parseProviderID(providerIDOf('ns', 'rack1-01', 'workers-x7'))).toEqual(named);
  // The longest names that there may be: Cluster API takes no longer one.
  expect(providerIDOf('n'.repeat(63), 'h'.repeat(253), 'm'.repeat(189))).toHaveLength(512);
  for (const other of [
    undefined,
    '',
    'aws:///i-1',
    'b7://ns',
    'b7://ns/h',
    'b7://ns/h/',
    'b7://ns/h/m/x',
    'b7://NS/h/m',
  ]) {
    expect(parseProviderID(other)).toBeUndefined();
  }
});
