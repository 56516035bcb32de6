import { describe, expect, test } from '@jest/globals';
import type { ClaimStage } from '../../../crds/claim.ts';
import { ANNOTATION_FORCE_RELEASE } from '../../../crds/names.ts';
import type { PhysicalHost } from '../../../crds/physicalHost.ts';
import { Checker } from '../../chaos/check/index.ts';
import { leaks } from '../../chaos/check/leaks.ts';
import type { ChaosRecord } from '../../chaos/records.ts';
import { claimedHost, freeHost, machine } from '../controllers/builders.ts';

const T = Date.parse('2026-01-01T00:00:00Z');
const ID = '11111111-1111-4111-8111-111111111111';
const OTHER = '22222222-2222-4222-8222-222222222222';
const AFTER_ALL = T + 10 * 60_000;

const seen = (at: number, object: PhysicalHost, type: 'ADDED' | 'MODIFIED' | 'DELETED' = 'MODIFIED'): ChaosRecord => ({
  source: 'kubernetes',
  at: T + at,
  notBefore: T + at - 2_000,
  type,
  kind: 'PhysicalHost',
  object,
});
const claimed = (at: number, stage: ClaimStage, more: { id?: string; tokenHash?: string } = {}) => {
  const id = more.id ?? ID;
  return claimedHost(stage, {}, {}, { ...more, id, since: new Date(T + at).toISOString() });
};
const free = freeHost('h', {}, { uid: 'h-uid' });
const asked = (at: number, type: string, sender = ID): ChaosRecord => ({
  source: 'bmc',
  at: T + at,
  host: 'h',
  method: 'POST',
  path: '/redfish/v1/Systems/1/Actions/ComputerSystem.Reset',
  body: JSON.stringify({ ResetType: type }),
  userAgent: `beskar7 (${sender})`,
});
const patched = (at: number, target: string, enabled: string): ChaosRecord => ({
  source: 'bmc',
  at: T + at,
  host: 'h',
  method: 'PATCH',
  path: '/redfish/v1/Systems/1',
  body: JSON.stringify({ Boot: { BootSourceOverrideTarget: target, BootSourceOverrideEnabled: enabled } }),
  userAgent: `beskar7 (${ID})`,
});
const power = (at: number, state: 'On' | 'Off' | 'PoweringOn', why = 'test'): ChaosRecord => ({
  source: 'power',
  at: T + at,
  host: 'h',
  power: state,
  why,
});
const override = (at: number, enabled: 'Once' | 'Disabled'): ChaosRecord => ({
  source: 'override',
  at: T + at,
  host: 'h',
  enabled,
});
const report = (at: number): ChaosRecord => ({
  source: 'callback',
  at: T + at,
  host: 'h',
  route: 'inspection',
  status: 202,
  isForwarded: true,
  tokenHash: 'hash',
});
const callback = (at: number, route: string, status = 202): ChaosRecord =>
  ({ ...report(at), route, status }) as ChaosRecord;
const ofMachine = (at: number, phase: string, metadata: object = {}, spec: object = {}): ChaosRecord => ({
  source: 'kubernetes',
  at: T + at,
  notBefore: T + at - 2_000,
  type: 'MODIFIED',
  kind: 'Beskar7Machine',
  object: machine({ metadata, spec, status: { phase: phase as 'Pending' } }),
});
const born = ofMachine(500, 'Claiming');
const deleting = ofMachine(19_000, 'Provisioned', { deletionTimestamp: '2026-01-01T00:00:19Z' });
const said = (claim: string, outcome: 'Provisioned' | 'Failed') => ({ handover: { claim, outcome } });
const listed = (at: number): ChaosRecord => ({ source: 'relist', at: T + at, kind: 'PhysicalHost' });

const REPORTED = { inspection: { claim: ID, reportDigest: 'digest' } };
const claimedFor = (at: number, reason: string): PhysicalHost =>
  claimedHost('Releasing', said(ID, 'Provisioned'), {}, { id: ID, since: new Date(T + at).toISOString(), reason });
