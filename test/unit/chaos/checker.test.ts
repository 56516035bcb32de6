import { describe, expect, test } from '@jest/globals';
import { Checker } from '../../chaos/check/index.ts';
import { leaks } from '../../chaos/check/leaks.ts';
import type { PhysicalHost } from '../../../crds/physicalHost.ts';
import type { ChaosRecord } from '../../chaos/records.ts';
import { machine } from '../controllers/builders.ts';
import {
  ID,
  OTHER,
  REPORTED,
  T,
  answers,
  asked,
  born,
  broken,
  callback,
  claimed,
  claimedFor,
  free,
  handedOver,
  listed,
  ofMachine,
  override,
  patched,
  power,
  provisioning,
  releasing,
  report,
  said,
  seen,
  standsFor,
  withConsumer,
  withForce,
} from './timelines.ts';

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

  describe('the server behind a host', () => {
    const ofServer = releasing.map((record) => standsFor(record, 'SN-1'));

    test('a command to the server that the host stands for', () => {
      expect(broken(answers(0, 'SN-1'), ...ofServer, asked(21_000, 'ForceOff'))).toEqual([]);
    });

    test('a command that was sent before the server was swapped', () => {
      expect(broken(answers(0, 'SN-1'), ...ofServer, answers(20_500, 'SN-2'), asked(21_000, 'ForceOff'))).toEqual([]);
    });

    test('a command to another server behind its address', () => {
      expect(broken(answers(0, 'SN-1'), answers(8_000, 'SN-2'), ...ofServer, asked(21_000, 'ForceOff'))).toEqual([2]);
    });

    test('two hosts for one server are both claimed', () => {
      const twin = seen(3_000, withConsumer(claimed(1_000, 'Claimed', { id: OTHER }), 'twin-uid'));
      const both = [...provisioning.map((record) => standsFor(record, 'SN-1')), standsFor(twin, 'SN-1', 'twin')];
      expect(broken(...both)).toContain(1);
      expect(broken(...both.slice(0, -1), standsFor(twin, 'SN-2', 'twin'))).toEqual([]);
    });
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
