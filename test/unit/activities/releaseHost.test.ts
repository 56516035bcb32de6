import { afterEach, describe, expect, jest, test } from '@jest/globals';
import { MockActivityEnvironment } from '@temporalio/testing';
import type { Dependencies } from '../../../activities/dependencies.ts';
import { markReleasing } from '../../../activities/release/markReleasing.ts';
import { releaseHost } from '../../../activities/release/releaseHost.ts';
import { CLAIM_STAGES, claimOf, serializeClaim, type ClaimStage } from '../../../model/claim.ts';
import type { PhysicalHost, PhysicalHostStatus } from '../../../crds/physicalHost.ts';
import { HOSTS } from '../../../kube/resource.ts';
import { RedfishError, type RedfishErrorKind } from '../../../redfish/index.ts';
import type { Beskar7Machine } from '../../../crds/beskar7Machine.ts';
import { ANNOTATION_CALLS_UNTIL, ANNOTATION_CLAIM, ANNOTATION_HANDLED } from '../../../crds/names.ts';
import { CLAIM, claimedHost, machine } from '../controllers/builders.ts';
import { failureOf, fakeBmc, stopAll, SYSTEM, type FakeBmc } from '../redfish/fakeBmc.ts';
import { ApiServer } from './apiServer.ts';
import { kubeError, NEVER, OneHost } from './oneHost.ts';
import { asActivity, putBehind, REF, workerOn } from './worker.ts';
import { ON_TAKES_MS } from '../../../model/deadlines.ts';

/** Metadata of a host on whose behalf something was sent that may arrive until then. */
const inFlightUntil = (atMs: number) => ({
  annotations: { [ANNOTATION_CALLS_UNTIL]: new Date(atMs).toISOString() },
});

/** An API server with one host. */
function scene(stage: ClaimStage) {
  const going = machine({ metadata: { deletionTimestamp: '2026-11-30T10:00:00Z' } });
  const state = { host: claimedHost(stage, {}, {}), machine: going as Beskar7Machine | undefined };
  const kube = {
    get: ({ plural }: { plural: string }) => {
      if (plural === HOSTS.plural) return Promise.resolve(state.host);
      return state.machine ? Promise.resolve(state.machine) : Promise.reject(kubeError(404, 'NotFound'));
    },
    applyStatus: () => Promise.resolve(state.machine),
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
  test.each<ClaimStage>(['Claimed', 'Armed', 'HandedOver'])(
    'from %s: a repeat, by whomever, finds it written and changes nothing',
    async (stage) => {
      const { deps, state } = scene(stage);
      expect(await markReleasing(deps, input('Cancelled: by an operator'))).toEqual({ kind: 'releasing' });
      const written = claimOf(state.host);
      expect(written).toMatchObject({
        id: CLAIM,
        stage: 'Releasing',
        releasedFrom: stage,
        reason: 'Cancelled: by an operator',
      });
      expect(await markReleasing(deps, input('another reason'))).toEqual({ kind: 'releasing' });
      expect(claimOf(state.host)).toEqual(written);
    },
  );
});

describe('a server that was handed over is released for the deletion of its machine alone (rule 4)', () => {
  test.each<[string, Beskar7Machine | undefined, RegExp]>([
    ['is there', machine(), /which is not being deleted/],
    [
      'is another one of its name',
      machine({ metadata: { uid: 'other' } }),
      /is gone: it is released by .*force-release/,
    ],
    ['is gone', undefined, /is gone: it is released by beskar7.io\/force-release only/],
  ])('its machine %s: nothing is written, whoever asks for it', async (_what, live, why) => {
    const { deps, state } = scene('HandedOver');
    state.machine = live;
    const failure = await failureOf(markReleasing(deps, input('Deleted: by a stranger')));
    expect(failure).toMatchObject({ type: 'ClaimLost', nonRetryable: true });
    expect(String(failure)).toMatch(why);
    expect(claimOf(state.host)?.stage).toBe('HandedOver');
  });
});

