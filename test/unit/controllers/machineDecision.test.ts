import { describe, expect, test } from '@jest/globals';
import { decideMachine, type MachineDecision, type MachineView } from '../../../controllers/machineDecision.ts';
import { wantedConditions } from '../../../controllers/machineConditions.ts';
import { ANNOTATION_DELETE_FOR_MOVE, ANNOTATION_PAUSED, ANNOTATION_RETRY } from '../../../crds/names.ts';
import { capiCluster, capiMachine, CLAIM, claimedHost, DELETED, handled, machine, OURS, OWNED } from './builders.ts';

const ready = capiCluster({ status: { initialization: { infrastructureProvisioned: true } } });
const withData = capiMachine({ spec: { clusterName: 'c', bootstrap: { dataSecretName: 's' } } });
const owned = machine({ metadata: OWNED });
const plain = machine();
const edited = machine({ spec: { targetOSImage: 'http://images/other.tar.gz' } });

/** A decision in a few words. */
function words(decision: MachineDecision): string {
  switch (decision.kind) {
    case 'nothing':
      return `nothing: ${decision.why}`;
    case 'paused':
      return 'paused';
    case 'wait':
      return decision.reason;
    case 'start':
      return [decision.run, ...decision.facts].join(' ') + (decision.isPatient ? ', patiently' : '');
    case 'settled':
      if (decision.lostEnd) return `settled, lost: ${decision.lostEnd.reason}`;
      return decision.specChangeIgnored === undefined ? 'settled' : 'settled, ignores the change';
  }
}

const view = (parts: Partial<MachineView>): MachineView => ({ machine: plain, hasClusterApi: true, ...parts });
const annotated = (annotations: Record<string, string>, more: object = {}) =>
  machine({ metadata: { annotations, ...more } });
const inPhase = (phase: 'Inspecting' | 'Provisioning' | 'Validating') =>
  machine({ metadata: OURS, status: { phase, workflow: { id: 'w', runID: 'r' } } });
const failed = machine({
  metadata: { annotations: handled(plain, 'Failed') },
  status: { phase: 'Failed', workflow: { id: 'w', runID: 'r' } },
});
const provisioned = { phase: 'Provisioned' as const, ready: true };
const providerID = 'b7://ns/h/m';

