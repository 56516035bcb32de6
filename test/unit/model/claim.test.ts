import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import { bootSecretName } from '../../../model/bootSecret.ts';
import { CLAIM_STAGES, parseClaim, serializeClaim, type Claim } from '../../../model/claim.ts';
import { askOf, isAskUnhandled, specHash } from '../../../model/handled.ts';
import { parseProviderID, providerIDOf } from '../../../model/providerID.ts';

const claims: fc.Arbitrary<Claim> = fc.record({
  id: fc.uuid(),
  stage: fc.constantFrom(...CLAIM_STAGES),
  attempt: fc.integer({ min: 1, max: 10 }),
  deadline: fc.date({ noInvalidDate: true }).map((date) => date.toISOString()),
  since: fc.date({ noInvalidDate: true }).map((date) => date.toISOString()),
});

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

  test('the Secret of a claim has a valid name, whatever the host is called', () => {
    expect(bootSecretName('rack1-01', 'c1')).toBe('rack1-01-boot-c1');
    expect(bootSecretName('a'.repeat(253), 'b'.repeat(36))).toHaveLength(253);
  });
});

describe('what the user asks for', () => {
  const machine = (annotations: Record<string, string>, spec = {}) => ({
    metadata: { name: 'm', annotations },
    spec: { targetOSImage: 'http://x/os', ...spec },
  });

  test('the hash does not depend on the order of keys, nor on what Beskar7 writes', () => {
    const a = { targetOSImage: 'http://x/os', attempts: 2, providerID: 'b7://ns/h' };
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

test('a providerID names its host, and nothing else does', () => {
  expect(parseProviderID(providerIDOf('ns', 'rack1-01'))).toEqual({ namespace: 'ns', host: 'rack1-01' });
  for (const other of [undefined, '', 'aws:///i-1', 'b7://ns', 'b7://ns/h/x', 'b7://NS/h']) {
    expect(parseProviderID(other)).toBeUndefined();
  }
});
