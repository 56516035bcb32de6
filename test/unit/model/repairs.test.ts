import { describe, expect, test } from '@jest/globals';
import type { Beskar7Machine } from '../../../crds/beskar7Machine.ts';
import {
  ANNOTATION_BLOCK_MOVE,
  ANNOTATION_CLAIM,
  ANNOTATION_DELETE_FOR_MOVE,
  ANNOTATION_FORCE_RELEASE,
  FINALIZER_HOST,
  FINALIZER_MACHINE,
  LABEL_CONSUMER_UID,
} from '../../../crds/names.ts';
import type { PhysicalHost } from '../../../crds/physicalHost.ts';
import { claimOf } from '../../../model/claim.ts';
import { holdingOf } from '../../../model/holding.ts';
import { hostRepair, machineRepair } from '../../../model/repairs.ts';
import { CLAIM, claimedHost, DELETED, freeHost, handled, host, machine, OURS } from '../controllers/builders.ts';

const runs = (metadata: Beskar7Machine['metadata'] | object = {}) =>
  machine({ metadata, spec: { providerID: 'b7://ns/h/m' }, status: { phase: 'Provisioned' } });
const READY = { state: 'Ready' } as const;
const INSPECTING = { state: 'Inspecting', inspection: { claim: CLAIM } } as const;

const withClaim = (of: PhysicalHost, text?: string): PhysicalHost => {
  const { [ANNOTATION_CLAIM]: _lost, ...kept } = of.metadata.annotations ?? {};
  const annotations = text === undefined ? kept : { ...kept, [ANNOTATION_CLAIM]: text };
  return { ...of, metadata: { ...of.metadata, annotations } };
};
const withoutLabel = (of: PhysicalHost): PhysicalHost => ({ ...of, metadata: { ...of.metadata, labels: {} } });
const withoutRef = ({ spec: { consumerRef: _gone, ...spec }, ...of }: PhysicalHost): PhysicalHost => ({ ...of, spec });
const withoutFinalizer = (of: PhysicalHost): PhysicalHost => ({ ...of, metadata: { ...of.metadata, finalizers: [] } });
const bare = (of: PhysicalHost) => withoutFinalizer(withoutLabel(withClaim(withoutRef(of))));

/** RFC 7386, as the API server merges it. */
function merge(onto: unknown, patch: unknown): unknown {
  if (typeof patch !== 'object' || patch === null || Array.isArray(patch)) return patch;
  const result: Record<string, unknown> = { ...(onto as object | undefined) };
  for (const [key, value] of Object.entries(patch)) {
    if (value === null) Reflect.deleteProperty(result, key);
    else result[key] = merge(result[key], value);
  }
  return result;
}

