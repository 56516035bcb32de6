import { afterEach, describe, expect, test } from '@jest/globals';
import { MockActivityEnvironment } from '@temporalio/testing';
import { bootInspector, prepareBoot } from '../../../activities/provision/bootInspector.ts';
import { switchOff, switchOn } from '../../../activities/bmc/power.ts';
import { bootSecretName } from '../../../model/bootSecret.ts';
import { claimOf, type Claim, type ClaimStage } from '../../../model/claim.ts';
import { CLAIM, claimedHost } from '../controllers/builders.ts';
import { allow, clientOf, failureOf, fakeBmc, stopAll, type FakeBmc } from '../redfish/fakeBmc.ts';
import { NEVER, OneHost, REF, RUN } from './oneHost.ts';

const opened: OneHost[] = [];
afterEach(async () => {
  for (const one of opened.splice(0)) await one.close();
  await stopAll();
});

const SYSTEM = '/redfish/v1/Systems/1';
const RESET = `${SYSTEM}/Actions/ComputerSystem.Reset`;
const input = { claim: REF, run: RUN };

function scene(stage: ClaimStage, bmc: FakeBmc): OneHost {
  const one = new OneHost(claimedHost(stage), bmc);
  opened.push(one);
  return one;
}

/** The claim of the host goes on to a stage. */
function toStage(one: OneHost, stage: ClaimStage, more: Partial<Claim> = {}): void {
  one.change({ metadata: { annotations: claimedHost(stage, {}, {}, more).metadata.annotations ?? {} } });
}

const boot = (one: OneHost, limitMs?: number) =>
  new MockActivityEnvironment().run(() => bootInspector(one.deps, input, NEVER, limitMs));
const prepare = (one: OneHost, limitMs?: number) =>
  new MockActivityEnvironment().run(() => prepareBoot(one.deps, input, NEVER, limitMs));

describe('bootInspector', () => {
  test('off: armed, PXE once, On, seen on, and the deadline of the report', async () => {
    const bmc = await fakeBmc();
    const one = scene('Claimed', bmc);
    await boot(one);
    expect(claimOf(one.live ?? claimedHost('Claimed'))).toMatchObject({ stage: 'Armed' });
    expect(bmc.changes.map((change) => change.split(' ')[0])).toEqual(['PATCH', 'POST']);
    expect(one.live?.status?.inspection).toMatchObject({ claim: CLAIM });
    expect(one.live?.status?.inspection?.deadline).toBeDefined();
  });

  test('a worker that was stopped after it saw the server off: another one has switched it on since, nothing is sent', async () => {
    const bmc = await fakeBmc();
    const one = scene('Armed', bmc);
    // On when it is looked at in the lock, just before the PATCH.
    bmc.on('GET', SYSTEM, () => {
      if (bmc.sent('GET', SYSTEM).length > 1) bmc.power = 'On';
      return undefined;
    });
    const now = performance.now.bind(performance);
    let stoppedMs = 0;
    performance.now = () => now() + (stoppedMs += 3_000);
    try {
      await boot(one);
    } finally {
      performance.now = now;
    }
    expect(bmc.changes).toEqual([]);
    expect(one.live?.status?.inspection?.deadline).toBeDefined();
  });

  test('a worker that goes on after another one saw the server on for this claim sends nothing, though it is off', async () => {
    const bmc = await fakeBmc();
    const one = scene('Armed', bmc);
    one.cached = one.live;
    one.change({ status: { inspection: { claim: CLAIM, deadline: '2026-01-01T00:10:00Z' } } });
    expect(await failureOf(boot(one))).toMatchObject({ type: 'Superseded' });
    expect(bmc.changes).toEqual([]);
  });

  test.each([null, 'PoweringOff', 'PoweringOn'])(
    'armed, and the BMC says %s: no deadline before it is seen on',
    async (power) => {
      const bmc = await fakeBmc((it) => (it.power = power));
      const one = scene('Armed', bmc);
      expect(await failureOf(boot(one, 700))).toMatchObject({
        type: 'BmcFailure',
        details: [{ kind: 'PowerOnNotSeen' }],
      });
      expect(one.live?.status?.inspection).toBeUndefined();
      expect(bmc.changes).toEqual([]);
    },
  );

  test('armed, and the BMC says nothing for a while: it is waited for', async () => {
    const bmc = await fakeBmc((it) => (it.power = null));
    bmc.on('GET', SYSTEM, () => {
      if (bmc.sent('GET', SYSTEM).length > 2) bmc.power = 'On';
      return undefined;
    });
    const one = scene('Armed', bmc);
    await boot(one);
    expect(one.live?.status?.inspection?.deadline).toBeDefined();
  });

  test.each([
    ['On', 'was powered on by someone else'],
    [null, 'its BMC reports Unknown now'],
  ])('not armed, and the BMC says %s: not armed, and it says why', async (power, why) => {
    const bmc = await fakeBmc((it) => (it.power = power));
    const one = scene('Claimed', bmc);
    const failure = await failureOf(boot(one));
    expect(failure).toMatchObject({ type: 'BmcFailure', details: [{ kind: 'NotOff' }] });
    expect(String(failure)).toContain(why);
    expect(claimOf(one.live ?? claimedHost('Armed'))?.stage).toBe('Claimed');
  });

  test('a BMC that never ends: the activity does, before Temporal takes its worker for lost', async () => {
    const bmc = await fakeBmc((it) => it.on('POST', RESET, { instead: 'hang' }));
    const one = scene('Claimed', bmc);
    const failure = await failureOf(boot(one, 500));
    // The On was under way: it may still come.
    expect(failure).toMatchObject({ type: 'BmcFailure', details: [{ kind: 'PowerOnNotSeen', mayHaveLanded: true }] });
    expect(String(failure)).toContain('was not confirmed on');
  });
});