describe('what is done about a machine', () => {
  test.each<[string, Partial<MachineView>, string]>([
    // Standing alone
    ['new, stands alone', {}, 'provision'],
    ['new, stands alone, no Cluster API', { hasClusterApi: false }, 'provision'],
    ['a run has failed and nothing new is asked', { machine: failed }, 'settled'],
    [
      'the same, restored without its status',
      { machine: annotated(handled(plain, 'Failed', { reason: 'InspectionTimeout' })) },
      'settled, lost: InspectionTimeout',
    ],
    [
      'the same, by an earlier version',
      { machine: annotated(handled(plain, 'Failed')) },
      'settled, lost: UnexpectedError',
    ],
    ['cancelled, restored', { machine: annotated(handled(plain, 'Cancelled')) }, 'settled, lost: Cancelled'],
    [
      'a run that failed was terminated before it had said so',
      { machine: { ...failed, status: { ...failed.status, phase: 'Inspecting' } } },
      'provision, patiently',
    ],
    [
      'failed, then a retry is asked',
      { machine: annotated({ ...handled(plain, 'Failed'), [ANNOTATION_RETRY]: '1' }) },
      'provision',
    ],
    [
      'failed, then the spec is edited',
      { machine: { ...edited, metadata: annotated(handled(plain, 'Failed')).metadata } },
      'provision',
    ],
    ['its handled annotation cannot be read', { machine: annotated({ 'beskar7.io/handled': '{' }) }, 'provision'],
    ['terminated in the middle', { machine: inPhase('Inspecting') }, 'provision'],
    // Handed over
    [
      'provisioned',
      {
        machine: machine({
          metadata: { annotations: handled(plain, 'Provisioned') },
          spec: { providerID },
          status: provisioned,
        }),
      },
      'settled',
    ],
    [
      'provisioned, a retry is asked: nothing',
      {
        machine: machine({
          metadata: { annotations: { ...handled(plain, 'Provisioned'), [ANNOTATION_RETRY]: 'x' } },
          spec: { providerID },
          status: provisioned,
        }),
      },
      'settled',
    ],
    [
      'provisioned, then the spec is edited',
      {
        machine: machine({
          metadata: { annotations: handled(plain, 'Provisioned') },
          spec: { providerID, targetOSImage: 'http://images/other' },
          status: provisioned,
        }),
      },
      'settled, ignores the change',
    ],
    [
      'moved or restored: providerID without status',
      { machine: machine({ metadata: { annotations: handled(plain, 'Provisioned') }, spec: { providerID } }) },
      'provision',
    ],
    // Deletion waits for nothing but a pause
    ['deleted', { machine: machine({ metadata: { ...DELETED, ...OURS } }) }, 'deprovision'],
    [
      'deleted, with an owner that is not ready',
      { machine: machine({ metadata: { ...OWNED, ...DELETED, ...OURS } }) },
      'deprovision',
    ],
    [
      'deleted after it was provisioned',
      { machine: machine({ metadata: { ...DELETED, ...OURS }, spec: { providerID }, status: provisioned }) },
      'deprovision',
    ],
    ['deleted, never begun', { machine: machine({ metadata: DELETED }) }, 'nothing: deleted without our finalizer'],
    [
      'deleted and paused',
      { machine: machine({ metadata: { ...DELETED, ...OURS, annotations: { [ANNOTATION_PAUSED]: '' } } }) },
      'paused',
    ],
    // Moves and pauses
    ['being moved', { machine: annotated({ [ANNOTATION_DELETE_FOR_MOVE]: '' }) }, 'nothing: is being moved'],
    [
      'being moved, deleted',
      { machine: annotated({ [ANNOTATION_DELETE_FOR_MOVE]: '' }, { ...DELETED, ...OURS }) },
      'nothing: is being moved',
    ],
    ['paused', { machine: annotated({ [ANNOTATION_PAUSED]: 'true' }) }, 'paused'],
    [
      'its Cluster is paused',
      { machine: owned, owner: withData, cluster: { ...ready, spec: { paused: true } } },
      'paused',
    ],
    // The order of Cluster API
    ['a cluster label, no owner yet', { machine: machine({ metadata: { labels: OWNED.labels } }) }, 'WaitingForOwner'],
    [
      'a cluster label, no Cluster API',
      { machine: machine({ metadata: { labels: OWNED.labels } }), hasClusterApi: false },
      'WaitingForOwner',
    ],
    ['an owner that is not in the cache yet', { machine: owned, cluster: ready }, 'WaitingForOwner'],
    ['no Cluster', { machine: owned, owner: withData }, 'WaitingForClusterInfrastructure'],
    [
      'the infrastructure is not ready',
      { machine: owned, owner: withData, cluster: capiCluster() },
      'WaitingForClusterInfrastructure',
    ],
    ['no bootstrap data', { machine: owned, owner: capiMachine(), cluster: ready }, 'WaitingForBootstrapData'],
    ['all there', { machine: owned, owner: withData, cluster: ready }, 'provision'],
    [
      'all there, contract v1beta1',
      { machine: owned, owner: withData, cluster: capiCluster({ status: { infrastructureReady: true } }) },
      'provision',
    ],
    ['an owner, no Cluster API', { machine: owned, hasClusterApi: false }, 'provision'],
    [
      'what was begun is finished, whatever the Cluster says',
      { machine: machine({ metadata: { ...OWNED, ...OURS } }) },
      'provision',
    ],
    // Facts that the run should know (rule 11)
    [
      'a report stands, the run still waits for it',
      {
        machine: inPhase('Inspecting'),
        host: claimedHost('Armed', { inspection: { claim: CLAIM, reportDigest: 'd' } }),
      },
      'provision inspectionReported',
    ],
    [
      'no report yet',
      { machine: inPhase('Inspecting'), host: claimedHost('Armed', { inspection: { claim: CLAIM } }) },
      'provision',
    ],
    [
      'a report of another claim',
      {
        machine: inPhase('Inspecting'),
        host: claimedHost('Armed', { inspection: { claim: 'old', reportDigest: 'd' } }),
      },
      'provision',
    ],
    [
      'a report, the run is past it',
      {
        machine: inPhase('Validating'),
        host: claimedHost('Armed', { inspection: { claim: CLAIM, reportDigest: 'd' } }),
      },
      'provision',
    ],
    [
      'the image gave up before it reported',
      {
        machine: inPhase('Inspecting'),
        host: claimedHost('Armed', { handover: { claim: CLAIM, outcome: 'Failed' } }),
      },
      'provision handoverReported',
    ],
    [
      'an earlier image gave up',
      {
        machine: inPhase('Inspecting'),
        host: claimedHost('Armed', { handover: { claim: 'old', outcome: 'Failed' } }),
      },
      'provision',
    ],
    [
      'handed over, says the inspector',
      {
        machine: inPhase('Provisioning'),
        host: claimedHost('Armed', { handover: { claim: CLAIM, outcome: 'Provisioned' } }),
      },
      'provision handoverReported',
    ],
    [
      'the final OS is up',
      {
        machine: inPhase('Provisioning'),
        host: claimedHost('Armed', {
          handover: { claim: CLAIM, outcome: 'Provisioned', osReadyAt: '2026-01-01T00:00:00Z' },
        }),
      },
      'provision handoverReported osReported',
    ],
    [
      'a hand-over of another claim',
      {
        machine: inPhase('Provisioning'),
        host: claimedHost('Armed', { handover: { claim: 'old', outcome: 'Failed' } }),
      },
      'provision',
    ],
  ])('%s', (_name, parts, expected) => {
    expect(words(decideMachine(view(parts)))).toBe(expected);
  });
});

