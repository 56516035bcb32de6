import { describe, expect, test } from '@jest/globals';
import { decideHost, refusedForce, type HostDecision, type HostView } from '../../../controllers/hostDecision.ts';
import {
  ANNOTATION_CLAIM,
  ANNOTATION_DELETE_FOR_MOVE,
  ANNOTATION_FORCE_RELEASE,
  ANNOTATION_PAUSED,
} from '../../../crds/names.ts';
import { connectionHash } from '../../../model/connection.ts';
import type { PhysicalHost, PhysicalHostStatus } from '../../../crds/physicalHost.ts';
import { capiCluster, claimedHost, DELETED, freeHost, host, machine } from './builders.ts';

function words(decision: HostDecision): string {
  switch (decision.kind) {
    case 'nothing':
      return `nothing: ${decision.why}`;
    case 'start':
      return decision.isPatient ? `${decision.run}, patiently` : decision.run;
    case 'release':
      return decision.deletionMessage === undefined ? 'release' : 'release, tells of the deletion';
    default:
      return decision.kind;
  }
}

const view = (given: HostView['host'], consumer: HostView['consumer'] = 'seen'): HostView => ({
  host: given,
  consumer,
  orphanReleaseMs: 600_000,
  machine: consumer === 'seen' && given.spec.consumerRef ? machine() : undefined,
});
const inState = (state: NonNullable<PhysicalHostStatus['state']>) => host({ status: { state } });
const free = freeHost('h');
const otherAddress = { redfishConnection: { address: 'https://10.0.0.6', credentialsSecretRef: 'bmc' } };

const marked = (of: PhysicalHost, ...secrets: string[]): PhysicalHost => ({
  ...of,
  status: { ...of.status, enrollment: { connectionHash: connectionHash(host().spec), attempt: 0, secrets } },
});
/** As an earlier version has enrolled it. */
const unnoted = (of: PhysicalHost): PhysicalHost => ({
  ...of,
  status: { ...of.status, enrollment: { connectionHash: connectionHash(host().spec), attempt: 0 } },
});
const renamed = (of: PhysicalHost): PhysicalHost => ({
  ...of,
  spec: { ...of.spec, redfishConnection: { ...of.spec.redfishConnection, credentialsSecretRef: 'next' } },
});

