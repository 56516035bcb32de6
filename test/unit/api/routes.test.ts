import { afterAll, beforeAll, beforeEach, describe, expect, test } from '@jest/globals';
import type { ClaimStage } from '../../../model/claim.ts';
import { CAPI_MACHINES, HOSTS, SECRETS } from '../../../kube/resource.ts';
import { base64, CLAIM, inMs, machine, NONCE, OLD_TOKEN, Scene, sha256, TOKEN } from './scene.ts';

const NOT_FOUND = { status: 404, body: 'not found', type: 'text/plain; charset=utf-8' };
const UNAUTHORIZED = { status: 401, body: '{"error":"unauthorized"}', type: 'application/json' };
const ACCEPTED = { status: 202, body: '{"status":"accepted"}', type: 'application/json' };
const EARLY = { status: 503, body: '{"error":"not ready yet"}', type: 'application/json' };
const RELEASING = {
  status: 409,
  body: '{"error":"conflict","reason":"the host is being released"}',
  type: 'application/json',
};

const OPENED = { handover: { claim: CLAIM, openedAt: inMs(-1000) } };
const DONE = { handover: { claim: CLAIM, openedAt: inMs(-1000), outcome: 'Provisioned' as const } };
const FAILED = { handover: { claim: CLAIM, outcome: 'Failed' as const, reason: 'first' } };

const PATHS = {
  inspection: 'POST',
  bootstrap: 'GET',
  provisioned: 'POST',
  'provision-failed': 'POST',
  'os-ready': 'POST',
} as const;
type Route = keyof typeof PATHS;

let scene: Scene;
beforeAll(async () => {
  // All of them are about one host, faster than any server.
  scene = await new Scene().start({ rates: { perHost: { burst: 1e6, perSecond: 1e6 } } });
});
afterAll(() => scene.stop());
beforeEach(() => {
  scene.signals.length = 0;
  scene.events.length = 0;
  scene.kube.calls.length = 0;
});

async function ask(route: Route, bearer: string | undefined, body = '{"reason":"r"}') {
  const options = { ...(bearer === undefined ? {} : { bearer }), ...(PATHS[route] === 'POST' ? { body } : {}) };
  const { status, body: text, headers } = await scene.call(PATHS[route], `/api/v1/${route}/default/server-01`, options);
  return { status, body: text, type: headers['content-type'] };
}

describe('whoever cannot prove the claim gets the same 401 on every route', () => {
  const routes = Object.keys(PATHS) as Route[];
  const cases: [string, string | undefined, Parameters<Scene['host']>[0]][] = [
    ['no token', undefined, {}],
    ['a wrong token', 'wrong'.padEnd(43, 'x'), {}],
    ["another claim's token", OLD_TOKEN, {}],
    ['a token while the claim has no hash', TOKEN, { claim: { tokenHash: undefined as never } }],
    ['a token while the hash is empty', TOKEN, { claim: { tokenHash: '' } }],
    ['the hash itself', sha256(TOKEN), {}],
    ['a token of a claim that is not armed', TOKEN, { claim: { stage: 'Claimed', tokenHash: undefined as never } }],
    [
      'a token long after the deadline',
      TOKEN,
      { status: { inspection: { claim: CLAIM, deadline: inMs(-31 * 60_000) } } },
    ],
    ['a token of a claim whose deadline cannot be read', TOKEN, { claim: { deadline: 'never' } }],
  ];
  for (const [name, bearer, host] of cases) {
    test.each(routes)(`${name}: %s`, async (route) => {
      scene.host(host);
      expect(await ask(route, bearer)).toEqual(UNAUTHORIZED);
      expect(scene.kube.count('patch', 'physicalhosts')).toBe(0);
      expect(scene.signals).toEqual([]);
    });
  }
  test.each(['', 'Basic abc', 'Bearer', 'Bearer  ', 'Bearer a b', `Bearer ${'x'.repeat(5000)}`])(
    'header %j is no bearer',
    async (Authorization) => {
      scene.host();
      const answer = await scene.call('GET', '/api/v1/bootstrap/default/server-01', { headers: { Authorization } });
      expect({ status: answer.status, body: answer.body }).toEqual({ status: 401, body: UNAUTHORIZED.body });
    },
  );
  test.each(['default/none', 'Default/server-01', 'default/%2e%2e', 'default/a%2Fb', 'default/a%00b', 'default/a%zz'])(
    'no such host: %s',
    async (path) => {
      const answer = await scene.call('GET', `/api/v1/bootstrap/${path}`, { bearer: TOKEN });
      expect({ status: answer.status, body: answer.body }).toEqual({ status: 401, body: UNAUTHORIZED.body });
    },
  );
});

