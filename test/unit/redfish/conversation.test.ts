import { createServer, type Server } from 'node:net';
import { gzipSync } from 'node:zlib';
import { afterEach, describe, expect, test } from '@jest/globals';
import { retryAfterMs } from '../../../redfish/delay.ts';
import { RedfishError } from '../../../redfish/index.ts';
import {
  allow,
  clientOf,
  extendedError,
  failureOf,
  fakeBmc,
  PASSWORD,
  stopAll,
  USER,
  type Answer,
  type FakeBmc,
} from './fakeBmc.ts';

afterEach(stopAll);

const SYSTEM = '/redfish/v1/Systems/1';
const SESSIONS = '/redfish/v1/SessionService/Sessions';
const BASIC = `Basic ${Buffer.from(`${USER}:${PASSWORD}`).toString('base64')}`;

/** A BMC that knows sessions only; tokens are `t1`, `t2` …, of which `valid` are good. */
function sessionsOnly(bmc: FakeBmc): Set<string> {
  const valid = new Set<string>();
  let made = 0;
  bmc.on('GET', '/redfish/v1/', {
    body: { Systems: { '@odata.id': '/redfish/v1/Systems/' }, Links: { Sessions: { '@odata.id': `${SESSIONS}/` } } },
  });
  bmc.on('GET', '/redfish/v1/Systems/', (seen) => bmc.builtIn({ ...seen, path: '/redfish/v1/Systems' }));
  bmc.on('POST', `${SESSIONS}/`, (seen) => {
    expect(seen.body).toEqual({ UserName: USER, Password: PASSWORD });
    made += 1;
    valid.add(`t${made}`);
    return { status: 201, headers: { 'x-auth-token': `t${made}`, location: `${SESSIONS}/${made}` } };
  });
  bmc.on('DELETE', `${SESSIONS}/1`, { status: 204 });
  bmc.on('DELETE', `${SESSIONS}/2`, { status: 204 });
  bmc.habits.unshift((seen) => {
    if (seen.path === '/redfish/v1/' || seen.method === 'POST' || valid.has(String(seen.headers['x-auth-token'])))
      return undefined;
    return { status: 401, body: extendedError('Base.1.8.NoValidSession', 'no session') };
  });
  return valid;
}

