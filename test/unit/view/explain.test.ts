import { describe, expect, test } from '@jest/globals';
import { MACHINE_PHASES, type Beskar7Machine } from '../../../crds/beskar7Machine.ts';
import { CLAIM_STAGES } from '../../../model/claim.ts';
import { HOST_STATES, type PhysicalHost } from '../../../crds/physicalHost.ts';
import { HOST_REASONS, MACHINE_REASONS } from '../../../crds/reasons.ts';
import type { CapiMachine } from '../../../kube/resource.ts';
import type { WaitReason } from '../../../crds/reasons.ts';
import { explainHost, explainMachine } from '../../../view/explain.ts';
import {
  HOST_MEANINGS,
  MACHINE_MEANINGS,
  PHASE_MEANINGS,
  STAGE_MEANINGS,
  STATE_MEANINGS,
} from '../../../view/meanings.ts';
import { claimAnnotation } from '../../support/claims.ts';

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
    spec: { redfishConnection: { credentialsSecretRef: 'bmc' }, ...more.spec },
    status,
  }) as unknown as PhysicalHost;
const owner = { metadata: { namespace: 'ns', name: 'o' }, spec: { clusterName: 'c' } } as CapiMachine;
/** What the watcher of machines writes; a further one does not compile without standing here. */
const WAITS: Record<WaitReason | 'Paused', true> = {
  WaitingForOwner: true,
  WaitingForClusterInfrastructure: true,
  WaitingForBootstrapData: true,
  WaitingForEarlierRun: true,
  Paused: true,
};
/** Words of a sentence or a whole line to copy: nothing is left to be filled in. */
const expectWhole = (lines: readonly string[]) => {
  expect(lines.length).toBeGreaterThan(0);
  for (const line of lines) expect(line).not.toMatch(/[{}]|undefined|\[object/);
};

describe('every reason has a meaning', () => {
  test.each([...Object.values(MACHINE_REASONS), ...Object.keys(WAITS)])('of a machine: %s', (reason) => {
    expect(MACHINE_MEANINGS).toHaveProperty(reason);
    for (const around of [{}, { host: host({}) }, { host: host({}), owner }]) {
      const { why, next, youCan } = explainMachine(machine({ phase: 'Failed', conditions: [ready(reason)] }), around);
      expect(why[0]).toBe(`${reason}: it is ${reason}`);
      expectWhole([...next, ...youCan]);
    }
  });

  test.each(Object.values(HOST_REASONS))('of a host: %s', (reason) => {
    expect(HOST_MEANINGS).toHaveProperty(reason);
    const consumerRef = { kind: 'Beskar7Machine', namespace: 'ns', name: 'm' };
    for (const spec of [{}, { consumerRef }]) {
      const { next, youCan } = explainHost(
        host(
          { conditions: [ready(reason)] },
          { spec: { redfishConnection: { credentialsSecretRef: 'bmc' }, ...spec } },
        ),
      );
      expect(next.length).toBeGreaterThan(0);
      expectWhole([...next, ...youCan]);
    }
  });

  test('each phase, each state and each stage of a claim has words', () => {
    for (const phase of MACHINE_PHASES) {
      expect(PHASE_MEANINGS).toHaveProperty(phase);
      expect(explainMachine(machine({ phase })).state).toBe(`Machine ns/m is ${phase}: ${PHASE_MEANINGS[phase]}.`);
    }
    for (const state of HOST_STATES) {
      expect(STATE_MEANINGS).toHaveProperty(state);
      expect(explainHost(host({ state })).state).toBe(`Host ns/h is ${state}: ${STATE_MEANINGS[state]}.`);
    }
    for (const stage of CLAIM_STAGES) {
      expect(STAGE_MEANINGS).toHaveProperty(stage);
      const held = host(
        {},
        {
          metadata: { annotations: claimAnnotation(stage) },
          spec: { consumerRef: { kind: 'Beskar7Machine', namespace: 'ns', name: 'm' } },
        },
      );
      expect(explainHost(held).why).toContain(`It is claimed by machine ns/m, which ${STAGE_MEANINGS[stage]}.`);
    }
  });
});

const NOW = Date.parse('2026-11-23T10:07:00Z');

test('a machine that waits: for what, since when, until when at most, and the state of its host', () => {
  const waiting = machine({ phase: 'Inspecting', conditions: [ready('WaitingForInspection')] });
  const progress = {
    phase: 'Inspecting',
    attempt: 2,
    waitingFor: 'the report',
    since: '2026-11-23T10:06:30Z',
    deadline: '2026-11-23T10:10:00Z',
  };
  const { why, next } = explainMachine(waiting, {
    host: host({
      state: 'Inspecting',
      powerState: 'On',
      conditions: [{ ...ready('Unreachable'), type: 'RedfishReachable' }],
    }),
    progress,
    nowMs: NOW,
  });
  expect(why.slice(1)).toEqual([
    'Its run waits for the report, since 2026-11-23T10:06:30Z (30 s ago), in attempt 2.',
    'Its host is h (Inspecting, power On). Its BMC: Unreachable: it is Unreachable',
  ]);
  expect(next[1]).toBe('At the latest 2026-11-23T10:10:00Z (in 3 min) the wait is over.');
});

test('a machine that waits for a host: why none fits', () => {
  const waiting = machine({ phase: 'Claiming', conditions: [ready('NoMatchingHost')] });
  const progress = {
    phase: 'Claiming',
    attempt: 1,
    waitingFor: 'a free host that fits',
    why: 'No free host fits: looked at 3 hosts.',
    since: '2026-11-23T10:06:30Z',
  };
  const said = { ...ready('NoMatchingHost'), message: progress.why };
  expect(explainMachine(machine({ phase: 'Claiming', conditions: [said] }), { progress, nowMs: NOW }).why).toEqual([
    'NoMatchingHost: No free host fits: looked at 3 hosts.',
    'Its run waits for a free host that fits, since 2026-11-23T10:06:30Z (30 s ago), in attempt 1.',
  ]);
  expect(explainMachine(waiting, { progress, nowMs: NOW }).why[1]).toBe(
    'Its run waits for a free host that fits, since 2026-11-23T10:06:30Z (30 s ago), in attempt 1: No free host fits: looked at 3 hosts.',
  );
});

test('without an answer of Temporal the time stands on the host', () => {
  const waiting = machine({ phase: 'Inspecting', conditions: [ready('WaitingForInspection')] });
  const on = host({ state: 'Inspecting', inspection: { claim: '1', deadline: '2026-11-23T12:10:00Z' } });
  const { next } = explainMachine(waiting, { host: on, nowMs: NOW });
  expect(next[1]).toBe('At the latest 2026-11-23T12:10:00Z (in 2 h) the wait is over.');
});

test('the owner of Cluster API: who it is, and how to have a failed machine replaced', () => {
  const failed = machine({ phase: 'Failed', conditions: [ready('BootFailed')] });
  const { why, youCan } = explainMachine(failed, { owner });
  expect(why).toContain('Its owner is Machine o of Cluster c of Cluster API.');
  expect(youCan.at(-1)).toBe('Or have Cluster API replace it: kubectl -n ns delete machine.cluster.x-k8s.io o');
});

test('flags that lead to the cluster stand in every line', () => {
  const { youCan } = explainMachine(machine({ phase: 'Failed', conditions: [ready('Cancelled')] }), {
    flags: '--context lab',
  });
  expect(youCan).toEqual([
    'Try again: kubectl beskar7 -n ns --context lab retry m',
    'Or change the spec, which also tries again: kubectl -n ns --context lab edit beskar7machine m',
  ]);
});

test('a host whose BMC is tried again: when', () => {
  const away = host({
    state: 'Enrolling',
    enrollment: { connectionHash: 'x', attempt: 3, nextAttemptAt: '2026-11-23T10:08:00Z' },
    conditions: [{ ...ready('Unauthorized'), type: 'RedfishReachable' }],
  });
  const { next, youCan } = explainHost(away, { nowMs: NOW });
  expect(next.at(-1)).toBe('The next attempt is due 2026-11-23T10:08:00Z (in 60 s).');
  expect(youCan).toEqual(['Correct user and password in the Secret: kubectl -n ns edit secret bmc']);
});

test('a failed machine: its host, and the line that tries again', () => {
  const failed = machine({
    phase: 'Failed',
    hostRef: { namespace: 'ns', name: 'h' },
    conditions: [ready('InspectionTimeout')],
  });
  expect(explainMachine(failed)).toEqual({
    state: 'Machine ns/m is Failed: its last provisioning ended without success.',
    why: ['InspectionTimeout: it is InspectionTimeout', 'Its host is h.'],
    next: ['Nothing happens by itself: the server was powered off, and its host is free.'],
    youCan: [expect.stringContaining('console'), 'Try again: kubectl beskar7 -n ns retry m'],
  });
});

test('a machine that nobody has looked at yet', () => {
  const { why, youCan } = explainMachine(machine({}));
  expect(why).toEqual(['Beskar7 has not reported anything about it yet.']);
  expect(youCan).toEqual(['Is Beskar7 running? kubectl beskar7 -n ns doctor']);
});

test('a run that has begun by a clock ahead of this one, before anything was written', () => {
  const progress = {
    phase: 'Claiming',
    attempt: 1,
    waitingFor: 'a host that fits',
    since: new Date(NOW + 2_000).toISOString(),
  };
  expect(explainMachine(machine({}), { progress, nowMs: NOW })).toEqual({
    state: 'Machine ns/m is Pending: its provisioning has not started.',
    why: [`Its run waits for a host that fits, since ${progress.since} (0 s ago), in attempt 1.`],
    next: ['Its run has just started.'],
    youCan: ['See each step: kubectl beskar7 -n ns trace m'],
  });
});

test('a machine that goes: what has to happen before', () => {
  const going = machine(
    { phase: 'Provisioned', conditions: [ready('ReleasingHost')] },
    { deletionTimestamp: '2026-11-23T10:00:00Z' },
  );
  const { state, next, youCan } = explainMachine(going, {
    host: host({ state: 'Error' }),
  });
  expect(state).toBe('Machine ns/m is Provisioned, and is being deleted: its server runs the final OS.');
  expect(next[0]).toMatch(/power-off is confirmed, and the host is freed/);
  expect(youCan).toEqual(['See what blocks it: kubectl beskar7 -n ns explain host/h']);
});

test('a host whose BMC is away while it is released: both are told, the BMC first', () => {
  const away = host({
    state: 'Error',
    conditions: [ready('ReleasePending'), { ...ready('Unreachable'), type: 'RedfishReachable' }],
  });
  const { why, next, youCan } = explainHost(away);
  expect(why).toEqual(['ReleasePending: it is ReleasePending', 'Unreachable: it is Unreachable']);
  expect(next[0]).toMatch(/backoff/);
  expect(next[1]).toMatch(/without limit/);
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
  const { why, youCan } = explainHost(odd);
  expect(why).toContain('ConsumerMissing: the machine is gone');
  expect(youCan.at(-1)).toMatch(/kubectl beskar7 -n ns force-release h --reason "why"$/);
});