describe('a claim that says Releasing while its server runs a machine (rule 4)', () => {
  const running = (more: Parameters<typeof machine>[0] = {}) => {
    const annotations = { [ANNOTATION_HANDLED]: JSON.stringify({ specHash: 'x', retry: '', outcome: 'Provisioned' }) };
    return machine({ ...more, metadata: { annotations, ...more.metadata }, spec: { providerID: 'b7://ns/h/m' } });
  };
  const forged = (change: object = {}) => {
    const { metadata, ...host } = claimedHost('Releasing', {}, {});
    return { ...host, metadata: { ...metadata, annotations: { ...metadata.annotations, ...change } } };
  };

  test.each<[string, (one: OneHost) => void]>([
    ['a forged stage', () => undefined],
    [
      'a forged stage, and the word to force',
      (one) => one.change({ metadata: { annotations: { 'beskar7.io/force-release': 'now' } } }),
    ],
    [
      'a forged stage, and the consumer taken away',
      (one) => {
        one.change({ spec: { consumerRef: null }, metadata: { labels: { 'beskar7.io/consumer-uid': null } } });
        one.named = running();
      },
    ],
  ])('%s: nothing is sent, it is handed over again, and that is an event', async (_what, attack) => {
    const bmc = await fakeBmc((it) => (it.power = 'On'));
    const one = new OneHost(forged(), bmc);
    one.machine = running();
    attack(one);
    const failure = await failureOf(releaseOf(one));
    expect(failure).toMatchObject({ type: 'ClaimLost' });
    expect(String(failure)).toContain('runs Beskar7Machine ns/m, which is not being deleted');
    expect(bmc.changes).toEqual([]);
    expect(claimOf(one.live ?? forged())).toMatchObject({ stage: 'HandedOver' });
    expect(one.live?.spec.consumerRef).toMatchObject({ name: 'm', uid: 'm-uid' });
    expect(one.said).toContain('ReleaseRefused');
    await one.close();
  });

  test.each<[string, Beskar7Machine]>([
    ['is being deleted', running({ metadata: { deletionTimestamp: '2026-11-30T10:00:00Z' } })],
    ['runs elsewhere', machine({ spec: { providerID: 'b7://ns/other/m' } })],
    ['was never provisioned', machine()],
  ])('the machine %s: it is released', async (_what, of) => {
    const bmc = await fakeBmc((it) => (it.power = 'On'));
    const one = new OneHost(forged(), bmc);
    one.machine = of;
    expect(await releaseOf(one)).toMatchObject({ kind: 'released' });
    expect(bmc.power).toBe('Off');
    await one.close();
  });
});

const releaseOf = (one: OneHost) =>
  new MockActivityEnvironment().run(() =>
    releaseHost(
      one.deps,
      {
        claim: REF,
        attempt: 1,
        nextAttemptInMs: 0,
      },
      NEVER,
    ),
  );

/**
 * A BMC that still says Off at the first look, and then that the server has come on; what it is asked stands in
 * `asked`.
 */
function lateBmc({ sent, look }: { sent?: (state: string) => Promise<void>; look?: () => Promise<boolean> }) {
  const asked: string[] = [];
  let looks = 0;
  const bmc = {
    getPowerState: () => {
      asked.push('look');
      return Promise.resolve((looks += 1) === 1 ? 'Off' : 'On');
    },
    setPowerState: (state: string, { isSentAnyway = false }) => {
      asked.push(isSentAnyway ? `${state}, shown or not` : state);
      return sent?.(state) ?? Promise.resolve();
    },
    waitForPowerState: (state: string) => {
      if (state !== 'On') return Promise.resolve(true);
      if (look) return look();
      asked.push('comes on');
      return Promise.resolve(true);
    },
    clearBootOverride: () => Promise.resolve(void asked.push('clear')),
  };
  return { asked, redfish: { get: () => bmc } };
}

describe('a power-on that was accepted just before the release (rule 4)', () => {
  const seenOn: PhysicalHostStatus = { inspection: { claim: CLAIM, poweredOnAt: '2026-01-01T00:00:00Z' } };
  const ofAnother: PhysicalHostStatus = { inspection: { claim: 'other', poweredOnAt: '2026-01-01T00:00:00Z' } };
  const waits = ['look', 'Off, shown or not', 'comes on', 'look', 'Off', 'clear'];

  test.each<[string, 'Claimed' | 'Armed', PhysicalHostStatus, string[]]>([
    ['armed, not seen on: Off at once, and again when it has come on', 'Armed', {}, waits],
    ['armed, an earlier claim was seen on: the same', 'Armed', ofAnother, waits],
    ['armed and seen on: Off is the last word', 'Armed', seenOn, ['look', 'clear']],
    ['not armed: nothing was switched on', 'Claimed', {}, ['look', 'clear']],
  ])('%s', async (_what, releasedFrom, status, expected) => {
    const { asked, result } = await lateRelease(claimedHost('Releasing', status, {}, { releasedFrom }));
    expect(result).toEqual({ kind: 'released' });
    expect(asked).toEqual(expected);
  });

  const armed = () => claimedHost('Releasing', {}, {}, { releasedFrom: 'Armed' });
  const refused = (kind: RedfishErrorKind) => () => Promise.reject(new RedfishError(kind, 'not now'));

  test('a BMC that refuses to switch off what shows off is right, and asked no second time', async () => {
    const once = jest.fn<() => Promise<void>>().mockImplementationOnce(refused('Refused')).mockResolvedValue(undefined);
    const first = await lateRelease(armed(), { sent: once });
    expect([first.result, first.asked]).toEqual([{ kind: 'released' }, waits]);
    const second = await lateRelease(armed(), { attempt: 2 });
    expect(second.asked).toEqual(waits.filter((asked) => asked !== 'Off, shown or not'));
  });

  test.each([
    ['a look for the power-on that fails says nothing', 1_200],
    ['none is begun when there is no time for it', 100],
  ])('%s: the last look decides', async (_what, windowMs) => {
    const look = jest.fn(() => Promise.reject(new RedfishError('Timeout', 'slow')));
    const { asked, result } = await lateRelease(armed(), { look, windowMs });
    expect([result, asked]).toEqual([{ kind: 'released' }, waits.filter((entry) => entry !== 'comes on')]);
    expect(look).toHaveBeenCalledTimes(windowMs < 1_000 ? 0 : 1);
  });

  test('where it is not known what became of that, the release fails and is tried again', async () => {
    const { asked, result } = await lateRelease(armed(), { sent: refused('Timeout') });
    expect(result).toMatchObject({ type: 'BmcFailure' });
    expect(asked).toEqual(waits.slice(0, 2));
  });
});

