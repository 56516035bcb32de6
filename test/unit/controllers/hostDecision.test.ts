import { describe, expect, test } from '@jest/globals';
import { decideHost, type HostDecision, type HostView } from '../../../controllers/hostDecision.ts';
import {
  ANNOTATION_CLAIM,
  ANNOTATION_DELETE_FOR_MOVE,
  ANNOTATION_FORCE_RELEASE,
  ANNOTATION_PAUSED,
} from '../../../crds/names.ts';
import type { PhysicalHostStatus } from '../../../crds/physicalHost.ts';
import { capiCluster, claimedHost, DELETED, freeHost, host } from './builders.ts';

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

const inState = (state: NonNullable<PhysicalHostStatus['state']>) => host({ status: { state } });
const free = freeHost('h');
const otherAddress = { redfishConnection: { address: 'https://10.0.0.6', credentialsSecretRef: 'bmc' } };

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
    ['handed over, status lost in a move', claimedHost('HandedOver'), 'settled'],
    ['claimed, in error', claimedHost('Armed', { state: 'Error' }), 'settled'],
    ['being released', claimedHost('Releasing'), 'release'],
    ['a claim that cannot be read', host({ metadata: { annotations: { [ANNOTATION_CLAIM]: '{' } } }), 'settled'],
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
    expect(words(decideHost({ host: given }))).toBe(expected);
  });

  test('follows the pause of its consumer’s Cluster', () => {
    const cluster = capiCluster({ spec: { paused: true } });
    expect(words(decideHost({ host: claimedHost('Releasing'), cluster }))).toBe('paused');
  });

  test('a blocked deletion says what to do', () => {
    expect(decideHost({ host: claimedHost('HandedOver', {}, DELETED) })).toMatchObject({
      message: expect.stringContaining('kubectl delete beskar7machine m -n ns'),
    });
    expect(decideHost({ host: claimedHost('Releasing', {}, DELETED) })).toMatchObject({
      deletionMessage: expect.stringContaining('beskar7.io/force-release='),
    });
  });
});

test('the occasion changes with the connection and with a force-release, and with nothing else', () => {
  const occasion = (given: HostView['host']) => {
    const decision = decideHost({ host: given });
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