describe('what is done about a host', () => {
  test.each<[string, HostView['host'], string]>([
    ['new', host(), 'enroll'],
    ['enrolling', inState('Enrolling'), 'enroll'],
    ['in error, unclaimed', inState('Error'), 'enroll'],
    ['free', free, 'settled'],
    ['free, never enrolled by hash (restored status)', inState('Available'), 'enroll'],
    ['free, its connection was edited', { ...free, spec: otherAddress }, 'enroll'],
    ['in use without a consumer', inState('InUse'), 'enroll, patiently'],
    ['inspecting without a consumer', inState('Inspecting'), 'enroll, patiently'],
    ['ready without a consumer', inState('Ready'), 'enroll, patiently'],
    ['claimed', claimedHost('Claimed', { state: 'Available' }), 'settled'],
    ['armed', claimedHost('Armed', { state: 'Inspecting' }), 'settled'],
    ['handed over', claimedHost('HandedOver', { state: 'Ready' }), 'settled'],
    ['handed over, status lost in a move', { ...claimedHost('HandedOver'), status: {} }, 'enroll, patiently'],
    ['claimed, names another Secret now', renamed(claimedHost('HandedOver', { state: 'Ready' })), 'enroll, patiently'],
    ['and deleted', renamed(claimedHost('HandedOver', {}, DELETED)), 'deletionBlocked'],
    ['and released', renamed(claimedHost('Releasing')), 'release'],
    ['claimed, enrolled before its Secrets were noted', unnoted(claimedHost('Armed')), 'settled'],
    ['and names another Secret now', renamed(unnoted(claimedHost('Armed'))), 'enroll, patiently'],
    ['claimed, a Secret too many is marked for it', marked(claimedHost('Armed'), 'bmc', 'former'), 'enroll, patiently'],
    ['claimed, in error', claimedHost('Armed', { state: 'Error' }), 'settled'],
    ['being released', claimedHost('Releasing'), 'release'],
    [
      'a claim that cannot be read',
      { ...free, metadata: { ...free.metadata, annotations: { [ANNOTATION_CLAIM]: '{' } } },
      'claimLost',
    ],
    ['claimed, its finalizer is lost', claimedHost('HandedOver', { state: 'Ready' }, { finalizers: [] }), 'repair'],
    ['and it is being released', claimedHost('Releasing', {}, { finalizers: [] }), 'release'],
    ['free, its finalizer is lost', freeHost('h', {}, { finalizers: [] }), 'repair'],
    ['and its connection was edited', { ...freeHost('h', {}, { finalizers: [] }), spec: otherAddress }, 'enroll'],
    ['new, without our finalizer', host({ metadata: { finalizers: [] } }), 'enroll'],
    ['deleted', freeHost('h', {}, DELETED), 'retire'],
    [
      'deleted without our finalizer',
      freeHost('h', {}, { ...DELETED, finalizers: [] }),
      'nothing: deleted without our finalizer',
    ],
    ['deleted while claimed', claimedHost('HandedOver', {}, DELETED), 'deletionBlocked'],
    ['deleted while being released', claimedHost('Releasing', {}, DELETED), 'release, tells of the deletion'],
    [
      'being moved',
      host({ metadata: { annotations: { [ANNOTATION_DELETE_FOR_MOVE]: '' } } }),
      'nothing: is being moved',
    ],
    [
      'deleted by a move',
      freeHost('h', {}, { ...DELETED, annotations: { [ANNOTATION_DELETE_FOR_MOVE]: '' } }),
      'nothing: is being moved',
    ],
    ['paused', host({ metadata: { annotations: { [ANNOTATION_PAUSED]: '' } } }), 'paused'],
    ['paused and deleted', freeHost('h', {}, { ...DELETED, annotations: { [ANNOTATION_PAUSED]: '' } }), 'paused'],
  ])('%s', (_name, given, expected) => {
    expect(words(decideHost(view(given)))).toBe(expected);
  });

  test('follows the pause of its consumer’s Cluster', () => {
    const cluster = capiCluster({ spec: { paused: true } });
    expect(words(decideHost({ ...view(claimedHost('Releasing')), cluster }))).toBe('paused');
  });

  test('a blocked deletion says what to do', () => {
    expect(decideHost(view(claimedHost('HandedOver', {}, DELETED)))).toMatchObject({
      message: expect.stringContaining('kubectl delete beskar7machine m -n ns'),
    });
    expect(decideHost(view(claimedHost('Releasing', {}, DELETED)))).toMatchObject({
      deletionMessage: expect.stringContaining('beskar7.io/force-release='),
    });
  });
});

describe('a host whose machine is missing (rule 13)', () => {
  const forced = { annotations: { [ANNOTATION_FORCE_RELEASE]: 'scrapped' } };
  const lastTransitionTime = '2026-01-01T00:00:00Z';
  const missing: PhysicalHostStatus = {
    conditions: [
      { type: 'ConsumerMissing', status: 'True', reason: 'MachineNotFound', message: 'x', lastTransitionTime },
    ],
  };

  test.each([
    ['claimed', claimedHost('Claimed')],
    ['handed over', claimedHost('HandedOver')],
    ['handed over and deleted', claimedHost('HandedOver', {}, DELETED)],
  ])('%s: not in the cache, it is looked for live', (_what, given) => {
    expect(decideHost(view(given, 'unseen'))).toEqual({ kind: 'lookForConsumer' });
  });

  test('while it is being released, the release goes on', () => {
    expect(words(decideHost(view(claimedHost('Releasing'), 'gone')))).toBe('release');
  });

  test.each([
    ['claimed', claimedHost('Claimed'), true, /switched off and freed when the machine is still missing after 10 min/],
    ['armed', claimedHost('Armed'), true, /never handed over/],
    ['handed over', claimedHost('HandedOver'), false, /nothing is done to it\. .*beskar7\.io\/force-release/],
    ['handed over, by force', claimedHost('HandedOver', missing, forced), true, /handed over/],
    [
      'handed over, by force that was set before it was missing',
      claimedHost('HandedOver', {}, forced),
      false,
      /nothing is done/,
    ],
  ])('%s', (_what, given, isReleased, message) => {
    const decision = decideHost(view(given, 'gone'));
    expect(decision).toMatchObject({ kind: 'orphaned', message: expect.stringMatching(message) });
    expect(decision.kind === 'orphaned' && decision.release !== undefined).toBe(isReleased);
  });

  test('deleted: says what blocks it', () => {
    const decision = decideHost(view(claimedHost('HandedOver', {}, DELETED), 'gone'));
    expect(decision).toMatchObject({ deletionMessage: expect.stringContaining('beskar7.io/force-release=') });
  });

  test('being moved: nothing at all', () => {
    const moved = claimedHost('Armed', {}, { annotations: { [ANNOTATION_DELETE_FOR_MOVE]: '' } });
    expect(words(decideHost(view(moved, 'gone')))).toBe('nothing: is being moved');
  });
});

