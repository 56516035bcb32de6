import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import { KubeError } from '../../../kube/error.ts';
import { Guard } from '../../../web/server/guard.ts';
import { requireSafe } from '../../../web/server/safety.ts';
import { Sessions } from '../../../web/server/sessions.ts';
import type { Session } from '../../../web/shared/api.ts';
import { WebClient } from '../../support/webClient.ts';
import { host, machine, WebScene } from './scene.ts';

let scene: WebScene;
beforeEach(() => {
  scene = new WebScene();
  scene.hosts.put(host('rack1-01'));
  scene.machines.put(machine('worker-1'));
});
afterEach(() => scene.stop());

const ALL = ['list physicalhosts *', 'list beskar7machines *', 'get physicalhosts *', 'get beskar7machines *'];
const PATCH = ['patch physicalhosts *', 'patch beskar7machines *'];

describe('a log-in', () => {
  test('with a token that counts gives a cookie that no script reads and no other site sends; the token is in no answer and no log', async () => {
    const client = await scene.start();
    const token = scene.user('alice', ...ALL);
    expect(await client.session()).toEqual({
      isLoginRequired: true,
      csrfToken: expect.any(String),
      version: '0.0.0-test',
    });
    const anonymous = client.csrfToken;
    const answer = await client.logIn(token);
    expect(answer.body).toMatchObject({ isLoginRequired: true, user: 'alice' });
    expect(client.csrfToken).not.toBe(anonymous);
    expect(answer.headers.getSetCookie()[0]).toMatch(/^beskar7-session=[\w-]{43}; Path=\/; HttpOnly; SameSite=Strict$/);
    expect((await client.get('api/hosts/default/rack1-01')).status).toBe(200);
    expect(JSON.stringify([answer.body, [...answer.headers], scene.logs])).not.toContain(token);
  });

  test('with another one is refused, in words', async () => {
    const client = await scene.start();
    const { status, body } = await client.logIn('wrong');
    expect({ status, error: body.error }).toEqual({ status: 401, error: 'The API server does not accept this token.' });
    expect(client.cookie).toBe('');
    expect((await client.get('api/hosts/default/rack1-01')).status).toBe(401);
    expect(JSON.stringify(scene.logs)).not.toContain('"wrong"');
  });

  test('is refused when it is tried too often, for right tokens as well', async () => {
    const client = await scene.start();
    const token = scene.user('alice', ...ALL);
    for (let attempt = 1; attempt <= 10; attempt += 1)
      expect((await client.logIn(`guess-${attempt}`)).status).toBe(401);
    const refused = await client.logIn(token);
    expect(refused.status).toBe(429);
    expect(Number(refused.headers.get('retry-after'))).toBeGreaterThan(0);
    expect(scene.tokenReviews).toBe(10);
  });

  test('needs the header of our page', async () => {
    const client = await scene.start();
    const token = scene.user('alice', ...ALL);
    await client.session();
    expect((await client.post('api/login', { token }, { 'X-CSRF-Token': '' })).status).toBe(403);
    expect((await client.post('api/login', { token }, { 'Sec-Fetch-Site': 'cross-site' })).status).toBe(403);
    expect((await client.post('api/login', { token }, { 'Content-Type': 'text/plain' })).status).toBe(415);
    expect((await client.post('api/login', { token: 'x'.repeat(40_000) })).status).toBe(413);
    expect(scene.tokenReviews).toBe(0);
  });

  test('by HTTPS gives a cookie for this host only', async () => {
    const client = await scene.start({ trustedProxies: ['127.0.0.1'] });
    const token = scene.user('alice', ...ALL);
    await client.session();
    const answer = await client.post('api/login', { token }, { 'X-Forwarded-Proto': 'https' });
    expect(answer.headers.getSetCookie()[0]).toMatch(/^__Host-beskar7=.*; Secure$/);
  });

  test('cannot be asked while the API server is away', async () => {
    const client = await scene.start();
    scene.outage = new KubeError(
      { verb: 'create', resource: 'tokenreviews' },
      { status: 0, reason: 'Unreachable', message: 'gone' },
    );
    expect((await client.logIn(scene.user('alice'))).status).toBe(503);
  });
});

