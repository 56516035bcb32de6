import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import { KubeClient } from '../../../kube/client.ts';
import { isAlreadyExists, isConflict, isKindAbsent, isNotFound, KubeError } from '../../../kube/error.ts';
import { CAPI_CLUSTERS, HOSTS, MACHINES, SECRETS } from '../../../kube/resource.ts';
import type { PhysicalHost } from '../../../crds/physicalHost.ts';
import { clientFor, configFor, json, statusBody, TestServer } from './httpServer.ts';

const HOSTS_PATH = '/apis/infrastructure.cluster.x-k8s.io/v1beta1/namespaces/ns/physicalhosts';
const host = {
  metadata: { name: 'h', namespace: 'ns', uid: 'u', resourceVersion: '7' },
  spec: {},
} as unknown as PhysicalHost;

let server: TestServer;
let client: KubeClient;
beforeEach(async () => {
  server = new TestServer();
  client = clientFor(await server.start());
});
afterEach(async () => {
  await client.close();
  await server.stop();
});

async function failureOf(call: Promise<unknown>): Promise<KubeError> {
  try {
    await call;
  } catch (error) {
    expect(error).toBeInstanceOf(KubeError);
    return error as KubeError;
  }
  throw new Error('the call succeeded');
}

describe('requests', () => {
  test('get names path, user agent and token', async () => {
    server.handler = (_, response) => json(response, 200, host);
    await expect(client.get(HOSTS, 'ns', 'h')).resolves.toEqual(host);
    const [got] = server.received;
    expect(got).toMatchObject({ method: 'GET', path: `${HOSTS_PATH}/h` });
    expect(got?.headers).toMatchObject({ 'user-agent': 'beskar7/test', authorization: 'Bearer secret-token' });
  });

  test('a path prefix of the server is kept, names are escaped', async () => {
    const prefixed = clientFor(`${server.address}/k8s/clusters/c1/`);
    server.handler = (_, response) => json(response, 200, host);
    await prefixed.get(SECRETS, 'ns', 'a/../b');
    expect(server.received[0]?.path).toBe('/k8s/clusters/c1/api/v1/namespaces/ns/secrets/a%2F..%2Fb');
    await prefixed.close();
  });

  test('list gives a page, with type meta for every item', async () => {
    const items = [{ metadata: { name: 's' } }];
    server.handler = (_, response) => json(response, 200, { metadata: { resourceVersion: '9', continue: 'c' }, items });
    const page = await client.list(SECRETS, { namespace: 'ns', labelSelector: 'a=b', limit: 1 });
    expect(page).toEqual({
      items: [{ apiVersion: 'v1', kind: 'Secret', metadata: { name: 's' } }],
      resourceVersion: '9',
      continue: 'c',
    });
    expect(server.received[0]?.query.toString()).toBe('labelSelector=a%3Db&limit=1');
  });

  test('merge patch of the status subresource', async () => {
    server.handler = (_, response) => json(response, 200, host);
    await client.mergePatch(HOSTS, 'ns', 'h', { metadata: { uid: 'u' }, status: {} }, { subresource: 'status' });
    const [got] = server.received;
    expect(got).toMatchObject({ method: 'PATCH', path: `${HOSTS_PATH}/h/status` });
    expect(got?.headers['content-type']).toBe('application/merge-patch+json');
    expect(JSON.parse(got?.body ?? '')).toEqual({ metadata: { uid: 'u' }, status: {} });
  });

  test('apply goes to /status as a field manager, and never without a uid', async () => {
    const metadata = { name: 'm', namespace: 'ns', uid: 'u' };
    server.handler = (_, response) => json(response, 200, { metadata });
    await client.applyStatus(MACHINES, { metadata, status: { phase: 'Pending' } }, { fieldManager: 'f', force: true });
    const [got] = server.received;
    expect(got?.path).toMatch(/beskar7machines\/m\/status$/);
    expect(got?.query.toString()).toBe('fieldManager=f&force=true');
    expect(JSON.parse(got?.body ?? '')).toMatchObject({ kind: 'Beskar7Machine', metadata });
    const withoutUid = { metadata: { name: 'm', namespace: 'ns' } };
    await expect(client.applyStatus(MACHINES, withoutUid, { fieldManager: 'f' })).rejects.toThrow('uid is missing');
    expect(server.received).toHaveLength(1);
  });

  test('apply to another object of the same name is a Conflict: /status does not compare the uid', async () => {
    server.handler = (_, response) => json(response, 200, { metadata: { name: 'm', namespace: 'ns', uid: 'other' } });
    const object = { metadata: { name: 'm', namespace: 'ns', uid: 'u' } };
    const failure = await failureOf(client.applyStatus(MACHINES, object, { fieldManager: 'f' }));
    expect(isConflict(failure)).toBe(true);
  });

  test('a patch for another uid is a Conflict, although the API server calls it invalid', async () => {
    const message = 'Secret "s" is invalid: metadata.uid: Invalid value: "u": field is immutable';
    server.handler = (_, response) => json(response, 422, statusBody(422, 'Invalid', message));
    expect(isConflict(await failureOf(client.mergePatch(SECRETS, 'ns', 's', { metadata: { uid: 'u' } })))).toBe(true);
  });

  test('delete carries preconditions, and gone is fine', async () => {
    server.handler = (_, response) => json(response, 404, statusBody(404, 'NotFound', 'not there'));
    await client.delete(SECRETS, 'ns', 's', { uid: 'u' });
    expect(JSON.parse(server.received[0]?.body ?? '')).toMatchObject({ preconditions: { uid: 'u' } });
  });
});

