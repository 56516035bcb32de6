import { describe, expect, test } from '@jest/globals';
import { adoptMoved } from '../../../activities/claim/heldHosts.ts';
import type { Dependencies } from '../../../activities/dependencies.ts';
import { BmcCalls } from '../../../activities/bmc/bmcCalls.ts';
import { claimFence } from '../../../activities/bmc/fence.ts';
import { lookForConsumer } from '../../../activities/release/orphan.ts';
import type { Beskar7Machine } from '../../../crds/beskar7Machine.ts';
import { claimOf, type ClaimStage } from '../../../model/claim.ts';
import { ANNOTATION_CLAIM } from '../../../crds/names.ts';
import type { PhysicalHost } from '../../../crds/physicalHost.ts';
import { KubeError } from '../../../kube/error.ts';
import { MACHINES, type Resource } from '../../../kube/resource.ts';
import { CLAIM, claimedHost, machine } from '../controllers/builders.ts';

/** An API server with one host and perhaps its machine; what is patched is noted. */
function scene(host: PhysicalHost, found?: Beskar7Machine, onMachineRead: () => void = () => undefined) {
  const patches: { metadata: { annotations?: Record<string, string>; labels?: object }; spec?: object }[] = [];
  const state = { host };
  const fail = (status: number, reason: string) =>
    Promise.reject(new KubeError({ verb: 'x', resource: 'y' }, { status, reason, message: reason }));
  const kube = {
    get: (resource: Resource) => {
      if (resource !== MACHINES) return Promise.resolve(state.host);
      onMachineRead();
      return found ? Promise.resolve(found) : fail(404, 'NotFound');
    },
    mergePatch: (_resource: Resource, _namespace: string, _name: string, patch: (typeof patches)[number]) => {
      const { resourceVersion } = patch.metadata as { resourceVersion?: string };
      if (resourceVersion !== state.host.metadata.resourceVersion) return fail(409, 'Conflict');
      patches.push(patch);
      return Promise.resolve(state.host);
    },
  };
  const said: string[] = [];
  const recorder = { event: (_host: object, _type: string, reason: string) => void said.push(reason) };
  return { deps: { kube, recorder } as unknown as Dependencies, patches, state, said };
}

const input = (isSecondLook: boolean) => ({
  host: { namespace: 'ns', name: 'h', uid: 'h-uid', claim: CLAIM, orphanAfterMs: 1 },
  isSecondLook,
});
const at = (stage: ClaimStage, annotations: Record<string, string> = {}) => claimedHost(stage, {}, { annotations });
const releasedAs = (reason: string) => claimedHost('Releasing', {}, {}, { reason });
const forced = { 'beskar7.io/force-release': 'scrapped' };
const named = { 'beskar7.io/force-release': `${CLAIM}: scrapped` };
/** The host has said that its machine is missing: what is set after that is meant for it. */
const missing = (host: PhysicalHost): PhysicalHost => ({
  ...host,
  status: {
    ...host.status,
    conditions: [
      {
        type: 'ConsumerMissing',
        status: 'True',
        reason: 'NotFound',
        message: 'gone',
        lastTransitionTime: '2026-01-01T00:00:00Z',
      },
    ],
  },
});
const moving = { 'clusterctl.cluster.x-k8s.io/delete-for-move': '' };
const moved = machine({ metadata: { uid: 'new-uid' }, spec: { providerID: 'b7://ns/h/m' } });

