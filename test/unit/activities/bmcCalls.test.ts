import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import { BmcCalls, settle } from '../../../activities/bmc/bmcCalls.ts';
import { bootInspector } from '../../../activities/provision/bootInspector.ts';
import { bmcFailure } from '../../../activities/failures.ts';
import { claimFence } from '../../../activities/bmc/fence.ts';
import { openProvisioning } from '../../../activities/provision/handOver.ts';
import { releaseHost } from '../../../activities/release/releaseHost.ts';
import { retireHost } from '../../../activities/release/retireHost.ts';
import { claimOf } from '../../../model/claim.ts';
import { callsUntil, callsUntilText } from '../../../model/callsUntil.ts';
import { CLOCKS_APART_MS, IN_FLIGHT_MS } from '../../../model/deadlines.ts';
import { ANNOTATION_CALLS_UNTIL } from '../../../crds/names.ts';
import { HOSTS, MACHINES } from '../../../kube/resource.ts';
import { claimedHost, DELETED, host, machine, SERVER } from '../controllers/builders.ts';
import { failureOf, fakeBmc, stopAll, until, type FakeBmc } from '../redfish/fakeBmc.ts';
import { ApiServer } from './apiServer.ts';
import { asActivity, putBehind, PLAN, REF, RUN, workerOn } from './worker.ts';

let api: ApiServer;
let bmc: FakeBmc;
beforeEach(async () => {
  bmc = await fakeBmc((it) => (it.power = 'On'));
  api = await ApiServer.start();
  api.put(MACHINES, machine({ metadata: { deletionTimestamp: '2026-11-30T10:00:00Z' } }));
});
afterEach(async () => {
  await stopAll();
  await api.stop();
});

const LIMIT_MS = 60_000;
const live = () => api.get(HOSTS, 'h');
const calls = () => new BmcCalls(workerOn(api).kube, { namespace: 'ns', host: 'h', limitMs: LIMIT_MS });
const allowed = () => undefined;
const inFlight = (ms: number) => ({
  annotations: { [ANNOTATION_CALLS_UNTIL]: new Date(Date.now() + ms).toISOString() },
});
const leftMs = () => Date.parse(callsUntilText(live()) ?? '') - Date.now();
const release = (attempt = 1) =>
  asActivity((signal) => releaseHost(workerOn(api), { claim: REF, attempt, nextAttemptInMs: 1 }, signal));

describe('what is under way at a BMC stands on its host', () => {
  test('from before the first request until the end of the last one is confirmed', async () => {
    putBehind(api, bmc, claimedHost('Armed'));
    const own = calls();
    await asActivity(() =>
      own.during(async () => {
        expect(own.passes(live())).toBe(false);
        await own.take(live(), allowed);
        expect(own.passes(live())).toBe(true);
        expect(leftMs()).toBeGreaterThan(IN_FLIGHT_MS + LIMIT_MS / 2);
      }),
    );
    expect(callsUntilText(live())).toBeUndefined();
  });

  test('as long as it may arrive where a request was given up under way, also by another clock', async () => {
    putBehind(api, bmc, claimedHost('Armed'));
    const own = calls();
    const given = bmcFailure('too late', 'PowerOnNotSeen', { mayHaveLanded: true });
    await asActivity(() =>
      own.during(async () => {
        await own.take(live(), allowed);
        throw given;
      }),
    ).catch(() => undefined);
    expect(leftMs()).toBeGreaterThan(IN_FLIGHT_MS + CLOCKS_APART_MS - 20_000);
  });

  test('whoever takes it over ends what the one before could still begin, and leaves what that had begun', async () => {
    putBehind(api, bmc, claimedHost('Armed'));
    const [lost, next] = [calls(), calls()];
    await lost.take(live(), allowed);
    await asActivity(() => next.during(async () => void (await next.take(live(), allowed))));
    expect(next.settledAt).toBeGreaterThan(Date.now() + IN_FLIGHT_MS - 20_000);
    // Its own end is confirmed, that of the other is not.
    expect(leftMs()).toBeGreaterThan(IN_FLIGHT_MS - 20_000);
    expect(leftMs()).toBeLessThanOrEqual(IN_FLIGHT_MS);
    expect(() => lost.passes(live())).toThrow(/another activity calls the BMC/);
  });

  test('a fence writes it once for all requests, and refuses the late activity', async () => {
    putBehind(api, bmc, claimedHost('Armed'));
    const deps = workerOn(api);
    const [late, next] = [calls(), calls()];
    const fenceOf = (own: BmcCalls) => {
      const fenced = claimFence(deps, own, REF, live(), ['Armed'], new AbortController().signal);
      fenced.identify?.({ systemID: '1', uuid: '00000000-0000-4000-8000-000000000001', serialNumber: 'SN-1' });
      return fenced.fence;
    };
    const before = fenceOf(late);
    (await before())();
    (await before())();
    expect(api.written()).toEqual(['patch physicalhosts/h']);
    (await fenceOf(next)())();
    await expect(before()).rejects.toThrow(/another activity calls the BMC/);
  });

  test.each(['for ever', '9999-01-01T00:00:00.000Z'])('%s is not believed longer than anything can be', (text) => {
    const of = claimedHost('Armed', {}, { annotations: { [ANNOTATION_CALLS_UNTIL]: text } });
    expect(callsUntil(of, IN_FLIGHT_MS, 1_000)).toBe(1_000 + IN_FLIGHT_MS);
  });

  test('settled by who calls nothing: nobody begins, and the time to wait grows no more', async () => {
    putBehind(api, bmc, claimedHost('Armed'));
    const lost = calls();
    await lost.take(live(), allowed);
    const key = { namespace: 'ns', host: 'h' };
    const first = await settle(workerOn(api).kube, key);
    expect(await settle(workerOn(api).kube, key)).toBe(first);
    expect(() => lost.passes(live())).toThrow(/another activity/);
  });
});