describe('authentication', () => {
  test('Basic by default, without a session', async () => {
    const bmc = await fakeBmc();
    const client = clientOf(bmc);
    await client.getSystemInfo();
    await client.close();
    expect(bmc.seen.every((one) => one.headers.authorization === BASIC)).toBe(true);
    expect(bmc.changes).toEqual([]);
  });

  test('sessions only: one login, reused, logged out on close', async () => {
    const bmc = await fakeBmc(sessionsOnly);
    const client = clientOf(bmc);
    await client.getSystemInfo();
    await client.setBootSourcePXE(allow);
    await client.close();
    expect(bmc.sent('POST', `${SESSIONS}/`)).toHaveLength(1);
    expect(bmc.sent('DELETE').map((one) => one.path)).toEqual([`${SESSIONS}/1`]);
    expect(bmc.connections).toBe(1);
    expect(await failureOf(client.getPowerState())).toMatchObject({ kind: 'Aborted', retryable: true });
  });

  test('a session that ended is renewed once; a changing request passes its fence again', async () => {
    let valid = new Set<string>();
    const bmc = await fakeBmc((it) => (valid = sessionsOnly(it)));
    const client = clientOf(bmc);
    await client.getPowerState();
    valid.clear();
    await client.getPowerState();
    let fences = 0;
    bmc.habits.unshift((seen) => {
      if (seen.method !== 'PATCH' || fences > 1) return undefined;
      valid.clear();
      return { status: 401 };
    });
    await client.setBootSourcePXE({ ...allow, fence: () => Promise.resolve(() => void (fences += 1)) });
    expect(bmc.sent('POST', `${SESSIONS}/`)).toHaveLength(3);
    expect(fences).toBe(2);
  });

  test('a wrong password: two tries, then silence, whoever asks', async () => {
    const bmc = await fakeBmc((it) =>
      it.habits.push((seen) => (seen.path === '/redfish/v1/' ? undefined : { status: 401 })),
    );
    const client = clientOf(bmc);
    const failure = await failureOf(client.getPowerState());
    expect(failure).toMatchObject({ kind: 'Unauthorized', retryable: false, status: 401 });
    expect(String(failure)).toContain(
      'refuses the user "operator" (401): check username and password in the credentials Secret',
    );
    const asked = bmc.seen.length;
    for (let i = 0; i < 3; i += 1) expect(await failureOf(client.getPowerState())).toBe(failure);
    expect(bmc.seen).toHaveLength(asked);
    expect(bmc.sent('POST')).toHaveLength(1);
  });

  test('a 401 with a fresh session: no second login', async () => {
    const bmc = await fakeBmc((it) => {
      sessionsOnly(it);
      it.habits.unshift((seen) => (seen.path === SYSTEM ? { status: 401 } : undefined));
    });
    expect(await failureOf(clientOf(bmc).getPowerState())).toMatchObject({ kind: 'Unauthorized' });
    expect(bmc.sent('POST').length).toBeLessThanOrEqual(2);
  });

  test('out of session slots (503) is Busy, and asked again', async () => {
    const bmc = await fakeBmc((it) => {
      sessionsOnly(it);
      let full = 1;
      it.habits.unshift((seen) =>
        seen.method === 'POST' && full-- > 0 ? { status: 503, headers: { 'retry-after': '0' } } : undefined,
      );
    });
    await expect(clientOf(bmc).getPowerState()).resolves.toBe('Off');
  });

  test('no credential in an error, even when the BMC repeats it', async () => {
    const told = `bad ${PASSWORD} or ${BASIC} or ${encodeURIComponent(PASSWORD)}`;
    const bmc = await fakeBmc((it) => it.on('GET', SYSTEM, { status: 400, body: extendedError(PASSWORD, told) }));
    const failure = (await failureOf(clientOf(bmc).getPowerState())) as RedfishError;
    const text = `${failure.message} ${JSON.stringify(failure)} ${String(failure.stack)}`;
    expect(text).toContain('bad *** or');
    for (const secret of [PASSWORD, BASIC.slice(6), encodeURIComponent(PASSWORD)]) expect(text).not.toContain(secret);
  });
});

