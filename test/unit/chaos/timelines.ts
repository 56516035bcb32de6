import type { ClaimStage } from '../../../model/claim.ts';
import { ANNOTATION_FORCE_RELEASE, ANNOTATION_SERVER } from '../../../crds/names.ts';
import type { PhysicalHost } from '../../../crds/physicalHost.ts';
import { Checker } from '../../chaos/check/index.ts';
import type { ChaosRecord } from '../../chaos/records.ts';
import { claimedHost, freeHost, machine } from '../controllers/builders.ts';

export const T = Date.parse('2026-01-01T00:00:00Z');
export const ID = '11111111-1111-4111-8111-111111111111';
export const OTHER = '22222222-2222-4222-8222-222222222222';
export const AFTER_ALL = T + 10 * 60_000;

export const seen = (
  at: number,
  object: PhysicalHost,
  type: 'ADDED' | 'MODIFIED' | 'DELETED' = 'MODIFIED',
): ChaosRecord => ({
  source: 'kubernetes',
  at: T + at,
  notBefore: T + at - 2_000,
  type,
  kind: 'PhysicalHost',
  object,
});
export const claimed = (at: number, stage: ClaimStage, more: { id?: string; tokenHash?: string } = {}) => {
  const id = more.id ?? ID;
  return claimedHost(stage, {}, {}, { ...more, id, since: new Date(T + at).toISOString() });
};
export const free = freeHost('h', {}, { uid: 'h-uid' });
export const asked = (at: number, type: string, sender = ID): ChaosRecord => ({
  source: 'bmc',
  at: T + at,
  host: 'h',
  method: 'POST',
  path: '/redfish/v1/Systems/1/Actions/ComputerSystem.Reset',
  body: JSON.stringify({ ResetType: type }),
  userAgent: `beskar7 (${sender})`,
});
export const patched = (at: number, target: string, enabled: string): ChaosRecord => ({
  source: 'bmc',
  at: T + at,
  host: 'h',
  method: 'PATCH',
  path: '/redfish/v1/Systems/1',
  body: JSON.stringify({ Boot: { BootSourceOverrideTarget: target, BootSourceOverrideEnabled: enabled } }),
  userAgent: `beskar7 (${ID})`,
});
export const power = (at: number, state: 'On' | 'Off' | 'PoweringOn', why = 'test'): ChaosRecord => ({
  source: 'power',
  at: T + at,
  host: 'h',
  power: state,
  why,
});
export const override = (at: number, enabled: 'Once' | 'Disabled'): ChaosRecord => ({
  source: 'override',
  at: T + at,
  host: 'h',
  enabled,
});
export const report = (at: number): ChaosRecord => ({
  source: 'callback',
  at: T + at,
  host: 'h',
  route: 'inspection',
  status: 202,
  isForwarded: true,
  tokenHash: 'hash',
});
export const callback = (at: number, route: string, status = 202): ChaosRecord =>
  ({ ...report(at), route, status }) as ChaosRecord;
export const ofMachine = (at: number, phase: string, metadata: object = {}, spec: object = {}): ChaosRecord => ({
  source: 'kubernetes',
  at: T + at,
  notBefore: T + at - 2_000,
  type: 'MODIFIED',
  kind: 'Beskar7Machine',
  object: machine({ metadata, spec, status: { phase: phase as 'Pending' } }),
});
export const born = ofMachine(500, 'Claiming');
export const deleting = ofMachine(19_000, 'Provisioned', { deletionTimestamp: '2026-01-01T00:00:19Z' });
export const said = (claim: string, outcome: 'Provisioned' | 'Failed') => ({ handover: { claim, outcome } });
export const listed = (at: number): ChaosRecord => ({ source: 'relist', at: T + at, kind: 'PhysicalHost' });

export const REPORTED = { inspection: { claim: ID, reportDigest: 'digest' } };
export const claimedFor = (at: number, reason: string): PhysicalHost =>
  claimedHost('Releasing', said(ID, 'Provisioned'), {}, { id: ID, since: new Date(T + at).toISOString(), reason });
export const withConsumer = (host: PhysicalHost, uid: string): PhysicalHost => ({
  ...host,
  spec: { ...host.spec, consumerRef: { apiVersion: 'v', kind: 'Beskar7Machine', name: 'm', namespace: 'ns', uid } },
});
export const withForce = (host: PhysicalHost): PhysicalHost => ({
  ...host,
  metadata: { ...host.metadata, annotations: { ...host.metadata.annotations, [ANNOTATION_FORCE_RELEASE]: 'why' } },
});

/** The host as it stands for a server. */
export const standsFor = (record: ChaosRecord, serialNumber: string, name = 'h'): ChaosRecord => {
  if (record.source !== 'kubernetes' || record.kind !== 'PhysicalHost') return record;
  const { metadata } = record.object;
  const server = JSON.stringify({ address: '10.0.0.5', serialNumber });
  const object = {
    ...record.object,
    metadata: { ...metadata, name, annotations: { ...metadata.annotations, [ANNOTATION_SERVER]: server } },
  };
  return { ...record, object };
};
export const answers = (at: number, serialNumber: string): ChaosRecord => ({
  source: 'server',
  at: T + at,
  host: 'h',
  serialNumber,
});

/** The rules that a timeline breaks. */
export function broken(...records: ChaosRecord[]): (number | 'end')[] {
  const checker = new Checker();
  for (const record of records) checker.add(record);
  return [...new Set(checker.violations(AFTER_ALL).map(({ rule }) => rule))];
}

export const provisioning = [
  born,
  seen(0, free),
  seen(1_000, claimed(1_000, 'Claimed')),
  seen(2_000, claimed(2_000, 'Armed', { tokenHash: 'hash' })),
  override(2_500, 'Once'),
  asked(3_000, 'On'),
  power(3_500, 'On'),
  override(3_600, 'Disabled'),
];
export const handedOver = [...provisioning, seen(9_000, claimed(9_000, 'HandedOver'))];
export const releasing = [...handedOver, deleting, seen(20_000, claimed(20_000, 'Releasing'))];
