import { createHash, randomBytes } from 'node:crypto';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { afterAll, beforeAll, describe, expect, jest, test } from '@jest/globals';
import { AWAIT_RUN_TASK_QUEUE, bmcTaskQueue, TASK_QUEUE } from '../../contracts/names.ts';
import * as names from '../../crds/names.ts';
import type { PhysicalHost } from '../../crds/physicalHost.ts';
import { bootSecretName } from '../../model/bootSecret.ts';
import { claimOf } from '../../model/claim.ts';
import { HOSTS, MACHINES } from '../../kube/resource.ts';
import { freePorts } from '../../tools/controlplane/ports.ts';
import { runCommand } from '../../tools/toolchain/command.ts';
import type { MachineDetail } from '../../web/shared/api.ts';
import { changes, isFreeAndOff } from '../support/atTheBmc.ts';
import { reportByHand } from '../support/byHand.ts';
import { call, tokenOf } from '../support/callback.ts';
import { told } from '../support/conditions.ts';
import { scheduleAsStranger } from '../support/stranger.ts';
import { WebClient } from '../support/webClient.ts';
import { World } from '../support/world.ts';

/**
 * Attacks of tenants on the whole product: a real API server and accounts with exactly the rights that are named, a
 * real Temporal, BMCs that record what they are asked (docs/security.md, "What each can do, and what not").
 * `… and may claim` stands for a cluster in which deploy/manifests/claims.yaml is not installed: that verb is what the
 * policy lets through.
 */

jest.setTimeout(120_000);

const FILTER = 'tenants';
const OTHER = 'tenants-other';
const GROUP = 'infrastructure.cluster.x-k8s.io';
const filtered = { [names.LABEL_WATCH_FILTER]: FILTER };
const folder = mkdtempSync(path.join(os.tmpdir(), 'beskar7-tenants-'));
let page: WebClient;
const sha256 = (text: string) => createHash('sha256').update(text).digest('hex');

/** Every namespace, as an installation for all tenants watches them; of other tests' objects none. */
class TenantsWorld extends World {
  override async addHost(name: string, address: string, spec: Partial<PhysicalHost['spec']> = {}) {
    return this.admin.create(HOSTS, {
      metadata: { name, namespace: this.namespace, labels: { ...filtered, only: name } },
      spec: { redfishConnection: { address, credentialsSecretRef: 'bmc' }, ...spec },
    });
  }
}
const world = new TenantsWorld('tenants', ['--namespace=', `--watch-filter=${FILTER}`, '--inspection-timeout=110s']);
const machine = (name: string, host: string, more: object = {}) =>
  world.admin.create(MACHINES, {
    metadata: { name, namespace: world.namespace, labels: filtered, ...more },
    spec: { targetOSImage: 'http://images.example/os.tar.gz', hostSelector: { matchLabels: { only: host } } },
  });
const claimOn = async (host: string) => {
  const object = await world.host(host);
  return object && claimOf(object);
};

/** kubectl as an account that has these rights in a namespace, and no others. */
function account(name: string, namespace: string) {
  const { kubectl, adminKubeconfig } = world.plane;
  const words = ['--kubeconfig', adminKubeconfig, '--as', name, '-n', namespace];
  const run = (...args: string[]) => runCommand(kubectl, [...words, ...args], { timeoutMs: 60_000 });
  return {
    run,
    create: (object: object) => run('create', '-f', file(object)),
    patch: (what: string, change: object, ...more: string[]) =>
      run('patch', what, '--type=merge', '-p', JSON.stringify(change), ...more),
  };
}
async function grant(name: string, namespace: string, ...rules: readonly (readonly [string, string])[]) {
  const role = {
    apiVersion: 'rbac.authorization.k8s.io/v1',
    kind: 'Role',
    metadata: { name, namespace },
    rules: rules.map(([verbs, resources]) => ({
      apiGroups: resources === 'secrets' ? [''] : [GROUP],
      resources: resources.split(','),
      verbs: verbs.split(','),
    })),
  };
  await world.kubectl('create', '-n', namespace, '-f', file(role));
  await world.kubectl('create', 'rolebinding', name, '-n', namespace, `--role=${name}`, `--user=${name}`);
  return account(name, namespace);
}

let files = 0;
function file(object: object): string {
  const name = path.join(folder, `${(files += 1)}.json`);
  writeFileSync(name, JSON.stringify(object));
  return name;
}