describe('reads', () => {
  test.each([503, 504, 429])('%i is asked again, as Retry-After says', async (status) => {
    const bmc = await fakeBmc((it) => it.on('GET', SYSTEM, { status, headers: { 'retry-after': '0' } }, 1));
    await expect(clientOf(bmc).getPowerState()).resolves.toBe('Off');
    expect(bmc.sent('GET', SYSTEM)).toHaveLength(2);
  });

  test.each<[string, Answer]>([
    ['500', { status: 500, body: '<html>starting</html>' }],
    ['200 without JSON', { body: '<html>starting</html>' }],
    ['200 without a body', {}],
  ])('%s is asked again, once', async (_what, answer) => {
    const bmc = await fakeBmc((it) => it.on('GET', SYSTEM, answer, 1));
    await expect(clientOf(bmc).setPowerState('On', allow)).resolves.toBeUndefined();
    expect(bmc.sent('GET', SYSTEM)).toHaveLength(2);
    bmc.on('GET', SYSTEM, answer);
    expect(await failureOf(clientOf(bmc).getPowerState())).toMatchObject({ kind: 'Protocol', retryable: true });
    expect(bmc.sent('GET', SYSTEM)).toHaveLength(4);
  });

  test('so is a connection that breaks', async () => {
    const bmc = await fakeBmc((it) => it.on('GET', SYSTEM, { instead: 'reset' }, 1));
    await expect(clientOf(bmc).getPowerState()).resolves.toBe('Off');
  });

  test('busy beyond the deadline: Busy, with how long the BMC wants to be left alone', async () => {
    const bmc = await fakeBmc((it) => it.on('GET', SYSTEM, { status: 503, headers: { 'retry-after': '20' } }));
    const failure = await failureOf(clientOf(bmc).getPowerState());
    expect(failure).toMatchObject({ kind: 'Busy', retryable: true, retryAfterMs: 20_000, status: 503 });
  });

  test('a keep-alive connection that went stale', async () => {
    const bmc = await fakeBmc();
    const client = clientOf(bmc);
    await client.getPowerState();
    for (const socket of bmc.sockets) socket.destroy();
    await expect(client.getPowerState()).resolves.toBe('Off');
  });

  test('no answer: Timeout at the deadline, which covers the body', async () => {
    const bmc = await fakeBmc((it) => it.on('GET', SYSTEM, { instead: 'hang' }, 1));
    const client = clientOf(bmc, { callTimeoutMs: 1_000 });
    const startedMs = performance.now();
    expect(await failureOf(client.getPowerState())).toMatchObject({ kind: 'Timeout', retryable: true });
    expect(performance.now() - startedMs).toBeLessThan(10_000);
    await expect(client.getPowerState()).resolves.toBe('Off');
    await withRawServer('HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\n{', async (address) => {
      expect(await failureOf(clientOf(bmc, { address, callTimeoutMs: 1_000 }).getPowerState())).toMatchObject({
        kind: 'Timeout',
      });
    });
  });

  test('a changing request without answer may have landed', async () => {
    const bmc = await fakeBmc((it) => it.on('PATCH', SYSTEM, { instead: 'hang' }));
    const failure = await failureOf(clientOf(bmc, { callTimeoutMs: 1_000 }).setBootSourcePXE(allow));
    expect(failure).toMatchObject({ kind: 'Timeout', mayHaveLanded: true });
    expect(bmc.sent('PATCH')).toHaveLength(1);
  });

  test('a cancel ends the call in flight at once', async () => {
    const abort = new AbortController();
    const bmc = await fakeBmc((it) =>
      it.on('GET', SYSTEM, () => {
        setImmediate(() => abort.abort(new Error('operator')));
        return { instead: 'hang' };
      }),
    );
    const failure = await failureOf(clientOf(bmc).getPowerState({ signal: abort.signal }));
    expect(failure).toMatchObject({ kind: 'Aborted', cause: new Error('operator') });
    expect(await failureOf(clientOf(bmc).getPowerState({ signal: abort.signal }))).toMatchObject({ kind: 'Aborted' });
  });

  test('nobody listens: Unreachable at once', async () => {
    const bmc = await fakeBmc();
    await bmc.stop();
    const failure = await failureOf(clientOf(bmc).getPowerState());
    expect(failure).toMatchObject({ kind: 'Unreachable', retryable: true });
    expect(String(failure)).toContain('ECONNREFUSED');
  });

  test('identity is asked for, dropped after a 406, and gzip understood anyway', async () => {
    const bmc = await fakeBmc((it) => {
      it.habits.push((seen) => (seen.headers['accept-encoding'] === undefined ? undefined : { status: 406 }));
      it.on('GET', SYSTEM, () => ({
        headers: { 'content-encoding': 'gzip' },
        body: gzipSync(JSON.stringify(it.system())),
      }));
    });
    const client = clientOf(bmc);
    await expect(client.getPowerState()).resolves.toBe('Off');
    await client.setBootSourcePXE(allow);
    expect(bmc.seen.map((one) => one.headers['accept-encoding']).filter((sent) => sent !== undefined)).toEqual([
      'identity',
    ]);
  });
});

