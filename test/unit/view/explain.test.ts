import { describe, expect, test } from '@jest/globals';
import type { Beskar7Machine } from '../../../crds/beskar7Machine.ts';
import type { PhysicalHost } from '../../../crds/physicalHost.ts';
import { HOST_REASONS, MACHINE_REASONS } from '../../../crds/reasons.ts';
import { explainHost, explainMachine, HOST_MEANINGS, MACHINE_MEANINGS } from '../../../view/explain.ts';

const ready = (reason: string, status = 'False') => ({
  type: 'Ready',
  status,
  reason,
  message: `it is ${reason}`,
  lastTransitionTime: '2026-11-23T10:00:00Z',
});
const machine = (status: object, more: object = {}) =>
  ({
    metadata: { namespace: 'ns', name: 'm', ...more },
    spec: { targetOSImage: 'x' },
    status,
  }) as unknown as Beskar7Machine;
const host = (status: object, more: { metadata?: object; spec?: object } = {}) =>
  ({
    metadata: { namespace: 'ns', name: 'h', ...more.metadata },
    spec: { redfishConnection: {}, ...more.spec },
    status,
  }) as unknown as PhysicalHost;
const WAITS = ['WaitingForOwner', 'WaitingForClusterInfrastructure', 'WaitingForBootstrapData', 'Paused'];

describe('every reason has a meaning', () => {
  test.each([...Object.values(MACHINE_REASONS), ...WAITS])('of a machine: %s', (reason) => {
    expect(MACHINE_MEANINGS).toHaveProperty(reason);
    const { why, next, youCan } = explainMachine(machine({ phase: 'Failed', conditions: [ready(reason)] }), host({}));
    expect(why[0]).toBe(`${reason}: it is ${reason}`);
    for (const line of [...next, ...youCan]) expect(line).not.toMatch(/[{}]|undefined/);
  });

  test.each(Object.values(HOST_REASONS))('of a host: %s', (reason) => {
    expect(HOST_MEANINGS).toHaveProperty(reason);
    const consumerRef = { namespace: 'other', name: 'm' };
    const { next, youCan } = explainHost(host({ conditions: [ready(reason)] }, { spec: { consumerRef } }));
    expect(next.length).toBeGreaterThan(0);
    for (const line of [...next, ...youCan]) expect(line).not.toMatch(/[{}]|undefined/);
  });
});

test('a failed machine: its host, and the line that tries again', () => {
  const failed = machine({
    phase: 'Failed',
    hostRef: { namespace: 'ns', name: 'h' },
    conditions: [ready('InspectionTimeout')],
  });
  expect(explainMachine(failed, undefined)).toEqual({
    state: 'Machine ns/m is Failed.',
    why: ['InspectionTimeout: it is InspectionTimeout', 'Its host is h.'],
    next: ['Nothing happens by itself: the server was switched off, and its host is free.'],
    youCan: [expect.stringContaining('console'), 'Try again: kubectl beskar7 -n ns retry m'],
  });
});

test('a machine that nobody has looked at yet', () => {
  const { why, youCan } = explainMachine(machine({}), undefined);
  expect(why).toEqual(['Beskar7 has not said anything about it yet.']);
  expect(youCan).toEqual(['Is Beskar7 there? kubectl beskar7 -n ns doctor']);
});

test('a machine that goes: what has to happen before', () => {
  const going = machine(
    { phase: 'Provisioned', conditions: [ready('ReleasingHost')] },
    { deletionTimestamp: '2026-11-23T10:00:00Z' },
  );
  const { state, next } = explainMachine(going, host({ state: 'Error' }));
  expect(state).toBe('Machine ns/m is Provisioned, and is being deleted.');
  expect(next[0]).toMatch(/seen off and freed/);
});

test('a host whose BMC is away while it is released: both are told, the BMC first', () => {
  const away = host({
    state: 'Error',
    conditions: [ready('ReleasePending'), { ...ready('Unreachable'), type: 'RedfishReachable' }],
  });
  const { why, next, youCan } = explainHost(away);
  expect(why).toEqual(['ReleasePending: it is ReleasePending', 'Unreachable: it is Unreachable']);
  expect(next[0]).toMatch(/growing intervals/);
  expect(next[1]).toMatch(/without end/);
  expect(youCan.at(-1)).toContain('kubectl beskar7 -n ns force-release h --reason "why"');
});

test('a host that is kept back says so, and how to offer it', () => {
  const kept = host(
    { state: 'Available', conditions: [ready('Released', 'True')] },
    { metadata: { annotations: { 'beskar7.io/unschedulable': 'new fans' } } },
  );
  const { why, youCan } = explainHost(kept);
  expect(why).toContain('It is not offered to machines: new fans.');
  expect(youCan).toEqual(['Offer it again: kubectl -n ns annotate physicalhost h beskar7.io/unschedulable-']);
});

test('conditions that are raised are told', () => {
  const odd = host({
    conditions: [{ ...ready('X', 'True'), type: 'ConsumerMissing', message: 'the machine is gone' }],
  });
  expect(explainHost(odd).why).toContain('ConsumerMissing: the machine is gone');
});