describe('a right token by route, stage and facts', () => {
  type Case = [Route, ClaimStage, string, NonNullable<Parameters<Scene['host']>[0]>['status'], object];
  const EMPTY = { status: 200, body: '', type: 'application/octet-stream' };
  const CONFLICT = {
    status: 409,
    body: '{"error":"conflict","reason":"this provisioning was reported as failed before"}',
    type: 'application/json',
  };
  const REPORTED = { inspection: { claim: CLAIM, reportDigest: `sha256:${'0'.repeat(64)}` } };
  const TIMED_OUT = { inspectionPhase: 'Timeout' as const, inspection: { claim: CLAIM } };
  const OVER = { inspection: { claim: CLAIM, deadline: inMs(-61_000) } };
  const cases: Case[] = [
    ['inspection', 'Armed', 'report accepted before', REPORTED, ACCEPTED],
    ['inspection', 'Armed', 'timed out', TIMED_OUT, UNAUTHORIZED],
    ['inspection', 'Armed', 'window over', OVER, UNAUTHORIZED],
    ['inspection', 'HandedOver', 'done', DONE, UNAUTHORIZED],
    ['inspection', 'Releasing', 'done', DONE, UNAUTHORIZED],
    ['bootstrap', 'Armed', 'not opened', {}, NOT_FOUND],
    ['bootstrap', 'Armed', 'inspection window over, not opened', OVER, NOT_FOUND],
    ['bootstrap', 'Armed', 'opened for an earlier claim', { handover: { claim: 'x', openedAt: inMs(0) } }, NOT_FOUND],
    ['bootstrap', 'Armed', 'opened, none due', OPENED, EMPTY],
    ['bootstrap', 'Armed', 'provisioned was said', DONE, EMPTY],
    ['bootstrap', 'Armed', 'failed', FAILED, NOT_FOUND],
    ['bootstrap', 'HandedOver', 'done', DONE, NOT_FOUND],
    ['bootstrap', 'Releasing', 'done', DONE, NOT_FOUND],
    ['provisioned', 'Armed', 'not opened', {}, EARLY],
    ['provisioned', 'Armed', 'opened', OPENED, ACCEPTED],
    ['provisioned', 'Armed', 'said before', DONE, ACCEPTED],
    ['provisioned', 'Armed', 'failed before', FAILED, CONFLICT],
    ['provisioned', 'HandedOver', 'done', DONE, ACCEPTED],
    ['provisioned', 'HandedOver', 'status lost', {}, ACCEPTED],
    ['provisioned', 'Releasing', 'done', DONE, RELEASING],
    ['provision-failed', 'Armed', 'not opened', {}, ACCEPTED],
    ['provision-failed', 'Armed', 'opened', OPENED, ACCEPTED],
    ['provision-failed', 'Armed', 'failed before', FAILED, ACCEPTED],
    ['provision-failed', 'HandedOver', 'done', DONE, ACCEPTED],
    ['provision-failed', 'Releasing', 'done', DONE, RELEASING],
    ['os-ready', 'Armed', 'not opened', {}, EARLY],
    ['os-ready', 'Armed', 'opened', OPENED, EARLY],
    ['os-ready', 'Armed', 'provisioned', DONE, ACCEPTED],
    ['os-ready', 'Armed', 'failed before', FAILED, CONFLICT],
    ['os-ready', 'HandedOver', 'done', DONE, ACCEPTED],
    ['os-ready', 'Releasing', 'done', DONE, RELEASING],
  ];
  test.each(cases)('%s in %s, %s', async (route, stage, _name, status, expected) => {
    scene.host({ claim: { stage }, status: status ?? {} });
    expect(await ask(route, TOKEN)).toEqual(expected);
    // The budget: one GET, and one PATCH at most.
    expect(scene.kube.count('get', 'physicalhosts')).toBe(1);
    expect(scene.kube.count('patch', 'physicalhosts')).toBeLessThanOrEqual(1);
  });
  test('503 says when to come again', async () => {
    scene.host();
    const answer = await scene.call('POST', '/api/v1/provisioned/default/server-01', { bearer: TOKEN });
    expect(answer.headers['retry-after']).toBe('2');
  });
  test('after hand-over a repeat is 202 as long as the claim lives, even after the time of the token', async () => {
    const old = { inspection: { claim: CLAIM, deadline: inMs(-10 * 3_600_000) } };
    scene.host({ claim: { stage: 'HandedOver', deadline: inMs(-11 * 3_600_000) }, status: { ...DONE, ...old } });
    expect(await ask('provisioned', TOKEN)).toEqual(ACCEPTED);
    expect(await ask('os-ready', TOKEN)).toEqual(ACCEPTED);
  });
});