describe('addresses', () => {
  test('redirects on the same host are followed with the method kept, each write behind the fence', async () => {
    const bmc = await fakeBmc((it) => {
      it.on('GET', '/redfish/v1/', { status: 302, headers: { location: '/redfish/v1' } });
      it.resources.set('/redfish/v1', { Systems: { '@odata.id': '/redfish/v1/Systems' } });
      it.on('PATCH', SYSTEM, { status: 308, headers: { location: `${SYSTEM}/` } });
      it.on('PATCH', `${SYSTEM}/`, (seen) => it.builtIn({ ...seen, path: SYSTEM }));
    });
    let checks = 0;
    await clientOf(bmc).setBootSourcePXE({ ...allow, fence: () => Promise.resolve(() => void (checks += 1)) });
    expect(bmc.sent('PATCH', `${SYSTEM}/`)).toHaveLength(1);
    expect(checks).toBe(2);
  });

  test.each([
    [
      'another host',
      (it: FakeBmc) => it.on('GET', SYSTEM, { status: 307, headers: { location: 'http://127.0.0.2:1/x' } }),
    ],
    [
      'another port',
      (it: FakeBmc) => it.on('GET', SYSTEM, { status: 301, headers: { location: 'http://127.0.0.1:1/x' } }),
    ],
    ['a link to another host', (it: FakeBmc) => (it.members = ['//evil.example/redfish/v1/Systems/1'])],
  ])('%s is not followed', async (_name, habit) => {
    const bmc = await fakeBmc(habit);
    const failure = await failureOf(clientOf(bmc).getPowerState());
    expect(failure).toMatchObject({ kind: 'Protocol' });
    expect(String(failure)).toContain('another address, which is not followed');
  });

  test('redirects in circles end', async () => {
    const bmc = await fakeBmc((it) => it.on('GET', SYSTEM, { status: 302, headers: { location: SYSTEM } }));
    expect(String(await failureOf(clientOf(bmc).getPowerState()))).toContain('in circles');
  });

  test('the root with and without a slash, and a path in the address', async () => {
    const bmc = await fakeBmc((it) => {
      it.on('GET', '/redfish/v1/', { status: 404 });
      it.resources.set('/redfish/v1', { Systems: { '@odata.id': '/redfish/v1/Systems' } });
    });
    for (const path of ['', '/', '/redfish/v1', '/redfish/v1/', '/redfish/v1/Systems/1/']) {
      await expect(clientOf(bmc, { address: bmc.address + path }).getPowerState()).resolves.toBe('Off');
    }
  });

  test('Retry-After is bounded', () => {
    const now = Date.parse('2026-01-01T00:00:00Z');
    const cases: [string | undefined, number | undefined][] = [
      ['3', 3_000],
      ['0', 0],
      ['99999999999', 30_000],
      ['Thu, 01 Jan 2026 00:00:07 GMT', 7_000],
      ['Thu, 01 Jan 1970 00:00:00 GMT', 0],
      ['soon', undefined],
      ['', undefined],
      [undefined, undefined],
    ];
    for (const [header, ms] of cases) expect(retryAfterMs(header, now)).toBe(ms);
  });
});

describe('answers that are none', () => {
  test.each<[string, number, Answer]>([
    ['a page', 2, { body: '<html>starting</html>' }],
    ['an array', 2, { body: '[]' }],
    ['nothing', 2, { status: 204 }],
    ['too much', 1, { body: `{"a":"${'x'.repeat(4 * 1024 * 1024)}"}` }],
    ['a bomb', 1, { headers: { 'content-encoding': 'gzip' }, body: gzipSync(Buffer.alloc(5 * 1024 * 1024)) }],
    ['broken gzip', 1, { headers: { 'content-encoding': 'gzip' }, body: 'x' }],
  ])('%s: after %i requests', async (_name, requests, answer) => {
    const bmc = await fakeBmc((it) => it.on('GET', SYSTEM, answer, requests));
    const client = clientOf(bmc);
    expect(await failureOf(client.getPowerState())).toMatchObject({ kind: 'Protocol' });
    await expect(client.getPowerState()).resolves.toBe('Off');
  });

  test.each([
    'SSH-2.0-OpenSSH_9.6\r\n',
    'HTTP/1.1 200 OK\r\ncontent-length: -4\r\n\r\n',
    'HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\nzz\r\n',
  ])('no HTTP: %j', async (bytes) => {
    const bmc = await fakeBmc();
    await withRawServer(bytes, async (address) => {
      const failure = await failureOf(clientOf(bmc, { address, callTimeoutMs: 500 }).getPowerState());
      expect(failure).toBeInstanceOf(RedfishError);
      expect(failure).toMatchObject({ kind: 'Protocol' });
    });
  });
});

/** A server that answers each connection's first bytes with these. */
async function withRawServer(bytes: string, use: (address: string) => Promise<void>): Promise<void> {
  const server: Server = createServer((socket) => {
    socket.on('error', () => undefined);
    socket.once('data', () => socket.write(bytes));
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  try {
    await use(`http://127.0.0.1:${(server.address() as { port: number }).port}`);
  } finally {
    await stopAll();
    server.close();
  }
}
