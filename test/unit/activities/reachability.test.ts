import { afterEach, describe, expect, jest, test } from '@jest/globals';
import { MockActivityEnvironment } from '@temporalio/testing';
import { bootInspector, prepareBoot } from '../../../activities/provision/bootInspector.ts';
import type { Condition } from '../../../crds/schema.ts';
import type { ClaimStage } from '../../../model/claim.ts';
import { CLAIM, claimedHost } from '../controllers/builders.ts';
import { extendedError, failureOf, fakeBmc, stopAll, type FakeBmc } from '../redfish/fakeBmc.ts';
import { kubeError, NEVER, OneHost, REF, RUN } from './oneHost.ts';

const SYSTEM = '/redfish/v1/Systems/1';
const RESET = `${SYSTEM}/Actions/ComputerSystem.Reset`;
const INPUT = { claim: REF, run: RUN };
const SINCE = '2026-01-01T00:00:00Z';
const condition = (type: string, status: Condition['status'], reason: string): Condition => ({
  type,
  status,
  reason,
  message: reason,
  lastTransitionTime: SINCE,
});
const CLAIMED = condition('Ready', 'True', 'Claimed');
const ANSWERS = condition('RedfishReachable', 'True', 'Reachable');
const IS_AWAY = condition('RedfishReachable', 'False', 'Unreachable');

// A resource that refuses the user is asked again after pauses: some BMCs do that for a moment.
jest.setTimeout(20_000);

const opened: OneHost[] = [];
afterEach(async () => {
  for (const one of opened.splice(0)) await one.close();
  await stopAll();
});

function scene(bmc: FakeBmc, stage: ClaimStage = 'Claimed', said = ANSWERS): OneHost {
  const one = new OneHost(claimedHost(stage, { state: 'InUse', conditions: [CLAIMED, said] }), bmc);
  opened.push(one);
  return one;
}

const prepare = (one: OneHost, signal = NEVER, limitMs?: number) =>
  new MockActivityEnvironment().run(() => prepareBoot(one.deps, INPUT, signal, limitMs));
const boot = (one: OneHost, limitMs?: number) =>
  new MockActivityEnvironment().run(() => bootInspector(one.deps, INPUT, NEVER, limitMs));
const reachable = (one: OneHost) => one.live?.status?.conditions?.find(({ type }) => type === 'RedfishReachable');

describe('a boot that fails at the BMC says so on the host, and nothing else of it changes', () => {
  test.each<[string, (bmc: FakeBmc) => void | Promise<void>, string, RegExp]>([
    ['no connection', (bmc) => bmc.stop(), 'Unreachable', /^BMC of host h: /],
    [
      'one resource that is refused',
      (bmc) => bmc.on('GET', SYSTEM, { status: 401 }),
      'Unauthorized',
      /accepts the user "x" elsewhere: check what its role may do/,
    ],
    [
      'a password that has to be changed first',
      (bmc) =>
        bmc.on('GET', SYSTEM, {
          status: 403,
          body: extendedError('Base.1.18.PasswordChangeRequired', 'The password must be changed.'),
        }),
      'PasswordChangeRequired',
      /set a new one at the BMC and put it into the credentials Secret/,
    ],
  ])('%s', async (_what, fault, reason, message) => {
    for (const step of [prepare, boot]) {
      const bmc = await fakeBmc();
      const one = scene(bmc);
      await fault(bmc);
      const failure = await failureOf(step(one));
      expect(reachable(one)).toMatchObject({
        status: 'False',
        reason,
        message: expect.stringMatching(message) as unknown,
      });
      expect(reachable(one)?.message).toContain(String((failure as Error).message));
      expect(reachable(one)?.message).toMatch(/Beskar7Machine m says when it is tried again\.$/);
      expect(one.live?.status).toMatchObject({ state: 'InUse', conditions: [CLAIMED, {}] });
    }
  });

  test('a power-on that is accepted and not seen, armed already', async () => {
    const one = scene(await fakeBmc((it) => it.on('POST', RESET, { instead: 'hang' })), 'Armed');
    await failureOf(boot(one, 500));
    expect(one.conditions()).toEqual(['Ready=True Claimed', 'RedfishReachable=False RedfishError']);
  });

  test('the Secret of the BMC is gone', async () => {
    const one = scene(await fakeBmc());
    one.deps.credentials.get = () => Promise.reject(kubeError(404, 'NotFound'));
    await failureOf(prepare(one));
    expect(one.conditions()).toContain('RedfishReachable=False SecretMissing');
  });

  test('the same failure again: the host is not written again', async () => {
    const bmc = await fakeBmc();
    const one = scene(bmc);
    await bmc.stop();
    await failureOf(prepare(one));
    const before = one.live?.metadata.resourceVersion;
    await failureOf(prepare(one));
    expect(one.live?.metadata.resourceVersion).toBe(before);
  });
});