describe('a host that has lost its consumer, and that a machine’s providerID names', () => {
  const runs = machine({ spec: { providerID: 'b7://ns/h/m' }, status: { phase: 'Provisioned' } });
  const lost = (given: PhysicalHost) => words(decideHost({ ...view(given), machine: runs }));

  test.each<[string, PhysicalHost, string]>([
    ['handed over', inState('Ready'), 'repair'],
    ['its status was lost as well', host(), 'repair'],
    ['handed over, deleted', { ...inState('Ready'), metadata: { ...host().metadata, ...DELETED } }, 'repair'],
    [
      'paused',
      { ...inState('Ready'), metadata: { ...host().metadata, annotations: { [ANNOTATION_PAUSED]: '' } } },
      'paused',
    ],
    ['it was seen off since', { ...free, status: { ...free.status, powerState: 'Off' } }, 'settled'],
    ['it was enrolled since, and its server runs', { ...free, status: { ...free.status, powerState: 'On' } }, 'repair'],
    [
      'the same, deleted',
      { ...freeHost('h', {}, DELETED), status: { state: 'Available', powerState: 'On' } },
      'repair',
    ],
    ['nothing is known of its server', host({ status: { state: 'Error' } }), 'repair'],
    ['enrolled anew, since it was released by force', host({ status: { state: 'Enrolling', hardware: {} } }), 'enroll'],
    ['in use by nobody', inState('InUse'), 'repair'],
    ['claimed by another one', claimedHost('Armed', { state: 'Inspecting' }), 'settled'],
  ])('%s', (_name, given, expected) => {
    expect(lost(given)).toBe(expected);
  });
});

describe('a host whose claim is lost or cannot be read', () => {
  const without = (of: PhysicalHost, claim?: string): PhysicalHost => {
    const { [ANNOTATION_CLAIM]: _lost, ...annotations } = of.metadata.annotations ?? {};
    const kept = claim === undefined ? annotations : { ...annotations, [ANNOTATION_CLAIM]: claim };
    return { ...of, metadata: { ...of.metadata, annotations: kept } };
  };
  const runs = machine({ spec: { providerID: 'b7://ns/h/m' }, status: { phase: 'Provisioned' } });
  const decide = (given: PhysicalHost, of: HostView['machine'], consumer: HostView['consumer'] = 'seen') =>
    decideHost({ ...view(given, consumer), machine: of });

  test.each<[string, PhysicalHost, HostView['machine'], string]>([
    ['its machine runs on it', without(claimedHost('HandedOver', { state: 'Ready' })), runs, 'claim'],
    ['unreadable', without(claimedHost('HandedOver', { state: 'Ready' }), '{"id":1}'), runs, 'claim'],
    ['in mid-inspection', without(claimedHost('Armed', { state: 'Inspecting' })), machine(), 'claim'],
    ['unreadable there', without(claimedHost('Armed', { state: 'Inspecting' }), 'x'), machine(), 'claim'],
    [
      'its machine, which ran on it, is being deleted',
      without(claimedHost('HandedOver', { state: 'Ready' })),
      { ...runs, metadata: { ...runs.metadata, ...DELETED } },
      'claim',
    ],
    [
      'only its label is lost',
      { ...claimedHost('Armed'), metadata: { ...claimedHost('Armed').metadata, labels: {} } },
      machine(),
      'label',
    ],
    ['only its consumerRef is lost', { ...claimedHost('Armed'), spec: host().spec }, machine(), 'consumerRef'],
  ])('%s: it is written again', (_what, given, of, occasion) => {
    expect(decide(given, of)).toMatchObject({ kind: 'repair', occasion: `repair ${occasion} m-uid` });
  });

  test.each<[string, PhysicalHost, HostView['machine'], HostView['consumer'], RegExp]>([
    [
      'its machine is gone',
      without(claimedHost('HandedOver', { state: 'Ready' })),
      undefined,
      'gone',
      /does not exist, and its server may still run it: nothing is done/,
    ],
    [
      'another machine has its name',
      without(claimedHost('Armed', { state: 'Inspecting' })),
      machine({ metadata: { uid: 'other' } }),
      'gone',
      /does not exist/,
    ],
    [
      'never claimed by Beskar7',
      without(claimedHost('Claimed')),
      machine(),
      'seen',
      /written by hand, or copied with a manifest/,
    ],
    [
      'its machine runs elsewhere, never claimed',
      without(claimedHost('Claimed')),
      machine({ spec: { providerID: 'b7://ns/other/m' } }),
      'seen',
      /its server is not touched/,
    ],
  ])('%s: a person has to say, and is told how', (_what, given, of, consumer, message) => {
    const decision = decide(given, of, consumer);
    expect(decision).toMatchObject({ kind: 'claimLost', message: expect.stringMatching(message) });
    expect(decision).toMatchObject({ message: expect.stringContaining('kubectl patch physicalhost h -n ns') });
  });
});

