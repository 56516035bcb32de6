import { connect, createServer, type Server } from 'node:net';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, describe, expect, jest, test } from '@jest/globals';
import { checkConnection } from '../../../redfish/connectionOptions.ts';
import type { MutateOptions } from '../../../redfish/index.ts';
import { allow, clientOf, failureOf, fakeBmc, stopAll } from './fakeBmc.ts';

jest.setTimeout(30_000);

const proxies: Server[] = [];
afterEach(async () => {
  await stopAll();
  for (const proxy of proxies.splice(0)) proxy.close();
});

const fixture = (name: string): string => readFileSync(join(__dirname, 'fixtures', name), 'utf8');
const tls = { key: fixture('bmc.key'), cert: fixture('bmc.crt') };

/** The address of a proxy before a BMC that holds back what each connection says first. */
async function slowly(address: string, handshakeMs: number): Promise<string> {
  const { port } = new URL(address);
  const proxy = createServer((socket) => {
    const behind = connect(Number(port), '127.0.0.1');
    for (const side of [socket, behind]) side.on('error', () => undefined);
    behind.pipe(socket);
    socket.on('close', () => behind.destroy());
    setTimeout(() => socket.pipe(behind), handshakeMs);
  });
  proxies.push(proxy);
  await new Promise<void>((resolve) => proxy.listen(0, '127.0.0.1', resolve));
  return `https://127.0.0.1:${(proxy.address() as { port: number }).port}`;
}

/** A fence that is good for so long after it began. */
function goodFor(ms: number): MutateOptions {
  return {
    ...allow,
    fence: () => {
      const began = performance.now();
      return Promise.resolve(() => {
        if (performance.now() - began >= ms) throw new Error('FenceExpired');
      });
    },
  };
}

describe('a BMC whose handshake takes longer than a fence is good for', () => {
  test.each([
    ['it closes each connection', { connection: 'close' }],
    ['it keeps them', {}],
  ])('%s: the connection comes first, then the fence', async (_name, headers: Record<string, string>) => {
    const bmc = await fakeBmc((it) => {
      it.power = 'On';
      it.habits.push((seen) => ({ headers, ...it.builtIn(seen) }));
    }, tls);
    const address = await slowly(bmc.address, 800);
    const client = clientOf(bmc, { address, insecureSkipVerify: true, callTimeoutMs: 10_000 });
    await client.setPowerState('ForceOff', goodFor(600));
    expect(bmc.power).toBe('Off');
    expect(bmc.sent('POST')).toHaveLength(1);
  });

  test('sessions only, and each answer closes: log-in, connection and fence in this order', async () => {
    const bmc = await fakeBmc((it) => {
      it.power = 'On';
      it.habits.push((seen) => {
        if (seen.method === 'POST' && seen.path.endsWith('/Sessions')) {
          return { status: 201, headers: { 'x-auth-token': 't', location: '/s/1', connection: 'close' } };
        }
        if (seen.path === '/s/1') return { status: 204 };
        if (seen.path === '/redfish/v1/' || seen.headers['x-auth-token'] === 't') {
          return { headers: { connection: 'close' }, ...it.builtIn(seen) };
        }
        return { status: 401, headers: { connection: 'close' } };
      });
    }, tls);
    const address = await slowly(bmc.address, 800);
    const options = { address, insecureSkipVerify: true, authentication: 'Session', callTimeoutMs: 10_000 } as const;
    const client = clientOf(bmc, options);
    await client.setPowerState('ForceOff', goodFor(600));
    expect(bmc.power).toBe('Off');
    await client.close();
    expect(bmc.sent('DELETE', '/s/1')).toHaveLength(1);
  });

  test('11 s, and nothing is set: it connects, and its server is switched off', async () => {
    const bmc = await fakeBmc((it) => (it.power = 'On'), tls);
    const address = await slowly(bmc.address, 11_000);
    const client = clientOf(bmc, { address, insecureSkipVerify: true, callTimeoutMs: 60_000 });
    await client.setPowerState('ForceOff', goodFor(2_000));
    expect([bmc.power, bmc.sent('POST').length]).toEqual(['Off', 1]);
  }, 60_000);

  test('longer than its own bound: what was slow, and which field to set', async () => {
    const bmc = await fakeBmc(undefined, tls);
    const address = await slowly(bmc.address, 60_000);
    const failure = await failureOf(clientOf(bmc, { address, connectTimeoutMs: 200 }).getPowerState());
    expect(failure).toMatchObject({ kind: 'Unreachable', retryable: true, mayHaveLanded: false });
    expect(String(failure)).toMatch(/no TLS handshake within 200 ms.*redfishConnection\.timeouts\.connectSeconds/);
  });
});

test('by default a connection has 30 s, and no bound may pass the deadline of a call', () => {
  const options = { address: 'https://10.0.0.1', username: 'u', password: 'p' };
  expect(checkConnection(options)).toMatchObject({ connectTimeoutMs: 30_000, callTimeoutMs: 60_000 });
  for (const timeouts of [
    { callTimeoutMs: 60_001 },
    { connectTimeoutMs: 60_001 },
    { connectTimeoutMs: 0 },
    { callTimeoutMs: NaN },
  ])
    expect(() => checkConnection({ ...options, ...timeouts })).toThrow(
      /TimeoutMs must be a positive number of at most 60000/,
    );
});