describe('a release', () => {
  test.each(['Claimed', 'Armed', 'HandedOver'] as const)(
    'of a claim from %s with nothing in flight waits for nothing, whoever made it',
    async (releasedFrom) => {
      const seenOn = { inspection: { claim: REF.id, poweredOnAt: '2026-01-01T00:00:00Z' } };
      putBehind(api, bmc, claimedHost('Releasing', seenOn, {}, { releasedFrom, since: new Date().toISOString() }));
      const begun = Date.now();
      expect(await release()).toMatchObject({ kind: 'released' });
      expect(Date.now() - begun).toBeLessThan(IN_FLIGHT_MS / 10);
      expect(bmc.power).toBe('Off');
      expect(claimOf(live())).toBeUndefined();
    },
  );

  test('sends the power-off at once though something may still arrive', async () => {
    putBehind(api, bmc, claimedHost('Releasing', {}, inFlight(90_000), { releasedFrom: 'Claimed' }));
    const stop = new AbortController();
    const ended = failureOf(
      asActivity(() => releaseHost(workerOn(api), { claim: REF, attempt: 1, nextAttemptInMs: 1 }, stop.signal)),
    );
    await until(() => bmc.power === 'Off');
    expect(claimOf(live())).toMatchObject({ stage: 'Releasing' });
    stop.abort(new Error('enough'));
    await ended;
    // What was in flight before it is not forgotten.
    expect(leftMs()).toBeGreaterThan(50_000);
  });

  test('that wakes late frees no host whose BMC another attempt calls', async () => {
    bmc.power = 'Off';
    putBehind(api, bmc, claimedHost('Releasing', {}, {}, { releasedFrom: 'Claimed' }));
    let isTaken = false;
    api.answering = async ({ verb, what }) => {
      // While it reads the boot override of the server, that was seen off, the next attempt begins.
      if (verb !== 'get' || what !== 'physicalhosts/h' || isTaken || bmc.seen.length === 0) return;
      isTaken = true;
      await calls().take(live(), allowed);
    };
    bmc.boot = { BootSourceOverrideEnabled: 'Once', BootSourceOverrideTarget: 'Pxe' };
    await failureOf(release());
    expect(isTaken).toBe(true);
    expect(claimOf(live())).toMatchObject({ stage: 'Releasing' });
  });
});

describe('nothing else goes on while something may arrive', () => {
  test('a retirement switches off, and keeps the host', async () => {
    const annotations = { ...SERVER, ...inFlight(90_000).annotations };
    putBehind(api, bmc, host({ metadata: { ...DELETED, annotations }, status: { state: 'Available' } }));
    const input = { host: { namespace: 'ns', name: 'h', uid: 'h-uid' }, attempt: 1, nextAttemptInMs: 1 };
    const result = await asActivity((signal) => retireHost(workerOn(api), input, signal));
    expect(result).toMatchObject({ kind: 'inFlight' });
    expect(bmc.power).toBe('Off');
    expect(leftMs()).toBeGreaterThan(50_000);
  });

  test('a server is not handed over', async () => {
    const inspection = { claim: REF.id, reportDigest: 'x' };
    putBehind(api, bmc, claimedHost('Armed', { inspection }, inFlight(90_000)));
    const opened = await openProvisioning(workerOn(api), { claim: REF, run: RUN, plan: PLAN });
    expect(opened).toMatchObject({ inFlightUntil: expect.any(String) });
    expect(live().status?.handover).toBeUndefined();
  });

  test('a boot that is seen on has nothing in flight', async () => {
    bmc.power = 'Off';
    putBehind(api, bmc, claimedHost('Claimed'));
    await asActivity((signal) => bootInspector(workerOn(api), { claim: REF, run: RUN }, signal));
    expect(claimOf(live())?.stage).toBe('Armed');
    expect(callsUntilText(live())).toBeUndefined();
  });
});