describe('what is stored', () => {
  test('provisioned: outcome and time, then the signal; a repeat at once stores nothing and signals nothing', async () => {
    scene.host({ status: OPENED });
    await ask('provisioned', TOKEN);
    const { handover } = scene.live().status ?? {};
    expect(handover).toEqual({ ...OPENED.handover, outcome: 'Provisioned', reportedAt: expect.any(String) });
    await ask('provisioned', TOKEN);
    expect(scene.live().status?.handover).toEqual(handover);
    expect(scene.kube.count('patch', 'physicalhosts')).toBe(1);
    await scene.until(() => scene.signals.length > 0);
    expect(scene.signals).toHaveLength(1);
    expect(scene.signals[0]).toMatchObject({
      kind: 'handoverReported',
      machine: { namespace: 'default', name: 'worker-01' },
      claim: CLAIM,
    });
  });
  test('provision-failed: the first reason stays, what an earlier claim left goes', async () => {
    scene.host({
      status: { handover: { claim: 'earlier', openedAt: inMs(-5), bootstrapSecret: 's', osReadyAt: inMs(-4) } },
    });
    await ask('provision-failed', TOKEN, JSON.stringify({ reason: 'no\u0000 \u001b[31mdisk\u202e' }));
    const stored = { claim: CLAIM, outcome: 'Failed', reason: 'no [31mdisk', reportedAt: expect.any(String) };
    expect(scene.live().status?.handover).toEqual(stored);
    await ask('provision-failed', TOKEN, '{"reason":"other"}');
    expect(scene.live().status?.handover).toEqual(stored);
  });
  test('provision-failed counts over a provisioned that was not acted upon', async () => {
    scene.host({ status: DONE });
    expect(await ask('provision-failed', TOKEN)).toEqual(ACCEPTED);
    expect(scene.live().status?.handover).toMatchObject({ outcome: 'Failed', reason: 'r' });
  });
  test('provision-failed after hand-over: one condition, one event, and nothing else', async () => {
    scene.host({ claim: { stage: 'HandedOver' }, status: DONE });
    const { handover } = scene.live().status ?? {};
    expect(await ask('provision-failed', TOKEN, '{"reason":"kexec"}')).toEqual(ACCEPTED);
    expect(await ask('provision-failed', TOKEN, '{"reason":"kexec"}')).toEqual(ACCEPTED);
    expect(scene.kube.count('patch', 'physicalhosts')).toBe(1);
    expect(scene.live().status).toMatchObject({
      handover,
      conditions: [{ type: 'FailureReported', status: 'True', message: expect.stringContaining('failed: kexec.') }],
    });
    expect(scene.signals).toEqual([]);
    expect(scene.events).toMatchObject([{ object: 'server-01', type: 'Warning', reason: 'ProvisionFailed' }]);
  });
  test('os-ready: the first time stays', async () => {
    scene.host({ claim: { stage: 'HandedOver' }, status: DONE });
    await ask('os-ready', TOKEN);
    const first = scene.live().status?.handover?.osReadyAt;
    expect(first).toEqual(expect.any(String));
    await ask('os-ready', TOKEN);
    expect(scene.live().status?.handover?.osReadyAt).toBe(first);
    expect(scene.kube.count('patch', 'physicalhosts')).toBe(1);
    await scene.until(() => scene.signals.some(({ kind }) => kind === 'osReported'));
  });
  test('bodies of provision-failed: none is fine, JSON that is no object is not', async () => {
    const path = '/api/v1/provision-failed/default/server-01';
    scene.host();
    expect((await scene.call('POST', path, { bearer: TOKEN })).status).toBe(202);
    expect(scene.live().status?.handover?.reason).toBe('no reason given');
    scene.host();
    for (const body of ['[]', 'null', '{', '{"reason":5}']) {
      expect(await ask('provision-failed', TOKEN, body)).toMatchObject({ status: 400 });
    }
    const form = { 'Content-Type': 'application/x-www-form-urlencoded' };
    expect((await scene.call('POST', path, { bearer: TOKEN, body: 'reason=x', headers: form })).status).toBe(415);
  });
});