describe('a force-release counts only for what is under way when it is set', () => {
  const OTHER = '0b0d1a6e-5c07-4a2f-9f3a-4a4f5d6c7e8f';
  const forced = (text: string, ...rest: Parameters<typeof claimedHost>) => {
    const [stage, status, metadata, claim] = rest;
    return claimedHost(stage, status, { ...metadata, annotations: { [ANNOTATION_FORCE_RELEASE]: text } }, claim);
  };
  const free = (metadata = {}) => freeHost('h', {}, { annotations: { [ANNOTATION_FORCE_RELEASE]: 'x' }, ...metadata });

  test.each<[string, PhysicalHost, HostView['consumer'], string | undefined]>([
    ['while it boots', forced('x', 'Armed'), 'seen', 'x'],
    ['while its server runs', forced('x', 'HandedOver'), 'seen', 'x'],
    ['while it runs and the host is deleted', forced('x', 'HandedOver', {}, DELETED), 'seen', 'x'],
    ['before its machine was told missing', forced('x', 'HandedOver'), 'gone', 'x'],
    ['while it is free', free(), 'seen', 'x'],
    ['for another claim', forced(`${OTHER} x`, 'Releasing'), 'seen', `${OTHER} x`],
    ['for its claim, beforehand', forced('claim-1 x', 'HandedOver'), 'seen', undefined],
    ['while it is released', forced('x', 'Releasing'), 'seen', undefined],
    ['while it is retired', free(DELETED), 'seen', undefined],
    ['blank', forced(' ', 'HandedOver'), 'seen', undefined],
  ])('%s', (_when, given, consumer, refused) => {
    const decision = decideHost(view(given, consumer));
    expect(refusedForce(given, decision)).toBe(refused);
  });
});

test('a host whose machine is being moved is left alone, and not given back', () => {
  const annotations = { [ANNOTATION_DELETE_FOR_MOVE]: '' };
  const runs = machine({
    metadata: { annotations },
    spec: { providerID: 'b7://ns/h/m' },
    status: { phase: 'Provisioned' },
  });
  expect(words(decideHost({ ...view(inState('Ready')), machine: runs }))).toBe(
    'nothing: the machine that runs on it is being moved',
  );
});

test('the occasion changes with the connection and with a force-release, and with nothing else', () => {
  const occasion = (given: HostView['host']) => {
    const decision = decideHost(view(given));
    return decision.kind === 'start' || decision.kind === 'release' ? decision.occasion : decision.kind;
  };
  const first = occasion(inState('Error'));
  expect(occasion(host({ metadata: { labels: { a: 'b' } }, status: { state: 'Error', powerState: 'On' } }))).toBe(
    first,
  );
  expect(occasion(host({ spec: otherAddress, status: { state: 'Error' } }))).not.toBe(first);
  const releasing = occasion(claimedHost('Releasing'));
  const forced = claimedHost('Releasing', {}, { annotations: { [ANNOTATION_FORCE_RELEASE]: 'gone' } });
  expect(occasion(forced)).not.toBe(releasing);
});