const BMC_QUEUE = bmcTaskQueue(undefined);
const DONE = { code: 0 };
const refused = (words: RegExp) => ({ code: 1, output: expect.stringMatching(words) as unknown });
const FORBIDDEN = refused(/ValidatingAdmissionPolicy 'beskar7-claims'/);
/** What a claim of an attacker's own making says: armed, with a token that the attacker knows. */
const MINE = { token: randomBytes(32).toString('base64url'), nonce: randomBytes(32).toString('base64url') };
const ownClaim = () =>
  JSON.stringify({
    id: 'b7a1c9d2-0000-4000-8000-000000000001',
    stage: 'Armed',
    specHash: 'mine',
    attempt: 1,
    since: new Date().toISOString(),
    deadline: new Date(Date.now() + 600_000).toISOString(),
    tokenHash: sha256(MINE.token),
    nonceHash: sha256(MINE.nonce),
    bootSecret: 'mine',
  });

beforeAll(async () => {
  const [port = 0] = await freePorts(1);
  page = new WebClient(`http://127.0.0.1:${port}/`);
  world.flags.push(`--web-bind-address=127.0.0.1:${port}`);
  await world.start({ hosts: 3, profile: 'generic' });
  await world.kubectl('create', 'namespace', OTHER);
  await world.fleet.fault('sim-0002', { neverReports: true });
  await Promise.all([machine('runs', 'host-1'), machine('inspected', 'host-2')]);
  await world.machineIs('runs', 'Provisioned');
  await world.hostIs('host-2', 'Inspecting');
});
afterAll(async () => {
  rmSync(folder, { recursive: true, force: true });
  await world.kubectl('delete', 'namespace', OTHER, '--wait=false');
  await world.stop();
});

describe('a host of one namespace that names a machine of another', () => {
  const MAC = '02:00:5e:00:00:01';
  const forged = (uid: string, more: object = { name: 'forged' }) => ({
    apiVersion: names.API_VERSION,
    kind: 'PhysicalHost',
    metadata: {
      labels: { ...filtered, [names.LABEL_CONSUMER_UID]: uid },
      annotations: { [names.ANNOTATION_CLAIM]: ownClaim() },
      ...more,
    },
    spec: {
      redfishConnection: { address: 'https://127.0.0.1:9', credentialsSecretRef: 'bmc' },
      bootMACAddress: MAC,
      consumerRef: {
        apiVersion: names.API_VERSION,
        kind: 'Beskar7Machine',
        name: 'inspected',
        namespace: 'tenants',
        uid,
      },
    },
  });
  const uidOfVictim = async () => (await world.machine('inspected'))?.metadata.uid ?? '';
  const HOST_WRITER: readonly [string, string] = ['get,list,create,patch,delete', 'physicalhosts'];

  test('is not made by whoever may write hosts there: by name, by generateName, by server-side apply', async () => {
    const tenant = await grant('host-writer', OTHER, HOST_WRITER);
    const uid = await uidOfVictim();
    expect(await tenant.create(forged(uid))).toMatchObject(FORBIDDEN);
    expect(await tenant.create(forged(uid, { generateName: 'forged-' }))).toMatchObject(FORBIDDEN);
    const apply = await tenant.run('apply', '--server-side', '--field-manager=me', '-f', file(forged(uid)));
    expect(apply).toMatchObject(FORBIDDEN);
  });

  test('… and may claim: it gets no boot script of that machine, and its callbacks say nothing to its run', async () => {
    const tenant = await grant('host-claimer', OTHER, HOST_WRITER, ['claim', 'physicalhosts']);
    expect(await tenant.create(forged(await uidOfVictim()))).toMatchObject(DONE);
    const status = async (url: string, init?: RequestInit) => (await fetch(url, init)).status;
    const byNonce = `${world.bootUrl}/api/v1/boot/${OTHER}/forged/${MINE.nonce}`;
    // Its own host has to be known to the process first.
    await world.until(HOSTS, 'host-1', (host) => host !== undefined, 30_000, 'host-1 there');
    expect([await status(byNonce), await status(`${world.bootUrl}/api/v1/boot?mac=${MAC}`)]).toEqual([404, 404]);
    const bearer = { authorization: `Bearer ${MINE.token}`, 'content-type': 'application/json' };
    for (const route of ['inspection', 'provisioned', 'provision-failed', 'os-ready']) {
      const init = { method: 'POST', headers: bearer, body: JSON.stringify({ reason: 'forged' }) };
      await status(`${world.callbackUrl}/api/v1/${route}/${OTHER}/forged`, init);
    }
    expect(await status(`${world.callbackUrl}/api/v1/bootstrap/${OTHER}/forged`, { headers: bearer })).not.toBe(200);
    const { events } = await world.temporal.workflow.getHandle('provision/tenants/inspected').fetchHistory();
    expect(events?.filter((event) => event.workflowExecutionSignaledEventAttributes)).toEqual([]);
    expect((await world.machine('inspected'))?.status?.phase).toBe('Inspecting');
    expect(await tenant.run('delete', 'ph', 'forged', '--wait=false')).toMatchObject(DONE);
  });

  test('a claim that is smuggled into a write of the status is not written', async () => {
    const tenant = await grant('status-writer', OTHER, HOST_WRITER, ['get,patch', 'physicalhosts/status']);
    const metadata = { name: 'plain', labels: filtered, annotations: { [names.ANNOTATION_PAUSED]: '' } };
    const { apiVersion, kind, spec } = forged('');
    const { consumerRef: _none, ...free } = spec;
    expect(await tenant.create({ apiVersion, kind, metadata, spec: free })).toMatchObject(DONE);
    const change = { metadata: { annotations: { [names.ANNOTATION_CLAIM]: ownClaim() } }, status: { ready: true } };
    expect(await tenant.patch('ph/plain', change, '--subresource=status')).toMatchObject(DONE);
    const plain = await world.admin.get(HOSTS, OTHER, 'plain');
    expect([plain.status?.ready, plain.metadata.annotations]).toEqual([true, { [names.ANNOTATION_PAUSED]: '' }]);
    expect(await tenant.run('delete', 'ph', 'plain', '--wait=false')).toMatchObject(DONE);
  });
});