const withConsumer = (host: PhysicalHost, uid: string): PhysicalHost => ({
  ...host,
  spec: { ...host.spec, consumerRef: { apiVersion: 'v', kind: 'Beskar7Machine', name: 'm', namespace: 'ns', uid } },
});
const withForce = (host: PhysicalHost): PhysicalHost => ({
  ...host,
  metadata: { ...host.metadata, annotations: { ...host.metadata.annotations, [ANNOTATION_FORCE_RELEASE]: 'why' } },
});

/** The rules that a timeline breaks. */
function broken(...records: ChaosRecord[]): (number | 'end')[] {
  const checker = new Checker();
  for (const record of records) checker.add(record);
  return [...new Set(checker.violations(AFTER_ALL).map(({ rule }) => rule))];
}

const provisioning = [
  born,
  seen(0, free),
  seen(1_000, claimed(1_000, 'Claimed')),
  seen(2_000, claimed(2_000, 'Armed', { tokenHash: 'hash' })),
  override(2_500, 'Once'),
  asked(3_000, 'On'),
  power(3_500, 'On'),
  override(3_600, 'Disabled'),
];
const handedOver = [...provisioning, seen(9_000, claimed(9_000, 'HandedOver'))];
const releasing = [...handedOver, deleting, seen(20_000, claimed(20_000, 'Releasing'))];

