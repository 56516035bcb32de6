import { expect, test } from '@jest/globals';
import type { Beskar7Machine } from '../../../crds/beskar7Machine.ts';
import { CONDITIONS } from '../../../crds/reasons.ts';
import { machineRow } from '../../../web/server/rows.ts';

type Conditions = NonNullable<NonNullable<Beskar7Machine['status']>['conditions']>;

function machine(conditions: Conditions, metadata: Partial<Beskar7Machine['metadata']> = {}): Beskar7Machine {
  return {
    apiVersion: 'infrastructure.cluster.x-k8s.io/v1beta1',
    kind: 'Beskar7Machine',
    metadata: { namespace: 'ns', name: 'm', uid: 'u', resourceVersion: '1', ...metadata },
    spec: { targetOSImage: 'http://x/o' },
    status: { phase: 'Provisioned', conditions },
  };
}

const condition = (type: string, status: 'True' | 'False', reason: string, message: string) => ({
  ...{ type, status, reason, message },
  lastTransitionTime: '2026-11-30T16:00:00Z',
});
const provisioned = condition(CONDITIONS.machineProvisioned, 'True', 'Provisioned', 'Provisioned on host h.');
const off = condition('UnexpectedlyOff', 'True', 'PoweredOff', 'The server of host h is off.');

test('a provisioned machine whose server is off does not look healthy in a list', () => {
  expect(machineRow(machine([provisioned, off]))).toMatchObject({
    phase: 'Provisioned',
    alarm: 'UnexpectedlyOff',
    reason: 'PoweredOff',
    message: 'The server of host h is off.',
  });
});

test('an alarm that is over says nothing', () => {
  const row = machineRow(machine([provisioned, { ...off, status: 'False' }]));
  expect(row).not.toHaveProperty('alarm');
  expect(row.message).not.toContain('is off');
});

test('a machine that is being deleted says so, and why its deletion hangs', () => {
  const hangs = condition('DeletionHangs', 'True', 'ReleasePending', 'The BMC of host h does not answer.');
  const row = machineRow(machine([provisioned, hangs], { deletionTimestamp: '2026-11-30T15:00:00Z' }));
  expect(row).toMatchObject({ isDeleting: true, alarm: 'DeletionHangs', reason: 'ReleasePending' });
  expect(machineRow(machine([provisioned]))).not.toHaveProperty('isDeleting');
});