test('a machine whose status names a host of another namespace shows nothing of it on the page', async () => {
  const tenant = await grant(
    'machine-writer',
    OTHER,
    ['get,list,create,delete', 'beskar7machines'],
    ['get,list', 'physicalhosts'],
    ['get,patch', 'beskar7machines/status'],
  );
  await world.kubectl('create', 'serviceaccount', 'reader', '-n', OTHER);
  const words = ['--role=machine-writer', `--serviceaccount=${OTHER}:reader`];
  await world.kubectl('create', 'rolebinding', 'reader', '-n', OTHER, ...words);
  const peek = {
    apiVersion: names.API_VERSION,
    kind: 'Beskar7Machine',
    metadata: { name: 'peek', labels: filtered, annotations: { [names.ANNOTATION_PAUSED]: '' } },
    spec: { targetOSImage: 'http://images.example/os.tar.gz' },
  };
  expect(await tenant.create(peek)).toMatchObject(DONE);
  const hostRef = { namespace: 'tenants', name: 'host-1' };
  expect(await tenant.patch('b7m/peek', { status: { hostRef } }, '--subresource=status')).toMatchObject(DONE);
  const token = (await world.kubectl('create', 'token', 'reader', '-n', OTHER, '--duration=1h')).trim();
  expect((await page.logIn(token)).status).toBe(200);
  const { status, body } = await page.get<MachineDetail>(`api/machines/${OTHER}/peek`);
  const { hardware } = (await world.host('host-1'))?.status ?? {};
  expect(status).toBe(200);
  expect(hardware?.serialNumber).toBeTruthy();
  expect(JSON.stringify(body)).not.toContain(hardware?.serialNumber);
  expect((await page.get('api/hosts/tenants/host-1')).status).toBe(403);
  expect(await tenant.run('delete', 'b7m', 'peek', '--wait=false')).toMatchObject(DONE);
});