describe('the occasion of a start', () => {
  const occasion = (of: MachineView['machine'], host?: MachineView['host']) => {
    const decision = decideMachine(view({ machine: of, host }));
    if (decision.kind !== 'start') throw new Error(decision.kind);
    return decision.occasion;
  };

  test('stays the same while a run writes status, finalizer and providerID', () => {
    const first = occasion(plain);
    expect(occasion(inPhase('Inspecting'))).toBe(first);
    expect(occasion(machine({ metadata: OURS, spec: { providerID }, status: { phase: 'Provisioning' } }))).toBe(first);
  });

  test('changes with the spec, a retry, an end of a run, and deletion', () => {
    const failed = (runID: string) => machine({ status: { phase: 'Failed', workflow: { id: 'w', runID } } });
    const all = [
      plain,
      edited,
      annotated({ [ANNOTATION_RETRY]: '1' }),
      annotated({ [ANNOTATION_RETRY]: '2' }),
      failed('r1'),
      failed('r2'),
      machine({ metadata: { ...DELETED, ...OURS } }),
    ].map((of) => occasion(of));
    expect(new Set(all).size).toBe(all.length);
  });

  test('changes when the host of a moved machine comes after it, whose run may still be about to say HostMissing', () => {
    const host = claimedHost('HandedOver');
    const lost = machine({ spec: { providerID } });
    const missed = machine({ spec: { providerID }, status: { phase: 'Pending', workflow: { id: 'w', runID: 'r' } } });
    expect(occasion(missed)).toBe(occasion(lost));
    expect(occasion(missed, host)).not.toBe(occasion(missed));
    expect(decideMachine(view({ machine: missed, host }))).toMatchObject({ kind: 'start', isAfterEnd: true });
    // In the moment between the two last writes of a run there is nothing new.
    const finishing = machine({ metadata: OURS, spec: { providerID }, status: { phase: 'Provisioning' } });
    expect(occasion(finishing, host)).toBe(occasion(finishing));
  });
});

describe('what the watcher writes', () => {
  test.each<[string, Partial<MachineView>, boolean, string[]]>([
    [
      'waits, before any run',
      { machine: machine({ metadata: { labels: OWNED.labels } }) },
      true,
      ['Ready=False WaitingForOwner'],
    ],
    ['waits, but a run has written', { machine: machine({ metadata: { labels: OWNED.labels } }) }, false, []],
    [
      'paused, before any run',
      { machine: annotated({ [ANNOTATION_PAUSED]: '' }) },
      true,
      ['Paused=True Paused', 'Ready=False Paused'],
    ],
    ['paused during a run', { machine: annotated({ [ANNOTATION_PAUSED]: '' }) }, false, ['Paused=True Paused']],
    ['starts', {}, true, []],
  ])('%s', (_name, parts, isBeforeAnyRun, expected) => {
    const patches = wantedConditions(decideMachine(view(parts)), isBeforeAnyRun);
    expect(patches.map(({ type, status, reason }) => `${type}=${status} ${reason}`)).toEqual(expected);
  });
});

describe('a machine that was made from the exported manifest of another one', () => {
  const spec = { providerID: 'b7://ns/h/m' };
  const of = (name: string) => ({ of: { namespace: 'ns', name, uid: 'former-uid' } });
  const decide = (metadata: object, other = {}) => {
    const made = machine({ metadata: metadata as never, spec: other });
    return decideMachine({ machine: made, hasClusterApi: false });
  };

  test.each(['Failed', 'Cancelled', 'Provisioned'] as const)('whose last run was %s: it starts', (outcome) => {
    const annotations = handled(machine(), outcome, of('original'));
    expect(decide({ annotations, ...OURS })).toMatchObject({ kind: 'start', run: 'provision' });
  });

  test('of a provisioned one of its own name, without the providerID: it starts', () => {
    expect(decide({ annotations: handled(machine(), 'Provisioned', of('m')) })).toMatchObject({ kind: 'start' });
  });

  test('one that was moved or restored keeps its name, and is not provisioned again', () => {
    const annotations = handled(machine(), 'Failed', { ...of('m'), reason: 'BootFailed' });
    expect(decide({ annotations })).toMatchObject({ kind: 'settled', lostEnd: { reason: 'BootFailed' } });
    const provisioned = handled(machine({ spec }), 'Provisioned', of('m'));
    expect(decide({ annotations: provisioned }, spec)).toMatchObject({ kind: 'start', run: 'provision' });
  });
});