describe('a session', () => {
  test('ends with a log-out, and its stream with it', async () => {
    await scene.start();
    const client = await scene.loggedIn(scene.user('alice', ...ALL));
    const seen: string[] = [];
    const stream = (async () => {
      for await (const { event } of client.events()) {
        seen.push(event);
        if (event === 'snapshot') await client.post('api/logout');
      }
    })();
    await stream;
    expect(seen).toEqual(['snapshot']);
    expect(client.cookie).toBe('beskar7-session=');
    expect((await client.get('api/failures')).status).toBe(401);
  });

  test('is ended by a log-out also while the API server is away', async () => {
    await scene.start();
    const client = await scene.loggedIn(scene.user('alice', ...ALL));
    const { cookie } = client;
    scene.outage = new KubeError(
      { verb: 'create', resource: 'tokenreviews' },
      { status: 0, reason: 'Unreachable', message: 'gone' },
    );
    expect((await client.post('api/logout', {}, { 'X-CSRF-Token': 'another' })).status).toBe(403);
    expect((await client.post('api/logout')).status).toBe(204);
    scene.outage = undefined;
    client.cookie = cookie;
    expect((await client.get('api/failures')).status).toBe(401);
  });

  test('takes the CSRF token of its own log-in only', async () => {
    await scene.start();
    const alice = await scene.loggedIn(scene.user('alice', ...ALL, ...PATCH));
    const bob = await scene.loggedIn(scene.user('bob', ...ALL, ...PATCH));
    const path = 'api/machines/default/worker-1/retry';
    expect((await alice.post(path, {}, { 'X-CSRF-Token': bob.csrfToken })).status).toBe(403);
    expect(scene.patches).toEqual([]);
    expect((await alice.post(path)).status).toBe(202);
    expect(scene.patches).toHaveLength(1);
  });

  const sessions = () => {
    let now = 0;
    const many = Array.from({ length: 60 }, (_, at) => [`t-${at}`, `user-${at}`] as const);
    const users = new Map([['t', 'alice'], ...many]);
    const create = (_resource: unknown, { spec }: { spec: { token: string } }) => {
      const username = users.get(spec.token);
      return Promise.resolve({ status: username ? { authenticated: true, user: { username } } : {} });
    };
    const kube = { create } as unknown as ConstructorParameters<typeof Sessions>[0];
    const all = new Sessions(kube, { identityMs: 30_000, now: () => now });
    return { all, users, later: (ms: number) => void (now += ms) };
  };

  test('ends when its token does, within the time for which an answer is believed', async () => {
    const { all, users, later } = sessions();
    const session = await all.begin('t');
    users.clear();
    expect(await all.find(session?.id)).toBe(session);
    later(30_000);
    expect(await all.find(session?.id)).toBeUndefined();
    expect(session?.ended.aborted).toBe(true);
    expect(all.size).toBe(0);
  });

  test('ends after an hour without use, and after twelve with it', async () => {
    const { all, later } = sessions();
    const idle = await all.begin('t');
    const used = await all.begin('t');
    for (let minutes = 0; minutes < 61; minutes += 30) {
      later(30 * 60_000);
      await all.find(used?.id);
    }
    expect(await all.find(idle?.id)).toBeUndefined();
    for (let hours = 1.5; hours < 12; hours += 0.5) {
      expect(await all.find(used?.id)).toBe(used);
      later(30 * 60_000);
    }
    later(1);
    expect(await all.find(used?.id)).toBeUndefined();
  });

  test('there are a thousand at most: the one unused for longest makes room', async () => {
    const { all } = sessions();
    const tokens = Array.from({ length: 60 }, (_, at) => `t-${at}`);
    const first = await all.begin(tokens[0] ?? '');
    const second = await all.begin(tokens[1] ?? '');
    await all.find(first?.id);
    for (let count = 2; count < 1001; count += 1) await all.begin(tokens[2 + (count % 58)] ?? '');
    expect(all.size).toBe(1000);
    expect(await all.find(second?.id)).toBeUndefined();
    expect(await all.find(first?.id)).toBe(first);
  });
  test('whoever logs in again and again ends sessions of their own, and none of others', async () => {
    const { all } = sessions();
    const [ann, bob] = ['t-0', 't-1'];
    const kept = await all.begin(bob);
    const mine: (string | undefined)[] = [];
    for (let count = 0; count < 1500; count += 1) mine.push((await all.begin(ann))?.id);
    expect(all.size).toBe(21);
    expect(await all.find(kept?.id)).toBe(kept);
    expect(await all.find(mine.at(-1))).toBeDefined();
    expect(await all.find(mine[0])).toBeUndefined();
  });
});

describe('what somebody may', () => {
  test('is asked of the API server for each view and action, as that person', async () => {
    await scene.start();
    const bob = await scene.loggedIn(scene.user('bob', ...ALL));
    await bob.get('api/hosts/default/rack1-01');
    expect(scene.asked).toContainEqual({ user: 'bob', verb: 'get', resource: 'physicalhosts', namespace: 'default' });
    const refused = await bob.post<{ error: string }>('api/machines/default/worker-1/cancel');
    expect(refused.status).toBe(403);
    expect(refused.body.error).toMatch(/^bob may not patch beskar7machines in namespace default/);
    expect(scene.runs.cancelled).toEqual([]);
    const { body } = await bob.get<{ actions: { refusal?: string }[] }>('api/machines/default/worker-1');
    expect(body.actions.every(({ refusal }) => refusal?.startsWith('bob may not patch'))).toBe(true);
  });

  test('an action is done with that person’s own token, never as Beskar7', async () => {
    await scene.start();
    const alice = await scene.loggedIn(scene.user('alice', ...ALL, ...PATCH));
    await alice.post('api/machines/default/worker-1/retry');
    expect(scene.patches).toMatchObject([
      { as: 'alice', name: 'worker-1', patch: { metadata: { uid: 'uid-worker-1' } } },
    ]);
  });

  test('of the fleet only the namespaces that one may list are in the stream and in the failures', async () => {
    scene.hosts.put(host('rack9-01', { namespace: 'secret' }));
    scene.machines.put(machine('hidden', 'Failed', 'secret'));
    const failed = (name: string, namespace: string) => ({
      machine: { namespace, name },
      runId: name,
      endedAt: new Date().toISOString(),
      reason: 'BootFailed',
      message: name,
    });
    scene.runs.failed = [failed('worker-1', 'default'), failed('hidden', 'secret')];
    await scene.start();
    const bob = await scene.loggedIn(scene.user('bob', 'list physicalhosts default', 'list beskar7machines default'));
    const fleet = await bob.fleet();
    expect(fleet.hosts.map(({ name }) => name)).toEqual(['rack1-01']);
    expect(fleet.machines.map(({ name }) => name)).toEqual(['worker-1']);
    const { body } = await bob.get<{ reasons: { count: number }[] }>('api/failures');
    expect(body.reasons).toMatchObject([{ count: 1, lastMachine: { name: 'worker-1' } }]);
  });
});