describe('a server that runs its machine', () => {
  const releasing = async () =>
    JSON.stringify({
      ...(await claimOn('host-1')),
      stage: 'Releasing',
      reason: 'mine',
      since: new Date().toISOString(),
    });

  test('is not marked as being released, nor gets another token, by whoever may patch hosts', async () => {
    const tenant = await grant('host-patcher', 'tenants', ['get,list,watch,patch', 'physicalhosts']);
    const write = (claim: string) => ({ metadata: { annotations: { [names.ANNOTATION_CLAIM]: claim } } });
    expect(await tenant.patch('ph/host-1', write(await releasing()))).toMatchObject(FORBIDDEN);
    const other = { ...(await claimOn('host-2')), tokenHash: sha256(MINE.token) };
    expect(await tenant.patch('ph/host-2', write(JSON.stringify(other)))).toMatchObject(FORBIDDEN);
    expect(await call(world, 'inspection', 'host-2', MINE.token)).toBe(401);
    const bare = { metadata: { finalizers: null } };
    expect(await tenant.patch('ph/host-1', bare)).toMatchObject(FORBIDDEN);
    const long = { metadata: { annotations: { 'example.com/a': 'x'.repeat(120_000) } } };
    expect(await tenant.patch('ph/host-3', long)).toMatchObject(DONE);
    const longer = { metadata: { annotations: { 'example.com/b': 'x'.repeat(12_000) } } };
    expect(await tenant.patch('ph/host-3', longer)).toMatchObject(refused(/131072 are the most/));
  });

  test('… and may claim: it is handed over again, and its BMC gets nothing', async () => {
    const rights = [
      ['get,list,watch,patch', 'physicalhosts'],
      ['claim', 'physicalhosts'],
    ] as const;
    const tenant = await grant('claim-patcher', 'tenants', ...rights);
    const before = changes(world, 'host-1');
    const annotations = { [names.ANNOTATION_CLAIM]: await releasing() };
    expect(await tenant.patch('ph/host-1', { metadata: { annotations } })).toMatchObject(DONE);
    // Not a minute later, when the watcher would see to it: at once, by a stranger in the Temporal namespace.
    const of = { run: 'provision/tenants/runs', activity: 'releaseHost', taskQueue: BMC_QUEUE };
    expect(await scheduleAsStranger(world, of, { claim: await refOfHost1(), ...TRY })).toBe('ClaimLost');
    await world.untilHost('host-1', 'handed over again', (host) => claimOf(host)?.stage === 'HandedOver');
    expect(await world.kubectl('get', 'events', '--field-selector=reason=ReleaseRefused')).toContain('host-1');
    expect(changes(world, 'host-1')).toBe(before);
    expect(world.serverOf('host-1').server.state.running).toBe('os');
  });

  test.each<[string, string, () => Promise<unknown>, RegExp]>([
    ['releaseHost of that server', BMC_QUEUE, async () => ({ claim: await refOfHost1(), ...TRY }), /ClaimLost/],
    [
      'markReleasing of it',
      TASK_QUEUE,
      async () => ({ claim: await refOfHost1(), reason: 'mine', stages: ['HandedOver'] }),
      /ClaimLost/,
    ],
    [
      'bootInspector of it',
      BMC_QUEUE,
      async () => ({ claim: await refOfHost1(), run: await runOfHost1() }),
      /ClaimLost/,
    ],
    ['releaseHost with a number', BMC_QUEUE, () => Promise.resolve(7), /InvalidInput/],
    [
      'endProvisioning with 300,000 members',
      AWAIT_RUN_TASK_QUEUE,
      () => Promise.resolve(Array<number>(300_000).fill(1)),
      /InvalidInput/,
    ],
    [
      'findClaims of a namespace that leads elsewhere in a URL',
      TASK_QUEUE,
      () => Promise.resolve({ namespace: '../../api/v1', name: 'x', uid: 'x' }),
      /InvalidInput/,
    ],
  ])('is left alone by a stranger in the Temporal namespace who schedules %s', async (what, taskQueue, input, type) => {
    const before = changes(world, 'host-1');
    const [activity = ''] = what.split(' ');
    const of = { run: 'provision/tenants/runs', activity, taskQueue };
    expect(await scheduleAsStranger(world, of, await input())).toMatch(type);
    expect(changes(world, 'host-1')).toBe(before);
    expect((await claimOn('host-1'))?.stage).toBe('HandedOver');
    expect(world.serverOf('host-1').server.state.running).toBe('os');
  });
});