describe('failures', () => {
  test.each([
    [404, 'NotFound', isNotFound],
    [409, 'Conflict', isConflict],
    [409, 'AlreadyExists', isAlreadyExists],
  ])('%i %s', async (code, reason, is) => {
    server.handler = (_, response) => json(response, code, statusBody(code, reason, 'because of x'));
    const failure = await failureOf(client.mergePatch(HOSTS, 'ns', 'h', {}));
    expect(is(failure)).toBe(true);
    expect(failure.message).toBe(`Kubernetes API: patch physicalhosts ns/h: ${code} ${reason}: because of x`);
    expect(failure.retryable).toBe(false);
  });

  test('a kind that is not served is not an object that is gone', async () => {
    server.handler = (_, response) => void response.writeHead(404).end('404 page not found\n');
    const failure = await failureOf(client.get(HOSTS, 'ns', 'h'));
    expect([isNotFound(failure), isKindAbsent(failure)]).toEqual([false, true]);
  });

  test('429 is repeated for a changing call, which was not carried out', async () => {
    server.handler = (_, response) =>
      server.received.length < 3
        ? json(response, 429, statusBody(429, 'TooManyRequests', 'slow down'), { 'retry-after': '0' })
        : json(response, 200, host);
    await client.mergePatch(HOSTS, 'ns', 'h', {});
    expect(server.received).toHaveLength(3);
  });

  test('429 beyond the deadline, or too often, is told at once', async () => {
    const slowDown = (retryAfter: string) => {
      server.handler = (_, response) => json(response, 429, statusBody(429, 'x', 'y'), { 'retry-after': retryAfter });
    };
    slowDown('60');
    expect(await failureOf(client.get(HOSTS, 'ns', 'h'))).toMatchObject({
      status: 429,
      retryAfterMs: 60_000,
      retryable: true,
    });
    slowDown('0');
    await failureOf(client.create(HOSTS, host));
    expect(server.received).toHaveLength(1 + 3);
  });

  test('500 is repeated for a GET only', async () => {
    server.handler = (_, response) =>
      server.received.length < 2
        ? json(response, 500, statusBody(500, 'InternalError', 'etcd'))
        : json(response, 200, host);
    await client.get(HOSTS, 'ns', 'h');
    expect(server.received).toHaveLength(2);
    server.handler = (_, response) => json(response, 500, statusBody(500, 'InternalError', 'etcd'));
    await failureOf(client.mergePatch(HOSTS, 'ns', 'h', {}));
    expect(server.received).toHaveLength(3);
  });

  test('a dropped connection: repeated for a GET, Unreachable for a change', async () => {
    server.handler = (_, response) =>
      server.received.length < 2 ? void response.destroy() : json(response, 200, host);
    await client.get(HOSTS, 'ns', 'h');
    server.handler = (_, response) => void response.destroy();
    const failure = await failureOf(client.create(HOSTS, host));
    expect(failure).toMatchObject({ status: 0, reason: 'Unreachable', retryable: true });
    expect(server.received).toHaveLength(3);
  });

  test('the deadline covers the body', async () => {
    server.handler = (_, response) => void response.writeHead(200).write('{"metadata":');
    const failure = await failureOf(client.get(HOSTS, 'ns', 'h', { timeoutMs: 50 }));
    expect(failure).toMatchObject({ status: 0, reason: 'Timeout' });
  });

  test('a caller who gives up gets Aborted, which is not retryable', async () => {
    server.handler = () => undefined;
    const controller = new AbortController();
    const call = failureOf(client.get(HOSTS, 'ns', 'h', { signal: controller.signal }));
    controller.abort();
    expect(await call).toMatchObject({ reason: 'Aborted', retryable: false });
    expect(await failureOf(client.get(HOSTS, 'ns', 'h', { signal: controller.signal }))).toMatchObject({
      reason: 'Aborted',
    });
  });

  test('an answer that is not JSON', async () => {
    server.handler = (_, response) => void response.writeHead(200).end('<html>');
    expect(await failureOf(client.get(HOSTS, 'ns', 'h'))).toMatchObject({ status: 0, reason: 'InvalidResponse' });
  });
});

