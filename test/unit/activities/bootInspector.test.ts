import { createHash } from 'node:crypto';
import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import { bootInspector, prepareBoot } from '../../../activities/provision/bootInspector.ts';
import { bootSecretName } from '../../../model/bootSecret.ts';
import { callsUntilText } from '../../../model/callsUntil.ts';
import { claimOf } from '../../../model/claim.ts';
import type { PhysicalHost } from '../../../crds/physicalHost.ts';
import { HOSTS, MACHINES, SECRETS, type Secret } from '../../../kube/resource.ts';
import { RedfishPool } from '../../../redfish/index.ts';
import { CLAIM, claimedHost, machine } from '../controllers/builders.ts';
import { fakeBmc, stopAll, SYSTEM, until, type FakeBmc } from '../redfish/fakeBmc.ts';
import { ApiServer, type ApiCall } from './apiServer.ts';
import { asActivity, putBehind, REF, RUN, workerOn } from './worker.ts';

const INPUT = { claim: REF, run: RUN };
const SECRET = bootSecretName('h', CLAIM);
const HASHES = { tokenHash: 'a'.repeat(64), nonceHash: 'b'.repeat(64) };
const RESET = `${SYSTEM}/Actions/ComputerSystem.Reset`;
const PXE = { BootSourceOverrideEnabled: 'Once', BootSourceOverrideTarget: 'Pxe' };

const claimed = () => claimedHost('Claimed', { state: 'InUse' });
const armed = () => claimedHost('Armed', { state: 'InUse' }, {}, HASHES);

let api: ApiServer;
let bmc: FakeBmc;
let pools: RedfishPool[];

beforeEach(async () => {
  api = await ApiServer.start();
  bmc = await fakeBmc();
  pools = [];
  api.put(MACHINES, machine());
});
afterEach(async () => {
  for (const pool of pools) await pool.closeAll();
  await stopAll();
  await api.stop();
});

/** A worker of a process of its own, unless it shares its clients of BMCs with another. */
function worker(redfish = new RedfishPool()) {
  pools.push(redfish);
  return workerOn(api, { redfish });
}

const boot = (deps = worker()) => asActivity((signal) => bootInspector(deps, INPUT, signal));
const prepare = () => asActivity((signal) => prepareBoot(worker(), INPUT, signal));
const live = (): PhysicalHost => api.get(HOSTS, 'h');
/** The commands at the power button, in order. */
const resets = () => bmc.sent('POST', RESET).map(({ body }) => (body as { ResetType: string }).ResetType);
const decoded = ({ data = {} }: Secret, key: string) => Buffer.from(data[key] ?? '', 'base64').toString();
const base64 = (text: string) => Buffer.from(text).toString('base64');
const sha256 = (text: string) => createHash('sha256').update(text).digest('hex');