describe('the checker of the chaos suite', () => {
  test('a provisioning and its release break nothing', () => {
    const end = [asked(21_000, 'ForceOff'), power(22_000, 'Off'), seen(23_000, free)];
    expect(broken(...releasing, ...end)).toEqual([]);
  });

  test.each([
    ['None', 'Disabled'],
    ['Pxe', 'Disabled'],
  ])('a release may take the override back with the target %s', (target, enabled) => {
    expect(broken(...releasing, patched(90_000, target, enabled))).toEqual([]);
  });

  test.each<[string, (number | 'end')[], ChaosRecord[]]>([
    ['a power-on of a host that is claimed only', [2], [...provisioning.slice(0, 3), asked(1_500, 'On')]],
    ['a command for another claim', [2], [...provisioning, asked(4_000, 'ForceOff', OTHER)]],
    ['a restart', [2], [...provisioning, asked(4_000, 'ForceRestart')]],
    [
      'a command of a claim that was cleared',
      [2],
      [...releasing, power(21_000, 'Off'), seen(22_000, free), asked(26_000, 'ForceOff')],
    ],
    [
      'a power-on of a worker that was stopped after its fence',
      [2],
      [...releasing, seen(20_500, claimed(20_000, 'Releasing')), asked(45_000, 'On')],
    ],
    ['a command of an armed claim that switches off', [2], [...provisioning, asked(16_000, 'ForceOff')]],
    [
      'a second power cycle of one claim',
      [2],
      [
        ...provisioning.slice(0, 4),
        power(3_000, 'PoweringOn', 'On'),
        power(3_500, 'On', 'On'),
        power(4_000, 'Off', 'ForceOff'),
        power(4_500, 'PoweringOn', 'On'),
      ],
    ],
    [
      'a claim for a machine that there never was',
      [1],
      [ofMachine(500, 'Claiming', { uid: 'another' }), ...provisioning.slice(1)],
    ],
    [
      'a claim that goes to another machine of the same name',
      [1],
      [
        ...handedOver,
        ofMachine(9_500, 'Claiming', { uid: 'new-uid' }),
        seen(10_000, withConsumer(claimed(9_000, 'HandedOver'), 'new-uid')),
      ],
    ],
    ['a live server that is released', [4], [...handedOver, seen(20_000, claimed(20_000, 'Releasing'))]],
    [
      'a hand-over that was told and timed out',
      [5],
      [
        ...provisioning,
        seen(5_000, { ...claimed(2_000, 'Armed'), status: said(ID, 'Provisioned') }),
        seen(9_000, claimedFor(9_000, 'ProvisioningTimeout: late')),
      ],
    ],
    ['a hand-over that is answered 202 and kept nowhere', [5], [...provisioning, callback(6_000, 'provisioned')]],
    [
      'a report that no run hears of',
      [5],
      [...provisioning, seen(5_000, { ...claimed(2_000, 'Armed'), status: REPORTED }), ofMachine(5_500, 'Inspecting')],
    ],
    ['a network boot set by a release', [2], [...releasing, patched(90_000, 'Pxe', 'Once')]],
    ['a command after the hand-over', [4], [...handedOver, asked(12_000, 'ForceOff')]],
    [
      'a command after the hand-over, before another write of the host',
      [4],
      [
        ...handedOver,
        asked(12_000, 'ForceOff'),
        seen(13_000, { ...claimed(9_000, 'HandedOver'), status: { powerState: 'Off' } }),
      ],
    ],
    ['a release of a server that runs', [3], [...releasing, seen(23_000, free)]],
    [
      'a release of a server that came on again',
      [3],
      [...releasing, power(21_000, 'Off'), power(21_500, 'PoweringOn', 'On'), seen(22_000, free)],
    ],
    [
      'a release with an override that was set again',
      [3],
      [...releasing, power(21_000, 'Off'), override(21_500, 'Once'), seen(22_000, free)],
    ],
    [
      'a release with the override set',
      [3],
      [...releasing, power(21_000, 'Off'), override(20_500, 'Once'), seen(25_000, free)],
    ],
    ['a claim that is cleared without a release', [3], [...provisioning, power(4_000, 'Off'), seen(5_000, free)]],
    [
      'a claim that is replaced',
      [1, 3],
      [...provisioning, power(4_000, 'Off'), seen(5_000, claimed(5_000, 'Claimed', { id: OTHER }))],
    ],
    ['a report that is answered 202 and kept nowhere', [5], [...provisioning, report(6_000)]],
  ])('%s', (_what, rules, records) => {
    const found = broken(...records);
    for (const rule of rules) expect(found).toContain(rule);
    expect(found.filter((rule) => !rules.includes(rule) && rule !== 2)).toEqual([]);
  });

  test('a command that is noted a moment after its claim was cleared was sent before', () => {
    const late = [power(21_000, 'Off'), seen(22_000, free), asked(23_000, 'ForceOff')];
    expect(broken(...releasing, ...late)).toEqual([]);
  });

  test.each<[string, ChaosRecord[]]>([
    [
      'a server that went off by itself is switched on again',
      [
        ...provisioning.slice(0, 4),
        power(3_000, 'PoweringOn', 'On'),
        power(3_500, 'On', 'On'),
        power(4_000, 'Off', 'inspector'),
        power(4_500, 'PoweringOn', 'On'),
      ],
    ],
    [
      'a hand-over is told and kept',
      [
        ...provisioning,
        callback(4_500, 'provisioned'),
        seen(5_000, { ...claimed(2_000, 'Armed'), status: said(ID, 'Provisioned') }),
        seen(9_000, claimed(9_000, 'HandedOver')),
      ],
    ],
    [
      'a hand-over is told again after it was done',
      [...handedOver, callback(12_000, 'provisioned'), callback(13_000, 'os-ready')],
    ],
    [
      'the OS of a handed-over server never said that it was up',
      [
        ofMachine(500, 'Claiming', {}, { readyWhen: 'OSReported' }),
        ...provisioning.slice(1),
        seen(5_000, { ...claimed(2_000, 'Armed'), status: said(ID, 'Provisioned') }),
        seen(9_000, claimedFor(9_000, 'ProvisioningTimeout: late')),
      ],
    ],
    [
      'a run goes on with its report',
      [...provisioning, seen(5_000, { ...claimed(2_000, 'Armed'), status: REPORTED }), ofMachine(5_500, 'Validating')],
    ],
    [
      'a report is not heard of while something is broken',
      [
        ...provisioning,
        { source: 'driver', at: T + 4_000, about: '', what: 'kill Temporal' },
        seen(5_000, { ...claimed(2_000, 'Armed'), status: REPORTED }),
        ofMachine(5_500, 'Inspecting'),
      ],
    ],
    [
      'a handed-over server is released by force',
      [
        ...handedOver,
        seen(19_000, withForce(claimed(9_000, 'HandedOver'))),
        seen(20_000, withForce(claimed(20_000, 'Releasing'))),
      ],
    ],
    [
      'the next claim is quicker than the watch',
      [
        ...releasing,
        power(21_000, 'Off'),
        override(21_600, 'Once'),
        power(21_700, 'PoweringOn', 'On'),
        seen(22_000, free),
        seen(22_100, claimed(21_400, 'Claimed', { id: OTHER })),
        seen(22_200, claimed(21_500, 'Armed', { id: OTHER })),
      ],
    ],
    ['an old token is refused', [callback(1_000, 'replay provisioned', 401), callback(2_000, 'replay bootstrap', 503)]],
  ])('not broken: %s', (_what, records) => {
    expect(broken(...records)).toEqual([]);
  });

  test('a Secret that outlives its claim', () => {
    const name = `h-boot-${ID}`;
    const added: ChaosRecord = { source: 'secret', at: T + 1_500, type: 'ADDED', name };
    const end = [power(21_000, 'Off'), seen(22_000, free)];
    expect(broken(added, ...releasing, ...end)).toEqual([7]);
    const deleted: ChaosRecord = { source: 'secret', at: T + 21_500, type: 'DELETED', name };
    expect(broken(added, ...releasing, deleted, ...end)).toEqual([]);
  });

  test('one machine with two hosts, also when a list tells it', () => {
    const second = { ...claimed(1_000, 'Claimed', { id: OTHER }) };
    const other = { ...second, metadata: { ...second.metadata, name: 'h2', uid: 'h2-uid' } };
    expect(broken(born, seen(1_000, claimed(1_000, 'Claimed')), seen(2_000, other))).toEqual([1]);
    const batch = [listed(1_000), seen(1_000, claimed(1_000, 'Claimed')), seen(1_000, other)];
    expect(broken(...batch)).toEqual([1]);
    // The first one was deleted while the watch was broken: the list does not have it.
    expect(broken(seen(1_000, claimed(1_000, 'Claimed')), listed(5_000), seen(5_000, other))).toEqual([]);
  });

  test('what a broken watch may have lost is held against nobody', () => {
    expect(broken(seen(0, free), asked(2_000, 'On'), listed(5_000), seen(5_000, free))).toEqual([]);
  });

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
        [
          booting,
          { source: 'relist', at: T + 48_000, kind: 'Beskar7Machine' },
          told(48_000, 'Pending'),
          ended('FAILED'),
        ],
      ],
      ['it was terminated', [booting, ended('TERMINATED')]],
      ['it found nothing to do', [booting, ended('COMPLETED')]],
      ['it is about a host, and was cancelled by somebody', [ended('CANCELLED', 'enroll/ns/m')]],
    ])('not broken: %s', (_what, records) => {
      expect(broken(...records)).toEqual([]);
    });
  });

  test('a machine that failed and a host in Error say why', () => {
    const failed = machine({ status: { phase: 'Failed' } });
    const record: ChaosRecord = {
      source: 'kubernetes',
      at: T,
      notBefore: T,
      type: 'MODIFIED',
      kind: 'Beskar7Machine',
      object: failed,
    };
    expect(broken(record)).toEqual([9]);
    expect(broken(seen(0, { ...free, status: { state: 'Error' } }))).toEqual([9]);
    const inError = (message: string): PhysicalHost => ({
      ...free,
      status: {
        state: 'Error',
        conditions: [
          {
            type: 'Ready',
            status: 'False',
            reason: 'ReleasePending',
            message,
            lastTransitionTime: '2026-01-01T00:00:00Z',
          },
        ],
      },
    });
    expect(broken(seen(0, inError('The BMC does not answer.')))).toEqual([9]);
    expect(broken(seen(0, inError('The BMC does not answer; next attempt at 2026-01-01T00:00:10.000Z.')))).toEqual([]);
  });

  test('an old token that opens something', () => {
    expect(broken(callback(1_000, 'replay inspection'))).toEqual([7]);
    // It was let in, and only then found early.
    expect(broken(callback(1_000, 'replay provisioned', 409))).toEqual([7]);
  });

  test('a secret is found, and not told', () => {
    const found = leaks('the log', 'password=s3cr3t', new Map([['s3cr3t', 'a BMC password']]));
    expect(found).toEqual(['a BMC password in the log']);
  });

  test('the timeline has one line for each thing that happened', () => {
    const checker = new Checker();
    for (const record of provisioning) checker.add(record);
    expect(checker.timeline({ host: 'h', machine: 'm' }).split('\n')).toHaveLength(provisioning.length);
  });
});