describe('the two looks for a missing machine (rule 13)', () => {
  test.each<[string, PhysicalHost, Beskar7Machine | undefined, boolean, string]>([
    ['missing, first look', at('Armed'), undefined, false, 'missing'],
    ['missing, second look', at('Armed'), undefined, true, 'marked'],
    ['missing, claimed only', at('Claimed'), undefined, true, 'marked'],
    ['handed over', at('HandedOver'), undefined, true, 'held'],
    ['handed over, by force', missing(at('HandedOver', forced)), undefined, false, 'marked'],
    ['handed over, by force for this very claim', at('HandedOver', named), undefined, false, 'marked'],
    ['there', at('Armed'), machine(), true, 'held'],
    ['there, by force', at('HandedOver', forced), machine(), true, 'held'],
    ['another one of the name', at('Armed'), machine({ metadata: { uid: 'new-uid' } }), true, 'marked'],
    ['moved or restored', at('HandedOver', forced), moved, true, 'held'],
    ['being released for want of it', releasedAs('Beskar7Machine m is gone'), undefined, false, 'releasing'],
    ['being released by its run', releasedAs('Cancelled: by an operator'), undefined, true, 'releasing'],
    ['being moved away', at('Armed', moving), undefined, true, 'held'],
    ['paused', at('Armed', { 'cluster.x-k8s.io/paused': '' }), undefined, true, 'held'],
    ['another claim', claimedHost('Armed', {}, {}, { id: 'other' }), undefined, true, 'held'],
    ['another host of the name', claimedHost('Armed', {}, { uid: 'other' }), undefined, true, 'held'],
  ])('%s', async (_what, host, found, isSecondLook, expected) => {
    const { deps, patches } = scene(host, found);
    const look = await lookForConsumer(deps, input(isSecondLook));
    expect(look.kind).toBe(expected === 'marked' ? 'releasing' : expected);
    if (expected !== 'marked') return expect(patches).toEqual([]);
    const annotation = patches[0]?.metadata.annotations?.[ANNOTATION_CLAIM];
    const written = claimOf({ metadata: { ...host.metadata, annotations: { [ANNOTATION_CLAIM]: annotation ?? '' } } });
    expect(written).toMatchObject({ id: CLAIM, stage: 'Releasing', reason: expect.stringContaining('m is gone') });
  });

  test.each(['HandedOver', 'Armed'] as const)(
    'a force-release that lay in wait (%s) frees nothing, and is removed with a word',
    async (stage) => {
      const { deps, patches, said } = scene(at(stage, forced), undefined);
      const look = await lookForConsumer(deps, input(false));
      expect(look.kind).toBe(stage === 'HandedOver' ? 'held' : 'missing');
      expect(patches).toEqual([
        { metadata: expect.objectContaining({ annotations: { 'beskar7.io/force-release': null } }) },
      ]);
      expect(said).toEqual(['ForceReleaseRefused']);
    },
  );

  test('a host that changes between the look and the write is looked at anew', async () => {
    const { deps, patches, state } = scene(at('Armed'), undefined, () => {
      state.host = { ...state.host, metadata: { ...state.host.metadata, resourceVersion: '2' } };
    });
    await expect(lookForConsumer(deps, input(true))).rejects.toMatchObject({ type: 'Superseded' });
    expect(patches).toEqual([]);
  });
});

describe('moved and restored objects (rule 13)', () => {
  test('the uid is rewritten by compare-and-swap', async () => {
    const { deps, patches } = scene(at('HandedOver'));
    await adoptMoved(deps, moved);
    expect(patches).toMatchObject([
      {
        metadata: { resourceVersion: '1', uid: 'h-uid', labels: { 'beskar7.io/consumer-uid': 'new-uid' } },
        spec: { consumerRef: { uid: 'new-uid' } },
      },
    ]);
  });

  test.each([
    ['a host that is being moved away', at('HandedOver', moving), moved],
    [
      'a machine of another name',
      at('HandedOver'),
      machine({ metadata: { name: 'other', uid: 'new-uid' }, spec: { providerID: 'b7://ns/h/m' } }),
    ],
    [
      'a machine that runs on another host',
      at('HandedOver'),
      machine({ metadata: { uid: 'new-uid' }, spec: { providerID: 'b7://ns/other/m' } }),
    ],
  ])('%s: nothing is written', async (_what, host, of) => {
    const { deps, patches } = scene(host);
    await expect(adoptMoved(deps, of)).resolves.toBeUndefined();
    expect(patches).toEqual([]);
  });

  test('a host that is being moved away gets no call to its BMC', async () => {
    const { deps } = scene(at('Releasing', moving));
    const ref = {
      namespace: 'ns',
      host: 'h',
      hostUid: 'h-uid',
      id: CLAIM,
      machine: { namespace: 'ns', name: 'm', uid: 'm-uid' },
    };
    const { fence } = claimFence(
      { ...deps, caches: { duplicateOf: () => undefined } },
      new BmcCalls(deps.kube, { ...ref, limitMs: 1_000 }),
      ref,
      at('Releasing', moving),
      ['Releasing'],
      new AbortController().signal,
    );
    await expect(fence()).rejects.toMatchObject({ type: 'ClaimLost' });
  });
});