describe('a server that is off is booted into the inspection (rules 5 and 21)', () => {
  test('Secret first, then armed with its hashes, then PXE once, then On', async () => {
    putBehind(api, bmc, claimed());
    const stages: unknown[] = [];
    bmc.habits.unshift(({ method }) => void (method !== 'GET' && stages.push(claimOf(live())?.stage)));
    await boot();
    // The third one says that nothing of it is in flight any more.
    expect(api.written().slice(0, 4)).toEqual([
      'create secrets',
      'patch physicalhosts/h',
      'patch physicalhosts/h',
      'patch physicalhosts/h/status',
    ]);
    expect(callsUntilText(live())).toBeUndefined();
    expect(bmc.changes).toEqual([
      expect.stringMatching(/^PATCH .*"BootSourceOverrideTarget":"Pxe"/),
      expect.stringMatching(/^POST .*"ResetType":"On"/),
    ]);
    expect(stages).toEqual(['Armed', 'Armed']);
  });

  test('the boot Secret is immutable, named after the claim, owned by the host; the claim has its hashes only', async () => {
    putBehind(api, bmc, claimed());
    await boot();
    const secret = api.get(SECRETS, SECRET);
    expect(secret).toMatchObject({
      immutable: true,
      type: 'beskar7.io/boot',
      metadata: { labels: { 'beskar7.io/claim-id': CLAIM }, ownerReferences: [{ kind: 'PhysicalHost', uid: 'h-uid' }] },
    });
    const [token, nonce] = ['token', 'nonce'].map((key) => decoded(secret, key));
    expect(Buffer.from(token ?? '', 'base64url')).toHaveLength(32);
    expect(claimOf(live())).toMatchObject({ tokenHash: sha256(token ?? ''), nonceHash: sha256(nonce ?? '') });
    expect(JSON.stringify(api.list(HOSTS))).not.toContain(token);
  });

  test.each<[string, Partial<Secret>]>([
    ['with a token of somebody else', {}],
    ['that looks like ours in all that others can write', { type: 'beskar7.io/boot', immutable: true }],
  ])('a Secret that stands under its name already, %s: never taken over (docs/security.md)', async (_what, more) => {
    putBehind(api, bmc, claimed());
    const known = 'k'.repeat(43);
    const data = { token: base64(known), nonce: base64(known), spec: base64('{"targetOSImage":"http://evil/x"}') };
    const owner = { apiVersion: 'v1', kind: 'PhysicalHost', name: 'h', uid: 'h-uid' };
    const metadata = {
      namespace: 'ns',
      name: SECRET,
      uid: 'forged',
      resourceVersion: '1',
      labels: { 'beskar7.io/claim-id': CLAIM },
      ownerReferences: [owner],
    };
    api.put(SECRETS, { metadata, data, ...more });
    await boot();
    const { tokenHash, nonceHash, bootSecret = '' } = claimOf(live()) ?? {};
    expect(bootSecret).toMatch(new RegExp(`^${SECRET}-[0-9a-f]{16}$`));
    expect([tokenHash, nonceHash]).not.toContain(sha256(known));
    expect(decoded(api.get(SECRETS, bootSecret), 'spec')).not.toContain('evil');
  });

  test('the report is due ten minutes after it was seen on; the token outlives that by a minute', async () => {
    putBehind(api, bmc, claimed());
    const { inspectionDeadline } = await boot();
    const { inspection, bootToken } = live().status ?? {};
    const dueAt = Date.parse(inspectionDeadline);
    expect(inspection).toMatchObject({ claim: CLAIM, deadline: inspectionDeadline });
    expect(dueAt - Date.parse(inspection?.poweredOnAt ?? '')).toBe(600_000);
    expect(Date.parse(bootToken?.expiresAt ?? '') - dueAt).toBe(60_000);
    expect(bootToken).toMatchObject({ claim: CLAIM, hash: claimOf(live())?.tokenHash });
  });
});

describe('what is found on or off is told apart by the claim (rule 5)', () => {
  test('armed and on, not recorded yet: it is ours, nothing more is sent, nothing is minted', async () => {
    putBehind(api, bmc, armed());
    bmc.power = 'On';
    const { inspectionDeadline } = await boot();
    expect(bmc.changes).toEqual([]);
    expect(api.written()).not.toContain('create secrets');
    expect(live().status?.inspection).toMatchObject({ claim: CLAIM, deadline: inspectionDeadline });
    expect(claimOf(live())).toMatchObject({ stage: 'Armed', ...HASHES });
  });

  test('armed, on and recorded: the BMC is not even asked, the first deadline stands', async () => {
    const deadline = '2026-01-01T00:10:00Z';
    putBehind(api, bmc, claimedHost('Armed', { inspection: { claim: CLAIM, deadline } }, {}, HASHES));
    expect(await boot()).toEqual({ inspectionDeadline: deadline });
    expect(bmc.seen).toEqual([]);
    expect(api.writes).toEqual([]);
  });

  test.each([
    ['the override is gone: it is set again, then On', {}, ['PATCH', 'POST']],
    ['the override stands: On only', PXE, ['POST']],
  ])('armed and off, %s', async (_what, boot_, methods) => {
    putBehind(api, bmc, armed());
    bmc.boot = { ...bmc.boot, ...boot_ };
    await boot();
    expect(bmc.seen.filter(({ method }) => method !== 'GET').map(({ method }) => method)).toEqual(methods);
    expect(resets()).toEqual(['On']);
    expect(bmc.boot).toMatchObject(PXE);
    expect(api.written()).not.toContain('create secrets');
    expect(claimOf(live())).toMatchObject({ stage: 'Armed', ...HASHES });
  });

  test('claimed and on: not ours. Nothing is sent, minted or armed; the run switches it off first', async () => {
    putBehind(api, bmc, claimed());
    bmc.power = 'On';
    await expect(boot()).rejects.toMatchObject({ type: 'BmcFailure', details: [{ kind: 'NotOff' }] });
    expect(bmc.changes).toEqual([]);
    expect(api.writes).toEqual([]);
    expect(claimOf(live())?.stage).toBe('Claimed');
  });
});