const LOST: readonly {
  readonly what: string;
  readonly host: PhysicalHost;
  readonly machine: Beskar7Machine | undefined;
  readonly rows: readonly string[];
  readonly stage?: string;
  readonly events: readonly string[];
}[] = [
  { what: 'nothing', host: claimedHost('Armed'), machine: machine(), rows: [], stage: 'Armed', events: [] },
  {
    what: 'reference, label, claim and finalizer, while its server runs its machine',
    host: bare(claimedHost('HandedOver', READY)),
    machine: runs(),
    rows: ['consumer', 'finalizer'],
    stage: 'HandedOver',
    events: ['ConsumerRestored'],
  },
  {
    what: 'the same, and its machine is being deleted',
    host: bare(claimedHost('HandedOver', READY)),
    machine: runs(DELETED),
    rows: [],
    events: [],
  },
  {
    what: 'the same, and its providerID was written by hand',
    host: bare(claimedHost('HandedOver', READY)),
    machine: machine({ spec: { providerID: 'b7://ns/h/m' } }),
    rows: [],
    events: [],
  },
  {
    what: 'the same, and it was confirmed off since',
    host: { ...freeHost('h'), status: { state: 'Available', powerState: 'Off' } },
    machine: runs(),
    rows: [],
    events: [],
  },
  {
    what: 'its claim, while its server runs its machine',
    host: withClaim(claimedHost('HandedOver', READY)),
    machine: runs(),
    rows: ['claim'],
    stage: 'HandedOver',
    events: ['ClaimRestored'],
  },
  {
    what: 'claim, label and finalizer, while it is inspected',
    host: withoutFinalizer(withoutLabel(withClaim(claimedHost('Armed', INSPECTING), '{"id":'))),
    machine: machine(),
    rows: ['claim', 'finalizer'],
    stage: 'Releasing',
    events: ['ClaimLost on both'],
  },
  {
    what: 'its claim, and it was never claimed by Beskar7',
    host: withClaim(claimedHost('Claimed')),
    machine: machine(),
    rows: [],
    events: [],
  },
  {
    what: 'its claim, and its machine is not known',
    host: withClaim(claimedHost('HandedOver', READY)),
    machine: undefined,
    rows: [],
    events: [],
  },
  {
    what: 'its reference',
    host: withoutRef(claimedHost('Armed')),
    machine: machine(),
    rows: ['consumerRef'],
    stage: 'Armed',
    events: ['ClaimRestored'],
  },
  {
    what: 'its label',
    host: withoutLabel(claimedHost('HandedOver')),
    machine: machine(),
    rows: ['label'],
    stage: 'HandedOver',
    events: ['ClaimRestored'],
  },
  {
    what: 'its label and its finalizer',
    host: withoutFinalizer(withoutLabel(claimedHost('Armed'))),
    machine: machine(),
    rows: ['label', 'finalizer'],
    stage: 'Armed',
    events: ['ClaimRestored', 'FinalizerRestored'],
  },
  {
    what: 'the uid of its machine, which was moved or restored',
    host: claimedHost('HandedOver'),
    machine: runs({ uid: 'new-uid' }),
    rows: ['consumerUid'],
    stage: 'HandedOver',
    events: [],
  },
  {
    what: 'its finalizer',
    host: withoutFinalizer(claimedHost('HandedOver')),
    machine: machine(),
    rows: ['finalizer'],
    stage: 'HandedOver',
    events: ['FinalizerRestored'],
  },
  {
    what: 'its finalizer, while it is released',
    host: withoutFinalizer(claimedHost('Releasing')),
    machine: machine(),
    rows: ['finalizer'],
    stage: 'Releasing',
    events: ['FinalizerRestored'],
  },
  {
    what: 'its finalizer, while it is free',
    host: withoutFinalizer(freeHost('h')),
    machine: undefined,
    rows: ['finalizer'],
    events: ['FinalizerRestored'],
  },
  {
    what: 'its finalizer, and it is being deleted',
    host: claimedHost('HandedOver', {}, { ...DELETED, finalizers: ['other'] }),
    machine: machine(),
    rows: [],
    stage: 'HandedOver',
    events: [],
  },
  {
    what: 'nothing yet: it is new',
    host: host({ metadata: { finalizers: [] } }),
    machine: undefined,
    rows: [],
    events: [],
  },
  {
    what: 'its label, and it is being moved to another cluster',
    host: withoutLabel(claimedHost('HandedOver', {}, { annotations: { [ANNOTATION_DELETE_FOR_MOVE]: '' } })),
    machine: machine(),
    rows: [],
    stage: 'HandedOver',
    events: [],
  },
  {
    what: 'its label, and another kind holds it',
    host: {
      ...withoutLabel(claimedHost('HandedOver')),
      spec: { ...host().spec, consumerRef: { apiVersion: 'v', kind: 'Other', name: 'm', namespace: 'ns', uid: 'u' } },
    },
    machine: undefined,
    rows: [],
    stage: 'HandedOver',
    events: [],
  },
];