describe('bootstrap data', () => {
  const status = { handover: { claim: CLAIM, openedAt: inMs(-1000), bootstrapSecret: 'worker-01-data' } };
  const value = Buffer.from([0, 255, 10, 13, 0xc3, 0x28, 9]);
  const OF_CAPI = { type: 'cluster.x-k8s.io/secret', labels: { 'cluster.x-k8s.io/cluster-name': 'c' } };
  const secret = ({ type, labels }: { type: string; labels: Record<string, string> }, data: Record<string, string>) =>
    scene.kube.put(SECRETS, {
      metadata: { namespace: 'default', name: 'worker-01-data', uid: 's', resourceVersion: '1', labels },
      type,
      data,
    });
  const owned = (metadata: object) => {
    const alone = machine();
    scene.machine = { ...alone, metadata: { ...alone.metadata, ...metadata } };
  };
  const OWNER = { apiVersion: 'cluster.x-k8s.io/v1beta1', kind: 'Machine', name: 'owner', uid: 'o' };
  const BYTES = { value: base64(value), format: base64('cloud-config') };
  const putOwner = (spec: object = {}, uid = 'o') =>
    scene.kube.put(CAPI_MACHINES, {
      metadata: { namespace: 'default', name: 'owner', uid, resourceVersion: '1' },
      spec: { clusterName: 'c', infrastructureRef: { kind: 'Beskar7Machine', name: machine().metadata.name }, ...spec },
    });
  beforeEach(() => {
    scene.host({ status });
    owned({ labels: OF_CAPI.labels, ownerReferences: [OWNER] });
    putOwner();
  });

  test('byte for byte, not to be stored', async () => {
    secret(OF_CAPI, BYTES);
    const answer = await scene.call('GET', '/api/v1/bootstrap/default/server-01', { bearer: TOKEN });
    expect(answer.bytes).toEqual(value);
    expect(answer.headers).toMatchObject({
      'content-type': 'application/octet-stream',
      'cache-control': 'no-store',
      'content-length': '7',
      'beskar7-bootstrap-format': 'cloud-config',
    });
  });
  test('with what the OS is told of itself: zone, region and the labels of its Node', async () => {
    secret(OF_CAPI, BYTES);
    const told = async () => {
      const { headers } = await scene.call('GET', '/api/v1/bootstrap/default/server-01', { bearer: TOKEN });
      return JSON.parse(Buffer.from(String(headers['beskar7-meta-data']), 'base64').toString()) as unknown;
    };
    expect(await told()).toEqual({ node_labels: '' });
    const host = await scene.kube.get(HOSTS, 'default', 'server-01');
    const labels = { ...host.metadata.labels, 'topology.kubernetes.io/zone': 'a', 'rack.example.com/row': '7' };
    scene.kube.put(HOSTS, { ...host, metadata: { ...host.metadata, labels } });
    expect(await told()).toEqual({ failure_domain: 'a', node_labels: 'topology.kubernetes.io/zone=a' });
  });
  test.each([
    ['ignition', 'ignition'],
    ['of none that is known', undefined],
    ['cloud-config\r\nSet-Cookie: x', undefined],
  ])('a Secret with the format %j', async (format, told) => {
    secret(OF_CAPI, { ...BYTES, format: base64(format) });
    const { status: code, headers } = await scene.call('GET', '/api/v1/bootstrap/default/server-01', { bearer: TOKEN });
    expect([code, headers['beskar7-bootstrap-format']]).toEqual([200, told]);
  });
  test('a machine without the label: the Cluster is that of its owner', async () => {
    owned({ ownerReferences: [OWNER] });
    secret(OF_CAPI, BYTES);
    scene.kube.remove(CAPI_MACHINES, 'default', 'owner');
    expect(await ask('bootstrap', TOKEN)).toEqual(NOT_FOUND);
    putOwner();
    expect(await scene.call('GET', '/api/v1/bootstrap/default/server-01', { bearer: TOKEN })).toMatchObject({
      status: 200,
    });
  });
  test.each<[string, () => void]>([
    ['of another type', () => secret({ ...OF_CAPI, type: 'Opaque' }, BYTES)],
    ['of another Cluster', () => secret({ ...OF_CAPI, labels: { 'cluster.x-k8s.io/cluster-name': 'other' } }, BYTES)],
    ['of no Cluster', () => secret({ ...OF_CAPI, labels: {} }, BYTES)],
    ['for a machine that stands alone', () => (owned({}), secret(OF_CAPI, BYTES))],
  ])('a Secret %s is the opaque 404, whoever named it, and the host says why', async (_what, put) => {
    put();
    expect(await ask('bootstrap', TOKEN)).toEqual(NOT_FOUND);
    expect(scene.events).toMatchObject([{ object: 'server-01', type: 'Warning', reason: 'BootstrapRefused' }]);
  });
  test.each<[string, () => void]>([
    ['is another one of its name', () => putOwner({}, 'other')],
    ['names another machine', () => putOwner({ infrastructureRef: { kind: 'Beskar7Machine', name: 'other' } })],
    ['is of another Cluster than the label says', () => putOwner({ clusterName: 'other' })],
  ])('an owner Machine that %s opens nothing', async (_what, put) => {
    secret(OF_CAPI, BYTES);
    put();
    expect(await ask('bootstrap', TOKEN)).toEqual(NOT_FOUND);
  });
  test('a machine of a Cluster never gets an empty answer', async () => {
    scene.host({ status: OPENED });
    expect(await ask('bootstrap', TOKEN)).toEqual(NOT_FOUND);
  });
  test('a Secret that is gone, or has no value, is the opaque 404', async () => {
    secret(OF_CAPI, {});
    expect(await ask('bootstrap', TOKEN)).toEqual(NOT_FOUND);
    scene.kube.remove(SECRETS, 'default', 'worker-01-data');
    expect(await ask('bootstrap', TOKEN)).toEqual(NOT_FOUND);
    scene.machine = undefined;
    expect(await ask('bootstrap', TOKEN)).toEqual(NOT_FOUND);
    scene.machine = machine();
  });
  afterAll(() => void (scene.machine = machine()));
});

test('nothing secret is logged, and each callback makes one line', async () => {
  scene.logs.length = 0;
  scene.host({ status: OPENED });
  await ask('provisioned', TOKEN);
  await scene.call('GET', `/api/v1/boot/default/server-01/${NONCE}`);
  await scene.call('GET', `/api/v1/bot/default/server-01/${NONCE}`);
  expect(scene.logs.filter(({ fields }) => 'requestId' in fields)).toHaveLength(3);
  const text = JSON.stringify(scene.logs);
  expect(text).not.toContain(TOKEN);
  expect(text).not.toContain(NONCE);
});

test('unknown routes and methods are the same 404', async () => {
  const paths = [
    '/',
    '/api/v1',
    '/api/v1/provisioned/default/server-01',
    '/api/v2/boot',
    '/api/v1/boot?mac=x',
    '/images/x',
  ];
  for (const path of paths) {
    const { status, body } = await scene.call('GET', path, { bearer: TOKEN });
    expect({ path, status, body }).toEqual({ path, status: 404, body: 'not found' });
  }
  const { status } = await scene.call('GET', '/api/v1/bootstrap/default/server-01', { bearer: TOKEN, boot: true });
  expect(status).toBe(404);
});
