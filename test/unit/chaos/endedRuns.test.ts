import { describe, expect, test } from '@jest/globals';
import type { ChaosRecord } from '../../chaos/records.ts';
import { machine } from '../controllers/builders.ts';
import { broken, T } from './timelines.ts';

describe('a run that ends has told its machine', () => {
  const ready = [
    { type: 'Ready', status: 'False' as const, reason: 'BootFailed', message: 'why', lastTransitionTime: '' },
  ];
  const told = (at: number, phase: string, uid = 'm-uid', metadata = {}): ChaosRecord => ({
    source: 'kubernetes',
    at: T + at,
    notBefore: T + at - 2_000,
    type: 'MODIFIED',
    kind: 'Beskar7Machine',
    object: machine({ metadata: { uid, ...metadata }, status: { phase: phase as 'Failed', conditions: ready } }),
  });
  const ended = (status: string, workflowId = 'provision/ns/m'): ChaosRecord => ({
    source: 'temporal',
    at: T + 60_000,
    workflowId,
    runId: 'run-1',
    uid: 'm-uid',
    status: status as 'FAILED',
    startedAt: T + 10_000,
    closedAt: T + 50_000,
  });
  const before = told(5_000, 'Failed');
  const booting = told(20_000, 'Inspecting');

  test.each(['FAILED', 'CANCELLED'])('%s, and the machine still says Inspecting', (status) => {
    expect(broken(before, booting, ended(status))).toEqual([6]);
  });

  test('a run that goes on for as long as it takes has failed', () => {
    expect(broken(ended('FAILED', 'deprovision/ns/m'))).toEqual([6]);
  });

  test('a run that has timed out could tell nothing', () => {
    expect(broken(ended('TIMED_OUT'))).toEqual([6]);
    expect(broken(ended('TIMED_OUT', 'release/ns/h'))).toEqual([6]);
  });

  test.each<[string, ChaosRecord[]]>([
    [
      'it said so, and is tried again already',
      [booting, told(49_000, 'Failed'), told(52_000, 'Pending'), ended('FAILED')],
    ],
    ['it had failed for the same reason before', [before, ended('FAILED')]],
    ['it was provisioned', [told(49_000, 'Provisioned'), ended('FAILED')]],
    [
      'it is being deleted',
      [told(20_000, 'Inspecting', 'm-uid', { deletionTimestamp: '2026-01-01T00:00:00Z' }), ended('CANCELLED')],
    ],
    ['it is gone', [booting, { ...booting, at: T + 30_000, type: 'DELETED' } as ChaosRecord, ended('CANCELLED')]],
    ['another one has its name', [told(20_000, 'Inspecting', 'm-uid-2'), ended('CANCELLED')]],
    [
      'its end may stand between two lists',
      [booting, { source: 'relist', at: T + 48_000, kind: 'Beskar7Machine' }, told(48_000, 'Pending'), ended('FAILED')],
    ],
    ['it was terminated', [booting, ended('TERMINATED')]],
    ['it found nothing to do', [booting, ended('COMPLETED')]],
    ['it is about a host, and was cancelled by somebody', [ended('CANCELLED', 'enroll/ns/m')]],
  ])('not broken: %s', (_what, records) => {
    expect(broken(...records)).toEqual([]);
  });
});
