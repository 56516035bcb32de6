import { describe, expect, test } from '@jest/globals';
import type { Dependencies } from '../../../activities/dependencies.ts';
import { markReleasing } from '../../../activities/releaseHost.ts';
import { CLAIM_STAGES, claimOf, type ClaimStage } from '../../../crds/claim.ts';
import type { PhysicalHost } from '../../../crds/physicalHost.ts';
import { CLAIM, claimedHost } from '../controllers/builders.ts';

/** An API server with one host. */
function scene(stage: ClaimStage) {
  const state = { host: claimedHost(stage, {}, {}) };
  const kube = {
    get: () => Promise.resolve(state.host),
    mergePatch: (_resource: unknown, _namespace: string, _name: string, patch: PhysicalHost) => {
      const { metadata } = state.host;
      const annotations = { ...metadata.annotations, ...patch.metadata.annotations };
      state.host = { ...state.host, metadata: { ...metadata, annotations } };
      return Promise.resolve(state.host);
    },
  };
  return { deps: { kube } as unknown as Dependencies, state };
}

const input = (reason: string) => ({
  claim: {
    namespace: 'ns',
    host: 'h',
    hostUid: 'h-uid',
    id: CLAIM,
    machine: { namespace: 'ns', name: 'm', uid: 'm-uid' },
  },
  reason,
  stages: CLAIM_STAGES,
});

describe('the first step of a release (rule 4)', () => {
  test.each<[ClaimStage, boolean]>([
    ['Claimed', false],
    ['Armed', false],
    ['HandedOver', true],
  ])('from %s: a repeat, whose first answer was lost, says the same', async (stage, wasHandedOver) => {
    const { deps, state } = scene(stage);
    const first = await markReleasing(deps, input('Cancelled: by an operator'));
    expect(first).toMatchObject({ kind: 'releasing', wasHandedOver });
    const written = claimOf(state.host);
    expect(written).toMatchObject({ id: CLAIM, stage: 'Releasing', reason: 'Cancelled: by an operator' });
    expect(await markReleasing(deps, input('another reason'))).toEqual(first);
    expect(claimOf(state.host)).toEqual(written);
  });

  test('a claim that was being released by an earlier version counts as not handed over', async () => {
    const { deps } = scene('Releasing');
    expect(await markReleasing(deps, input('again'))).toMatchObject({ kind: 'releasing', wasHandedOver: false });
  });
});