describe('the table of repairs: what a host has lost', () => {
  test.each(LOST)('$what', ({ host: found, machine: of, rows, stage, events }) => {
    const repair = hostRepair(found, of);
    expect(repair?.rows ?? []).toEqual(rows);
    expect(repair?.events.map(({ reason, onMachineToo }) => reason + (onMachineToo ? ' on both' : '')) ?? []).toEqual(
      events,
    );
    const whole = merge(found, repair?.patch ?? {}) as PhysicalHost;
    expect(claimOf(whole)?.stage).toBe(stage);
    // One write is enough: what is repaired is not wrong any more, and its holder is known again.
    expect(hostRepair(whole, of)).toBeUndefined();
    if (repair === undefined) return;
    expect(whole.metadata.finalizers).toContain(FINALIZER_HOST);
    if (stage === undefined) return;
    expect(holdingOf(whole, of)).toMatchObject({ kind: 'claim' });
    expect(whole.metadata.labels?.[LABEL_CONSUMER_UID]).toBe(whole.spec.consumerRef?.uid);
    expect(whole.spec.consumerRef).toMatchObject({ kind: 'Beskar7Machine', name: 'm', uid: of?.metadata.uid });
  });

  test('a claim that is written again keeps its id where the status has it, and takes no force-release along', () => {
    const annotations = { [ANNOTATION_FORCE_RELEASE]: 'months ago' };
    const lost = withClaim(claimedHost('Armed', INSPECTING, { annotations }));
    const whole = merge(lost, hostRepair(lost, machine())?.patch) as PhysicalHost;
    expect(claimOf(whole)).toMatchObject({
      id: CLAIM,
      stage: 'Releasing',
      reason: expect.stringMatching(/^ClaimLost/),
    });
    expect(whole.metadata.annotations).not.toHaveProperty([ANNOTATION_FORCE_RELEASE]);
  });

  test.each(['Claimed', 'Armed', 'HandedOver', 'Releasing'] as const)(
    'no repair of a host in %s leads to a stage that may switch its server on',
    (stage) => {
      const losses = [withClaim, withoutLabel, withoutRef, withoutFinalizer];
      for (let chosen = 0; chosen < 2 ** losses.length; chosen += 1) {
        const lost = losses.reduce(
          (of, lose, at) => (chosen & (1 << at) ? lose(of) : of),
          claimedHost(stage, { ...INSPECTING, state: stage === 'HandedOver' ? 'Ready' : 'Inspecting' }),
        );
        for (const found of [machine(), runs(), runs(DELETED), runs({ uid: 'new-uid' }), undefined]) {
          const whole = merge(lost, hostRepair(lost, found)?.patch ?? {}) as PhysicalHost;
          const after = claimOf(whole)?.stage;
          if (after !== claimOf(lost)?.stage) expect(['HandedOver', 'Releasing']).toContain(after);
          expect(hostRepair(whole, found)).toBeUndefined();
        }
      }
    },
  );
});

describe('the table of repairs: what a machine has lost', () => {
  test.each([
    ['its finalizer, while its host boots', machine(), [claimedHost('Armed')], { [ANNOTATION_BLOCK_MOVE]: 'true' }],
    ['its finalizer, while it runs', machine(), [claimedHost('HandedOver')], undefined],
    ['its finalizer, while its host is released', machine(), [claimedHost('Releasing')], undefined],
  ])('%s', (_what, of, held, annotations) => {
    const repair = machineRepair(of, held);
    expect(repair).toMatchObject({ rows: ['finalizer'], events: [{ reason: 'FinalizerRestored' }] });
    expect(repair?.patch.metadata).toEqual({
      finalizers: [FINALIZER_MACHINE],
      ...(annotations === undefined ? {} : { annotations }),
    });
    expect(machineRepair(merge(of, repair?.patch) as Beskar7Machine, held)).toBeUndefined();
  });

  test.each([
    ['nothing', machine({ metadata: OURS }), [claimedHost('Armed')]],
    ['its finalizer, and it holds no host', machine(), []],
    ['its finalizer, and it is being deleted', machine({ metadata: DELETED }), [claimedHost('Armed')]],
    [
      'its finalizer, with a finished run and no host',
      machine({ metadata: { annotations: handled(machine(), 'Failed') } }),
      [],
    ],
  ])('%s: nothing is written', (_what, of, held) => {
    expect(machineRepair(of, held)).toBeUndefined();
  });
});
