import { afterEach, describe, expect, test } from '@jest/globals';
import { MockActivityEnvironment } from '@temporalio/testing';
import type { Dependencies } from '../../../activities/dependencies.ts';
import { markReleasing, releaseHost } from '../../../activities/releaseHost.ts';
import { CLAIM_STAGES, claimOf, type ClaimStage } from '../../../crds/claim.ts';
import type { PhysicalHost, PhysicalHostStatus } from '../../../crds/physicalHost.ts';
import { HOSTS } from '../../../kube/resource.ts';
import { CLAIM, claimedHost } from '../controllers/builders.ts';
import { fakeBmc, stopAll, SYSTEM, type FakeBmc } from '../redfish/fakeBmc.ts';
import { ApiServer } from './apiServer.ts';
import { asActivity, putBehind, REF, workerOn } from './worker.ts';

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
  ])(
    'from %s: a repeat, whose first answer was lost, says the same, and by whose reason it is',
    async (stage, wasHandedOver) => {
      const { deps, state } = scene(stage);
      const first = await markReleasing(deps, input('Cancelled: by an operator'));
      expect(first).toMatchObject({ kind: 'releasing', wasHandedOver });
      const written = claimOf(state.host);
      expect(written).toMatchObject({ id: CLAIM, stage: 'Releasing', reason: 'Cancelled: by an operator' });
      const repeated = { ...first, kind: 'underWay', reason: 'Cancelled: by an operator' };
      expect(await markReleasing(deps, input('another reason'))).toEqual(repeated);
      expect(claimOf(state.host)).toEqual(written);
    },
  );

  test('a claim that was being released by an earlier version counts as not handed over', async () => {
    const { deps } = scene('Releasing');
    expect(await markReleasing(deps, input('again'))).toMatchObject({ kind: 'underWay', wasHandedOver: false });
  });
});

describe('a run that another may have taken the release over from (decision 0015)', () => {
  const late = (notAfterInMs: number) => {
    const { claim } = input('');
    const notAfter = new Date(Date.now() + notAfterInMs).toISOString();
    const release = { claim, wasHandedOver: false, isUnconfirmed: false, releasingSince: notAfter, attempt: 1 };
    return { ...release, nextAttemptInMs: 1, notAfter };
  };

  test('sends nothing, and looks at nothing', async () => {
    const { signal } = new AbortController();
    await expect(releaseHost({} as Dependencies, late(-1), signal)).rejects.toMatchObject({ type: 'ReleaseLeft' });
  });

  test('gives up what it does when that time comes', async () => {
    const bmc = await fakeBmc((it) => (it.power = 'On'));
    bmc.on('POST', `${SYSTEM}/Actions/ComputerSystem.Reset`, { instead: 'hang' });
    const api = await ApiServer.start();
    try {
      putBehind(api, bmc, claimedHost('Releasing'));
      const { signal } = new AbortController();
      await expect(asActivity(() => releaseHost(workerOn(api), late(1_500), signal))).rejects.toMatchObject({
        details: [{ kind: 'PowerOffNotSeen' }],
      });
    } finally {
      await stopAll();
      await api.stop();
    }
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

describe('what an activity sent whose end nobody confirmed (rule 4)', () => {
  let api: ApiServer | undefined;
  afterEach(async () => {
    await stopAll();
    await api?.stop();
  });

  const LATE_MS = 62_000;
  const pxe = { BootSourceOverrideEnabled: 'Once', BootSourceOverrideTarget: 'Pxe' };

  /** Calls that arrive late: just after the first override was cleared and read back, PXE is set once more, and the server comes on. */
  function arriveLate(bmc: FakeBmc): void {
    bmc.boot = { ...pxe };
    bmc.on(
      'GET',
      SYSTEM,
      () => {
        if (bmc.sent('PATCH').length === 0) return undefined;
        const body = bmc.system();
        bmc.boot = { ...pxe };
        bmc.power = 'On';
        return { body };
      },
      // Once: from then on it is as it is asked to be.
      1,
    );
  }

  test('62 s after it was marked it is looked at again: what came on meanwhile is switched off before the claim is cleared', async () => {
    const bmc = await fakeBmc(arriveLate);
    api = await ApiServer.start();
    putBehind(api, bmc, claimedHost('Releasing', {}, {}, { releasedFrom: 'Claimed' }));
    const deps = workerOn(api);
    const marked = Date.now() - LATE_MS + 300;
    const sentAt: number[] = [];
    bmc.habits.unshift(({ method }) => void (method !== 'GET' && sentAt.push(Date.now())));
    let powerAtTheEnd: unknown;
    api.answering = ({ verb, what }) =>
      void (verb === 'patch' && what === 'physicalhosts/h' && (powerAtTheEnd = bmc.power));
    const more = { wasHandedOver: false, isUnconfirmed: true, attempt: 1, nextAttemptInMs: 1 };
    const releasingSince = new Date(marked).toISOString();
    const result = await asActivity((signal) => releaseHost(deps, { claim: REF, releasingSince, ...more }, signal));
    await deps.redfish.closeAll();
    expect(result).toEqual({ kind: 'released' });
    const off = 'POST /Actions/ComputerSystem.Reset {"ResetType":"ForceOff"}';
    const clear = expect.stringMatching(/^PATCH .*"Disabled"/);
    expect(bmc.changes.map((change) => change.replaceAll(SYSTEM, ''))).toEqual([clear, off, clear]);
    // A timer may fire a moment early by another clock.
    expect(sentAt[1]).toBeGreaterThanOrEqual(marked + LATE_MS - 5);
    expect(powerAtTheEnd).toBe('Off');
    expect(bmc.boot).toMatchObject({ BootSourceOverrideEnabled: 'Disabled' });
    expect(claimOf(api.get(HOSTS, 'h'))).toBeUndefined();
  });
});