describe('without a log-in', () => {
  test('it listens on loopback only', () => {
    for (const host of ['127.0.0.1', '127.8.0.1', '::1', 'localhost'])
      requireSafe({ auth: 'none', bindAddress: { host } });
    for (const host of ['0.0.0.0', '::', '10.0.0.1', '127.0.0.1.example.com'])
      expect(() => requireSafe({ auth: 'none', bindAddress: { host } })).toThrow(/--web-auth=token/);
    requireSafe({ auth: 'token', bindAddress: { host: '0.0.0.0' } });
  });

  test('it answers to names of this machine only, and to its own page only', async () => {
    const client = await scene.start({ auth: 'none' });
    const session: Session = await client.session();
    expect(session).toEqual({ isLoginRequired: false, csrfToken: expect.any(String), version: '0.0.0-test' });
    expect((await client.post('api/machines/default/worker-1/retry', {}, { 'X-CSRF-Token': 'guess' })).status).toBe(
      403,
    );
    expect((await client.post('api/machines/default/worker-1/retry')).status).toBe(202);
    expect(scene.patches).toMatchObject([{ as: 'beskar7' }]);
    const guard = new Guard('none', {} as Sessions);
    const request = (name: string) => ({ headers: { host: name } }) as never;
    for (const name of ['127.0.0.1:8090', 'localhost:8090', '[::1]:8090', 'localhost'])
      guard.requireOwnName(request(name));
    for (const name of ['attacker.example:8090', '127.0.0.1.attacker.example', '', '10.0.0.1:8090'])
      expect(() => guard.requireOwnName(request(name))).toThrow('needs no log-in');
  });
});

describe('what else is refused', () => {
  test('too many requests of one address', async () => {
    const client = await scene.start();
    const statuses = new Set<number>();
    const ask = async () => statuses.add((await client.get('api/session')).status);
    // At once: the budget fills up again with time.
    for (let round = 0; round < 20 && !statuses.has(429); round += 1)
      await Promise.all(Array.from({ length: 100 }, ask));
    expect(statuses).toEqual(new Set([200, 429]));
  });

  test('files that are not of the page, and names that are none', async () => {
    const client = await scene.start({ auth: 'none' });
    for (const path of [
      '..%2fetc%2fpasswd',
      'assets/',
      'x',
      'api/x',
      'api/hosts/default/..%2f..',
      'api/hosts/default/gone',
    ])
      expect({ path, status: (await client.get(path)).status }).toEqual({ path, status: 404 });
    const index = await client.get<string>('');
    expect(index.body).toContain('<title>page</title>');
    expect(index.headers.get('content-security-policy')).toContain("frame-ancestors 'none'");
    const etag = index.headers.get('etag') ?? '';
    expect((await client.get('', { 'If-None-Match': `W/${etag}` })).status).toBe(304);
    const script = await client.get('assets/page-1a2b.js', { 'Accept-Encoding': 'gzip' });
    expect(script.headers.get('content-encoding')).toBe('gzip');
    expect(script.headers.get('cache-control')).toContain('immutable');
  });

  test('more than twenty streams of one person, by any number of log-ins', async () => {
    await scene.start();
    const client = await scene.loggedIn(scene.user('alice', ...ALL));
    const again = await scene.loggedIn(scene.user('alice', ...ALL));
    const streams = Array.from({ length: 20 }, (_, at) => (at % 2 === 0 ? client : again).events());
    for (const stream of streams) expect((await stream.next()).value).toMatchObject({ event: 'snapshot' });
    for (const one of [client, again]) await expect(one.fleet()).rejects.toThrow(/503.*Too many pages/);
    const bob = await scene.loggedIn(scene.user('bob', ...ALL));
    await expect(bob.fleet()).resolves.toBeDefined();
    for (const stream of streams) await stream.return(undefined);
  });
});

test('a page without a log-in is no other person’s: a stranger’s cookie opens nothing', async () => {
  const client = await scene.start();
  const stranger = new WebClient(client.url);
  stranger.cookie = 'beskar7-session=guess';
  expect((await stranger.get('api/failures')).status).toBe(401);
});