describe('before it is armed, a server is seen off (rule 5)', () => {
  test('on: switched off, and seen off', async () => {
    putBehind(api, bmc, claimed());
    bmc.power = 'On';
    await prepare();
    expect(resets()).toEqual(['ForceOff']);
    expect(bmc.power).toBe('Off');
    const order = bmc.seen.map(({ method }) => method);
    expect(order.lastIndexOf('GET')).toBeGreaterThan(order.indexOf('POST'));
    expect(claimOf(live())?.stage).toBe('Claimed');
  });

  test('accepted is not done: it waits until the BMC shows Off', async () => {
    putBehind(api, bmc, claimed());
    bmc.power = 'On';
    let looks = 0;
    bmc.on('POST', RESET, { status: 204 }, 1);
    bmc.on('GET', SYSTEM, () => {
      if (resets().length > 0 && (looks += 1) === 2) bmc.power = 'Off';
      return undefined;
    });
    await prepare();
    expect(looks).toBeGreaterThanOrEqual(2);
    expect(resets()).toEqual(['ForceOff']);
  });

  test('off: nothing is sent', async () => {
    putBehind(api, bmc, claimed());
    await prepare();
    expect(bmc.changes).toEqual([]);
  });

  test('armed and on: it is ours, and left alone', async () => {
    putBehind(api, bmc, armed());
    bmc.power = 'On';
    await prepare();
    expect(bmc.changes).toEqual([]);
  });
});

describe('two workers at once', () => {
  // Redfish knows no compare-and-swap: two processes may both see Off. That is harmless, as both are this claim's, and
  // armed.
  test.each([
    ['of one process', true, 1],
    ['of two processes', false, 2],
  ])(
    '%s boot the same host: one Secret is left, and the claim names it and has its hashes',
    async (_where, isShared, mostOns) => {
      putBehind(api, bmc, claimed());
      // The worse order: who made the Secret hears of it only after the other one has armed the claim.
      let isMade = false;
      api.answering = async ({ verb, what }) => {
        if (verb !== 'create' || what !== 'secrets' || isMade) return;
        isMade = true;
        await until(() => claimOf(live())?.stage === 'Armed');
      };
      const before: unknown[] = [];
      bmc.habits.unshift(({ method }) => void (method !== 'GET' && before.push(claimOf(live())?.stage)));
      const shared = isShared ? new RedfishPool() : undefined;
      // One that comes after the other has recorded its boot sends nothing and is repeated, as the workflow does it.
      const booted = (deps: ReturnType<typeof worker>) =>
        boot(deps).catch((error: unknown) => {
          if ((error as { type?: string }).type !== 'Superseded') throw error;
          return boot(deps);
        });
      const [first, second] = await Promise.all([booted(worker(shared)), booted(worker(shared))]);

      const secrets = api.list(SECRETS).filter(({ type }) => type === 'beskar7.io/boot');
      const { tokenHash, nonceHash, stage, bootSecret } = claimOf(live()) ?? {};
      expect(secrets.map(({ metadata }) => metadata.name)).toEqual([bootSecret]);
      const [secret] = secrets as [Secret];
      expect({ tokenHash, nonceHash, stage }).toEqual({
        tokenHash: sha256(decoded(secret, 'token')),
        nonceHash: sha256(decoded(secret, 'nonce')),
        stage: 'Armed',
      });
      const arms = ({ what, body }: ApiCall) => what === 'physicalhosts/h' && JSON.stringify(body).includes('Armed');
      expect(api.writes.filter(arms)).toHaveLength(1);
      expect(live().status?.bootToken?.hash).toBe(tokenHash);
      expect(first.inspectionDeadline).toBe(second.inspectionDeadline);
      expect(live().status?.inspection?.deadline).toBe(first.inspectionDeadline);
      expect(resets().length).toBeGreaterThanOrEqual(1);
      expect(resets().length).toBeLessThanOrEqual(mostOns);
      expect(new Set(resets())).toEqual(new Set(['On']));
      expect(new Set(before)).toEqual(new Set(['Armed']));
    },
  );
});