describe('connections and credentials', () => {
  test('idle connections are used again', async () => {
    server.handler = (_, response) => json(response, 200, host);
    for (let n = 0; n < 30; n += 1) await client.get(HOSTS, 'ns', 'h');
    // A connection is free again a tick after its body has ended: two take turns.
    expect(server.connections).toBeLessThanOrEqual(2);
    await Promise.all(Array.from({ length: 20 }, () => client.get(HOSTS, 'ns', 'h')));
    await Promise.all(Array.from({ length: 20 }, () => client.get(HOSTS, 'ns', 'h')));
    expect(server.connections).toBeLessThanOrEqual(22);
  });

  test('a rotated token is read again after a 401, and never shown', async () => {
    let token = 'old';
    const rotating = KubeClient.fromConfig(
      configFor(server.address, () => token),
      { userAgent: 'x' },
    );
    server.handler = ({ headers }, response) =>
      headers.authorization === 'Bearer new'
        ? json(response, 200, host)
        : json(response, 401, statusBody(401, 'Unauthorized', 'no'));
    expect((await failureOf(rotating.get(HOSTS, 'ns', 'h'))).message).not.toContain('old');
    token = 'new';
    await rotating.mergePatch(HOSTS, 'ns', 'h', {});
    await rotating.close();
  });

  test('a kubeconfig without a cluster is told', () => {
    const empty = { ...configFor('x'), getCurrentCluster: () => null } as unknown as ReturnType<typeof configFor>;
    expect(() => KubeClient.fromConfig(empty, { userAgent: 'x' })).toThrow('context "test" names no cluster');
    expect(() => clientFor('not a url')).toThrow('is not a URL');
  });
});

describe('a kind of Cluster API that is served in an older version only', () => {
  const at = (version: string) => `/apis/cluster.x-k8s.io/${version}/namespaces/ns/clusters`;
  const cluster = { metadata: { name: 'c', namespace: 'ns' }, spec: { paused: true } };
  const serve = (version: string) => {
    server.handler = ({ path }, response) => {
      if (path === `${at(version)}/c`) return json(response, 200, cluster);
      if (path === at(version)) return json(response, 200, { metadata: { resourceVersion: '5' }, items: [cluster] });
      if (path.startsWith(at(version))) return json(response, 404, statusBody(404, 'NotFound', 'not found'));
      response.writeHead(404);
      response.end('404 page not found\n');
    };
  };
  const paths = () => server.received.map(({ path }) => path);

  test('is read in that one, and from then on at once', async () => {
    serve('v1beta1');
    await expect(client.get(CAPI_CLUSTERS, 'ns', 'c')).resolves.toMatchObject({ spec: { paused: true } });
    await expect(client.list(CAPI_CLUSTERS, { namespace: 'ns' })).resolves.toMatchObject({
      items: [{ spec: { paused: true } }],
    });
    expect(paths()).toEqual([`${at('v1beta2')}/c`, `${at('v1beta1')}/c`, at('v1beta1')]);
  });

  test('an object that is not there is NotFound, not an absent kind', async () => {
    serve('v1beta1');
    expect(isNotFound(await failureOf(client.get(CAPI_CLUSTERS, 'ns', 'none')))).toBe(true);
  });

  test('after an upgrade the newer one is found; where none is served the kind is absent', async () => {
    serve('v1beta1');
    await client.get(CAPI_CLUSTERS, 'ns', 'c');
    serve('v1beta2');
    await client.get(CAPI_CLUSTERS, 'ns', 'c');
    expect(paths().at(-1)).toBe(`${at('v1beta2')}/c`);
    serve('v1');
    expect(isKindAbsent(await failureOf(client.get(CAPI_CLUSTERS, 'ns', 'c')))).toBe(true);
  });
});
