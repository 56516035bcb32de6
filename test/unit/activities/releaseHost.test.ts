import { describe, expect, test } from '@jest/globals';
import { MockActivityEnvironment } from '@temporalio/testing';
import type { Dependencies } from '../../../activities/dependencies.ts';
import { markReleasing, releaseHost } from '../../../activities/releaseHost.ts';
import { CLAIM_STAGES, claimOf, type ClaimStage } from '../../../crds/claim.ts';
import type { PhysicalHost, PhysicalHostStatus } from '../../../crds/physicalHost.ts';
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

/** A BMC that still says Off at the first look, and then that the server has come on; what it is asked stands in `asked`. */
function lateBmc() {
  const asked: string[] = [];
  let looks = 0;
  const bmc = {
    getPowerState: () => {
      asked.push('look');
      return Promise.resolve((looks += 1) === 1 ? 'Off' : 'On');
    },
    setPowerState: (state: string) => Promise.resolve(void asked.push(state)),
    waitForPowerState: () => Promise.resolve(true),
    clearBootOverride: () => Promise.resolve(void asked.push('clear')),
  };
  return { asked, redfish: { get: () => bmc } };
}

describe('a power-on that was accepted just before the release (rule 4)', () => {
  const seenOn: PhysicalHostStatus = { inspection: { claim: CLAIM, poweredOnAt: '2026-01-01T00:00:00Z' } };
  const ofAnother: PhysicalHostStatus = { inspection: { claim: 'other', poweredOnAt: '2026-01-01T00:00:00Z' } };
  const waits = ['look', 'clear', 'look', 'ForceOff', 'clear'];

  test.each<[string, ClaimStage, PhysicalHostStatus, string[]]>([
    ['armed, not seen on: it is looked at again, and switched off', 'Armed', {}, waits],
    ['armed, an earlier claim was seen on: the same', 'Armed', ofAnother, waits],
    ['armed and seen on: Off is the last word', 'Armed', seenOn, ['look', 'clear']],
    ['not armed: nothing was switched on', 'Claimed', {}, ['look', 'clear']],
  ])('%s', async (_what, releasedFrom, status, expected) => {
    const { asked, redfish } = lateBmc();
    const { deps } = scene('Releasing');
    const host = claimedHost('Releasing', status, {}, { releasedFrom });
    const data = Buffer.from('x').toString('base64');
    const all = {
      ...deps,
      kube: {
        get: () => Promise.resolve(host),
        delete: () => Promise.resolve(),
        mergePatch: () => Promise.resolve(host),
      },
      redfish,
      credentials: { get: () => Promise.resolve({ username: data, password: data }) },
      recorder: { event: () => undefined },
    } as unknown as Dependencies;
    // Ten seconds after it was marked, less a moment.
    const releasingSince = new Date(Date.now() - 9_950).toISOString();
    const { claim } = input('');
    const release = { claim, wasHandedOver: false, isUnconfirmed: false, releasingSince, attempt: 1 };
    const { signal } = new AbortController();
    const result = await new MockActivityEnvironment().run(() =>
      releaseHost(all, { ...release, nextAttemptInMs: 1 }, signal),
    );
    expect(result).toEqual({ kind: 'released' });
    expect(asked).toEqual(expected);
  });
});