test('a boot Secret that a tenant makes first is not taken over: its token opens nothing', async () => {
  const tenant = await grant('secret-maker', 'tenants', ['create', 'secrets'], ['get,list,watch', 'physicalhosts']);
  await world.fleet.fault('sim-0003', { slowMs: 4_000 });
  await machine('squatted', 'host-3');
  const host = await world.untilHost('host-3', 'claimed', (object) => claimOf(object) !== undefined);
  const id = claimOf(host)?.id ?? '';
  const name = bootSecretName('host-3', id);
  const owner = { apiVersion: names.API_VERSION, kind: 'PhysicalHost', name: 'host-3', uid: host.metadata.uid };
  const squat = {
    apiVersion: 'v1',
    kind: 'Secret',
    metadata: { name, labels: { [names.LABEL_CLAIM]: id }, ownerReferences: [owner] },
    type: 'beskar7.io/boot',
    immutable: true,
    stringData: { ...MINE, spec: '{}' },
  };
  expect(claimOf(host)?.stage).toBe('Claimed');
  expect(await tenant.create(squat)).toMatchObject(DONE);
  await world.fleet.heal();
  await world.fleet.fault('sim-0002', { neverReports: true });
  const armed = await world.untilHost('host-3', 'armed', (object) => claimOf(object)?.stage === 'Armed');
  expect(claimOf(armed)?.bootSecret).not.toBe(name);
  expect(await call(world, 'bootstrap', 'host-3', MINE.token)).toBe(401);
  await world.machineIs('squatted', 'Provisioned');
  expect(await call(world, 'provision-failed', 'host-3', MINE.token)).toBe(401);
  expect(await tokenOf(world, 'host-3', id)).not.toBe(MINE.token);
});

describe('whoever may write machines', () => {
  const annotated = (key: string, value: string) => ({ metadata: { annotations: { [key]: value } } });

  test('holds no host by a finalizer of their own, nor by 120,000 bytes of annotations on it', async () => {
    const tenant = await grant('machine-maker', 'tenants', ['get,list,create,patch,delete', 'beskar7machines']);
    const finalizers = [names.FINALIZER_MACHINE, 'example.com/hold'];
    expect(await tenant.patch('b7m/squatted', { metadata: { finalizers: finalizers.slice(1) } })).toMatchObject(
      FORBIDDEN,
    );
    expect(await tenant.patch('b7m/squatted', { metadata: { finalizers } })).toMatchObject(DONE);
    expect(await tenant.run('delete', 'b7m', 'squatted', '--wait=false')).toMatchObject(DONE);
    const host = await isFreeAndOff(world, 'host-3');
    expect(host.metadata.annotations?.['example.com/a']).toHaveLength(120_000);
    const kept = await world.untilMachine(
      'squatted',
      'let go by Beskar7',
      ({ metadata }) => metadata.finalizers?.join() === 'example.com/hold',
    );
    expect(kept.metadata.deletionTimestamp).toBeDefined();
    await machine('next', 'host-3');
    await world.machineIs('next', 'Provisioned');
    expect(await tenant.patch('b7m/squatted', { metadata: { finalizers: null } })).toMatchObject(DONE);
    await world.machineIsGone('squatted');
  });

  test('ends no run without its end being noted, by a retry of 60,000 bytes', async () => {
    const tenant = account('machine-maker', 'tenants');
    const retry = 'x'.repeat(60_000);
    expect(await tenant.patch('b7m/inspected', annotated(names.ANNOTATION_RETRY, retry))).toMatchObject(DONE);
    expect(await tenant.patch('b7m/inspected', annotated('example.com/fill', retry))).toMatchObject(DONE);
    expect(await tenant.patch('b7m/inspected', annotated(names.ANNOTATION_HANDLED, '{}'))).toMatchObject(FORBIDDEN);
    expect(await reportByHand(world, 'host-2')).toBe(202);
    await world.temporalCli('workflow', 'cancel', '-w', 'provision/tenants/inspected');
    const ended = await world.machineIs('inspected', 'Failed');
    expect(told(ended)).toMatch(/^Cancelled: /);
    expect(ended.metadata.annotations?.[names.ANNOTATION_HANDLED]).toContain('"retry":"sha256:');
    await isFreeAndOff(world, 'host-2');
  });
});

const TRY = { attempt: 1, nextAttemptInMs: 1_000 };
const refOfHost1 = async () => {
  const [host, runs] = [await world.host('host-1'), await world.machine('runs')];
  const { namespace = '', uid: hostUid = '' } = host?.metadata ?? {};
  const { name = '', uid = '' } = runs?.metadata ?? {};
  return { namespace, host: 'host-1', hostUid, id: host && claimOf(host)?.id, machine: { namespace, name, uid } };
};
const runOfHost1 = async () => {
  const { machine: of } = await refOfHost1();
  return { machine: of, workflow: { id: 'provision/tenants/runs', runID: 'r' } };
};