describe('what was minted for a claim that has ended', () => {
  const secret = bootSecretName('h', CLAIM);

  test.each<[string, (one: OneHost) => void, boolean]>([
    ['gone', (one) => one.change({ metadata: { annotations: { 'beskar7.io/claim': null } } }), false],
    ['being released', (one) => toStage(one, 'Releasing'), false],
    ['handed over by another attempt', (one) => toStage(one, 'HandedOver'), false],
    ['handed over with it: it is still its own', (one) => toStage(one, 'HandedOver', { bootSecret: secret }), true],
  ])('%s', async (_what, end, isKept) => {
    const bmc = await fakeBmc();
    const one = scene('Claimed', bmc);
    one.beforeWrite = (what) => {
      if (what === 'secret') end(one);
    };
    expect(await failureOf(boot(one))).toMatchObject({ type: 'ClaimLost' });
    expect(one.secrets.has(secret)).toBe(isKept);
    expect(bmc.changes).toEqual([]);
  });
});

describe('prepareBoot', () => {
  test('armed and on since it looked, for the same claim: it is ours, and left alone', async () => {
    const bmc = await fakeBmc((it) => (it.power = 'On'));
    const one = scene('Claimed', bmc);
    one.cached = one.live;
    toStage(one, 'Armed');
    await prepare(one);
    expect(bmc.changes).toEqual([]);
  });

  test.each<[string, (one: OneHost) => void]>([
    ['released', (one) => toStage(one, 'Releasing')],
    ['of another run', (one) => one.change({ metadata: { annotations: { 'beskar7.io/claim': null } } })],
  ])('the claim is %s: lost', async (_what, change) => {
    const bmc = await fakeBmc((it) => (it.power = 'On'));
    const one = scene('Claimed', bmc);
    one.cached = one.live;
    change(one);
    expect(await failureOf(prepare(one))).toMatchObject({ type: 'ClaimLost' });
    expect(bmc.changes).toEqual([]);
  });

  test('a task that goes on running: it ends in its own time', async () => {
    const bmc = await fakeBmc((it) => {
      it.power = 'On';
      it.on('POST', RESET, { status: 202, headers: { location: '/task', 'retry-after': '0' } });
      it.on('GET', '/task', { body: { TaskState: 'Running' } });
    });
    const one = scene('Claimed', bmc);
    const beganMs = performance.now();
    const failure = await failureOf(prepare(one, 400));
    expect(performance.now() - beganMs).toBeLessThan(3_000);
    expect(failure).toMatchObject({ type: 'BmcFailure', details: [{ kind: 'PowerOffNotSeen' }] });
  });
});

describe('switching on', () => {
  const on = (bmc: FakeBmc) => new MockActivityEnvironment().run(() => switchOn(clientOf(bmc), 'h', allow, 300));

  test('accepted and not done: sent again, three times, and that is told', async () => {
    const bmc = await fakeBmc((it) => it.on('POST', RESET, { status: 204 }));
    expect(String(await failureOf(on(bmc)))).toContain('accepted the power-on 3 times');
    expect(bmc.sent('POST')).toHaveLength(3);
  });

  test('sent once, then neither off nor on: not sent again', async () => {
    const bmc = await fakeBmc((it) =>
      it.on('POST', RESET, () => {
        it.power = 'PoweringOn';
        return { status: 204 };
      }),
    );
    expect(String(await failureOf(on(bmc)))).toContain('accepted the power-on once');
    expect(bmc.sent('POST')).toHaveLength(1);
  });
});

test('a power-off that was aborted under way says that it may have landed', async () => {
  const gone = new AbortController();
  const bmc = await fakeBmc((it) => {
    it.power = 'On';
    it.habits.push(({ method }) => {
      if (method === 'POST') setImmediate(() => gone.abort(new Error('cancelled')));
      return undefined;
    });
    it.on('POST', RESET, { instead: 'hang' });
  });
  const ended = failureOf(switchOff(clientOf(bmc), 'h', { ...allow, signal: gone.signal }, { gracefulMs: 1_000 }));
  expect(await ended).toMatchObject({ details: [{ kind: 'Aborted', mayHaveLanded: true }] });
});