/** A release at such a BMC, with so much left of the time that a power-on may take to show. */
async function lateRelease(
  host: PhysicalHost,
  {
    attempt = 1,
    windowMs = 5_000,
    ...habits
  }: Parameters<typeof lateBmc>[0] & { attempt?: number; windowMs?: number } = {},
) {
  const { asked, redfish } = lateBmc(habits);
  const { deps } = scene('Releasing');
  const data = Buffer.from('x').toString('base64');
  const since = new Date(Date.now() - ON_TAKES_MS + windowMs).toISOString();
  const claimed = claimOf(host);
  const annotations = {
    ...host.metadata.annotations,
    ...(claimed && { [ANNOTATION_CLAIM]: serializeClaim({ ...claimed, since }) }),
  };
  const begun = { ...host, metadata: { ...host.metadata, annotations } };
  const all = {
    ...deps,
    kube: {
      get: () => Promise.resolve(begun),
      delete: () => Promise.resolve(),
      mergePatch: () => Promise.resolve(begun),
    },
    redfish,
    caches: { machineOn: () => undefined },
    credentials: { get: () => Promise.resolve({ data: { username: data, password: data }, isMarked: true }) },
    recorder: { event: () => undefined },
  } as unknown as Dependencies;
  const { claim } = input('');
  const release = { claim, attempt, nextAttemptInMs: 1 };
  const { signal } = new AbortController();
  const result: unknown = await new MockActivityEnvironment()
    .run(() => releaseHost(all, release, signal))
    .catch((error: unknown) => error);
  return { asked, result };
}

describe('what an activity sent whose end nobody confirmed (rule 4)', () => {
  let api: ApiServer | undefined;
  afterEach(async () => {
    await stopAll();
    await api?.stop();
  });

  const pxe = { BootSourceOverrideEnabled: 'Once', BootSourceOverrideTarget: 'Pxe' };

  /** Calls that arrive late: just after the server was seen off, PXE is set once more, and the server comes on. */
  function arriveLate(bmc: FakeBmc): void {
    bmc.boot = { ...pxe };
    bmc.on(
      'GET',
      SYSTEM,
      () => {
        const body = bmc.system();
        bmc.boot = { ...pxe };
        bmc.power = 'On';
        return { body };
      },
      // Once: from then on it is as it is asked to be.
      1,
    );
  }

  test('what comes on while calls may be in flight is switched off as it does, and the claim is cleared after these', async () => {
    const bmc = await fakeBmc(arriveLate);
    api = await ApiServer.start();
    const until = Date.now() + 3_000;
    putBehind(api, bmc, claimedHost('Releasing', {}, inFlightUntil(until), { releasedFrom: 'Claimed' }));
    const deps = workerOn(api);
    const end: { power?: string; at?: number } = {};
    api.answering = ({ verb, what }) =>
      void (verb === 'patch' && what === 'physicalhosts/h' && Object.assign(end, { power: bmc.power, at: Date.now() }));
    const more = { attempt: 1, nextAttemptInMs: 1 };
    const result = await asActivity((signal) => releaseHost(deps, { claim: REF, ...more }, signal));
    await deps.redfish.closeAll();
    expect(result).toEqual({ kind: 'released' });
    const off = 'POST /Actions/ComputerSystem.Reset {"ResetType":"ForceOff"}';
    const clear = expect.stringMatching(/^PATCH .*"Disabled"/);
    expect(bmc.changes.map((change) => change.replaceAll(SYSTEM, ''))).toEqual([off, clear]);
    // A timer may fire a moment early by another clock.
    expect(end.at).toBeGreaterThanOrEqual(until - 5);
    expect(end.power).toBe('Off');
    expect(bmc.boot).toMatchObject({ BootSourceOverrideEnabled: 'Disabled' });
    expect(claimOf(api.get(HOSTS, 'h'))).toBeUndefined();
  });
});