describe('once the BMC answers, the host says that', () => {
  test('its server was seen off: at once, however long the permit takes', async () => {
    const one = scene(await fakeBmc(), 'Claimed', IS_AWAY);
    await prepare(one);
    expect(one.conditions()).toEqual(['Ready=True Claimed', 'RedfishReachable=True Reachable']);
  });

  test('it said so already: nothing is written', async () => {
    const one = scene(await fakeBmc());
    await prepare(one);
    expect(one.live?.metadata.resourceVersion).toBe('1');
  });

  test('its server was seen on: in the write that records the boot', async () => {
    const one = scene(await fakeBmc(), 'Armed', IS_AWAY);
    const writes: string[] = [];
    one.beforeWrite = (what) => void writes.push(what);
    await boot(one);
    expect(one.conditions()).toEqual(['Ready=True Inspecting', 'RedfishReachable=True Reachable']);
    // Before the first request, and after the last one: what is under way at the BMC.
    expect(writes).toEqual(['host', 'host', 'status']);
  });
});

describe('what does not concern the BMC changes nothing', () => {
  test('the claim is lost', async () => {
    const one = scene(await fakeBmc((it) => (it.power = 'On')), 'Claimed', IS_AWAY);
    one.cached = one.live;
    one.change({ metadata: { annotations: { 'beskar7.io/claim': null } } });
    expect(await failureOf(prepare(one))).toMatchObject({ type: 'ClaimLost' });
    expect(reachable(one)).toEqual(IS_AWAY);
  });

  test.each<[string, (one: OneHost) => void]>([
    ['is being released', (one) => one.change({ metadata: claimedHost('Releasing').metadata })],
    ['is another run’s', (one) => one.change({ metadata: claimedHost('Claimed', {}, {}, { id: 'other' }).metadata })],
    [
      'was seen on by a later attempt',
      (one) => one.change({ status: { inspection: { claim: CLAIM, deadline: SINCE } } }),
    ],
  ])('the BMC is away, but the host %s by then', async (_what, change) => {
    const bmc = await fakeBmc();
    const one = scene(bmc);
    bmc.on('GET', SYSTEM, () => {
      change(one);
      return { status: 401 };
    });
    await failureOf(prepare(one));
    expect(reachable(one)).toEqual(ANSWERS);
  });

  test('somebody else has switched the server on: its BMC answers', async () => {
    const one = scene(await fakeBmc((it) => (it.power = 'On')));
    expect(await failureOf(boot(one))).toMatchObject({ details: [{ kind: 'NotOff' }] });
    expect(reachable(one)).toEqual(ANSWERS);
  });

  test('the API server does not let the claim be read', async () => {
    const one = scene(await fakeBmc());
    one.cached = one.live;
    one.deps.kube.get = () => Promise.reject(kubeError(500, 'InternalError'));
    await failureOf(boot(one));
    expect(reachable(one)).toEqual(ANSWERS);
  });

  test('a cancel', async () => {
    const gone = new AbortController();
    const one = scene(await fakeBmc((it) => it.on('GET', SYSTEM, () => (gone.abort(), { instead: 'hang' }))));
    await failureOf(prepare(one, gone.signal));
    expect(reachable(one)).toEqual(ANSWERS);
  });
});

describe('the word on the BMC is in nobody’s way', () => {
  test('it is refused: the step comes to what it came to', async () => {
    const one = scene(await fakeBmc((it) => it.on('GET', SYSTEM, { status: 401 })));
    one.beforeWrite = () => {
      throw kubeError(403, 'Forbidden');
    };
    expect(await failureOf(prepare(one))).toMatchObject({ type: 'BmcCredentials' });
  });

  test('it is not answered: the step ends all the same, and what comes late does not overwrite what was said since', async () => {
    const one = scene(await fakeBmc());
    const [asRead, { get }, { get: read }] = [one.live, one.deps.kube, one.deps.credentials];
    one.cached = asRead;
    one.deps.credentials.get = () => Promise.reject(kubeError(404, 'NotFound'));
    let answer: () => void = () => undefined;
    const stuck = new Promise((resolve) => (answer = () => resolve(asRead)));
    one.deps.kube.get = () => stuck as never;
    expect(await failureOf(prepare(one))).toMatchObject({ type: 'BmcCredentials' });
    Object.assign(one.deps.kube, { get });
    Object.assign(one.deps.credentials, { get: read });
    await prepare(one);
    const writes: string[] = [];
    one.beforeWrite = (what) => void writes.push(what);
    answer();
    await new Promise((resolve) => setImmediate(resolve));
    expect(writes).toEqual([]);
    expect(reachable(one)).toEqual(ANSWERS);
  });
});
