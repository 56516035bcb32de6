import { describe, expect, test } from '@jest/globals';
import { ClaimLedger, leftovers } from '../../../bench/claimLedger.ts';
import type { ClaimStage } from '../../../model/claim.ts';
import { API_VERSION } from '../../../crds/names.ts';
import type { PhysicalHost } from '../../../crds/physicalHost.ts';
import { claimAnnotation } from '../../support/claims.ts';

function hostOf(uid: string, stage: ClaimStage | undefined): PhysicalHost {
  return {
    metadata: {
      name: 'h',
      namespace: 'default',
      uid: 'h-uid',
      resourceVersion: '1',
      labels: { 'beskar7.io/consumer-uid': uid },
      ...(stage ? { annotations: claimAnnotation(stage, { id: 'c1' }) } : {}),
    },
    spec: {
      redfishConnection: { address: 'http://127.0.0.1:1', credentialsSecretRef: 's' },
      consumerRef: { apiVersion: API_VERSION, kind: 'Beskar7Machine', namespace: 'default', name: 'm', uid },
    },
  };
}

const free: PhysicalHost = {
  metadata: { name: 'h', namespace: 'default', uid: 'h-uid', resourceVersion: '1' },
  spec: { redfishConnection: { address: 'http://127.0.0.1:1', credentialsSecretRef: 's' } },
  status: { state: 'Available' },
};

describe('double claims', () => {
  test('a machine with two live hosts is told once, however often it is seen', () => {
    const ledger = new ClaimLedger();
    ledger.observe('a', hostOf('u1', 'Claimed'));
    ledger.observe('b', hostOf('u1', 'Armed'));
    ledger.observe('b', hostOf('u1', 'HandedOver'));
    expect(ledger.findings).toEqual(['machine u1 holds the hosts a, b at once']);
  });

  test('a host that is being released may overlap with the next one', () => {
    const ledger = new ClaimLedger();
    ledger.observe('a', hostOf('u1', 'Claimed'));
    ledger.observe('a', hostOf('u1', 'Releasing'));
    ledger.observe('b', hostOf('u1', 'Claimed'));
    expect(ledger.findings).toEqual([]);
  });

  test('a reference without a claim counts as live', () => {
    const ledger = new ClaimLedger();
    ledger.observe('a', hostOf('u1', undefined));
    ledger.observe('b', hostOf('u1', 'Claimed'));
    expect(ledger.findings).toHaveLength(1);
  });

  test('a host that changes its consumer without being free in between is one', () => {
    const ledger = new ClaimLedger();
    ledger.observe('a', hostOf('u1', 'Releasing'));
    ledger.observe('a', hostOf('u2', 'Claimed'));
    expect(ledger.findings).toEqual(['host a went from consumer u1 to u2 without being free in between']);
  });

  test('a host that was free or gone in between is none', () => {
    const ledger = new ClaimLedger();
    ledger.observe('a', hostOf('u1', 'Claimed'));
    ledger.observe('a', free);
    ledger.observe('a', hostOf('u2', 'Claimed'));
    ledger.observe('a', undefined);
    ledger.observe('b', hostOf('u2', 'Claimed'));
    expect(ledger.findings).toEqual([]);
  });
});

test('what a released host must not have any more', () => {
  expect(leftovers(free)).toEqual([]);
  const token = { hash: 'h', expiresAt: '2026-01-01T00:00:00Z', claim: 'c1' };
  expect(leftovers({ ...hostOf('u1', 'Releasing'), status: { state: 'Error', bootToken: token } })).toEqual([
    'its state is Error',
    'it is still claimed by m',
    'it still has a claim',
    'it still has the label of its consumer',
    'its boot token was not revoked',
  ]);
});
