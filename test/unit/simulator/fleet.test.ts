import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import { Agent, request } from 'undici';
import { startFleet, type Fleet } from '../../../simulator/index.ts';

let fleet: Fleet;
let callback: Server;
const calls: { method: string; url: string; authorization: string | undefined; body: string }[] = [];
let script: (base: string) => string;
const agent = new Agent({ keepAliveTimeout: 1_000 });
const auth = { authorization: `Basic ${Buffer.from('admin:simulated').toString('base64')}` };

const until = async (what: () => boolean) => {
  for (let tries = 0; tries < 400; tries += 1) {
    if (what()) return;
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
  throw new Error('it did not become so');
};

async function start(options: Parameters<typeof startFleet>[0] = {}): Promise<void> {
  const { port } = callback.address() as AddressInfo;
  fleet = await startFleet({
    hosts: 1,
    basePort: 0,
    latencyMs: 0,
    bootTimeMs: 1,
    powerDelayMs: 5,
    bootstrapPollMs: 5,
    profile: 'generic',
    bootUrl: `http://127.0.0.1:${port}/boot?mac=\${net0/mac}`,
    ...options,
  });
}

async function bmc(
  method: 'GET' | 'POST' | 'PATCH' | 'DELETE',
  path: string,
  body?: object,
  headers: Record<string, string> = auth,
) {
  const { address } = fleet.host('sim-0001');
  const answer = await request(address + path, {
    method,
    dispatcher: agent,
    headers: { ...headers, ...(body ? { 'content-type': 'application/json' } : {}) },
    ...(body ? { body: JSON.stringify(body) } : {}),
  });
  const text = await answer.body.text();
  return {
    status: answer.statusCode,
    headers: answer.headers,
    json: (text ? JSON.parse(text) : {}) as Record<string, unknown>,
  };
}

const SYSTEM = '/redfish/v1/Systems/1';
const reset = (type: string) => bmc('POST', `${SYSTEM}/Actions/ComputerSystem.Reset`, { ResetType: type });
const pxeOnce = { Boot: { BootSourceOverrideTarget: 'Pxe', BootSourceOverrideEnabled: 'Once' } };
const state = () => fleet.host('sim-0001').server.state;

beforeEach(async () => {
  calls.length = 0;
  script = (base) =>
    `#!ipxe\nkernel ${base}/vmlinuz beskar7.api=${base} beskar7.namespace=ns beskar7.host=h beskar7.token=t0\ninitrd x\nboot\n`;
  callback = createServer((incoming, response) => {
    let body = '';
    incoming.on('data', (chunk: Buffer) => (body += chunk.toString()));
    incoming.on('end', () => {
      const { authorization } = incoming.headers;
      calls.push({ method: incoming.method ?? '', url: incoming.url ?? '', authorization, body });
      const base = `http://127.0.0.1:${(callback.address() as AddressInfo).port}`;
      if (incoming.url?.startsWith('/boot')) return response.end(script(base));
      const polls = calls.filter(({ url }) => url.includes('/bootstrap')).length;
      if (incoming.url?.includes('/bootstrap')) return response.writeHead(polls < 2 ? 404 : 200).end('user data');
      return response.writeHead(202).end();
    });
  });
  await new Promise<void>((resolve) => callback.listen(0, '127.0.0.1', resolve));
});

afterEach(async () => {
  await fleet.stop();
  callback.closeAllConnections();
  await new Promise((resolve) => callback.close(resolve));
});

describe('a server that boots', () => {
  test('fetches its script, reports, polls, hands over and kexecs, once', async () => {
    await start();
    await bmc('PATCH', SYSTEM, pxeOnce);
    await reset('On');
    expect(state().power).toBe('PoweringOn');
    await until(() => state().running === 'os');
    expect(calls.map(({ method, url }) => `${method} ${url}`)).toEqual([
      'GET /boot?mac=02:b7:00:00:00:01',
      'POST /api/v1/inspection/ns/h',
      'GET /api/v1/bootstrap/ns/h',
      'GET /api/v1/bootstrap/ns/h',
      'POST /api/v1/provisioned/ns/h',
    ]);
    expect(calls.slice(1).every(({ authorization }) => authorization === 'Bearer t0')).toBe(true);
    expect(JSON.parse(calls[1]?.body ?? '{}')).toMatchObject({ cpus: { count: 2, cores: 16, threads: 32 } });
    expect(fleet.host('sim-0001').server.override.enabled).toBe('Disabled');
    await reset('ForceOff');
    await until(() => state().power === 'Off');
    await reset('On');
    await until(() => state().running === 'disk');
    expect(state().networkBoots).toBe(1);
  });

  test('stops in the middle when it is switched off', async () => {
    await start({ bootstrapPollMs: 60_000 });
    await bmc('PATCH', SYSTEM, pxeOnce);
    await reset('On');
    await until(() => calls.some(({ url }) => url.includes('/bootstrap')));
    await reset('ForceOff');
    await until(() => state().power === 'Off');
    expect(state()).toMatchObject({ running: 'nothing', kexecs: 0 });
    expect(calls.some(({ url }) => url.includes('/provisioned'))).toBe(false);
  });
});

describe('faults', () => {
  test('a command that is lost is accepted and not done', async () => {
    await start();
    await fleet.fault('sim-0001', { powerStuck: true });
    expect((await reset('On')).status).toBe(204);
    expect(state().power).toBe('Off');
  });

  test('503 carries Retry-After, and heals', async () => {
    await start();
    await fleet.fault('sim-0001', { unavailable: 7 });
    const { status, headers } = await bmc('GET', SYSTEM);
    expect([status, headers['retry-after']]).toEqual([503, '7']);
    await fleet.heal();
    expect((await bmc('GET', SYSTEM)).status).toBe(200);
  });

  test('refused connections come back on the same port', async () => {
    await start();
    const { address } = fleet.host('sim-0001');
    await fleet.fault('sim-0001', { refuse: true });
    await expect(bmc('GET', SYSTEM)).rejects.toThrow();
    await fleet.heal('sim-0001');
    expect(fleet.host('sim-0001').address).toBe(address);
    expect((await bmc('GET', SYSTEM)).status).toBe(200);
  });
});

describe('habits', () => {
  test('wrong credentials get 401 and change nothing', async () => {
    await start();
    const wrong = { authorization: `Basic ${Buffer.from('admin:wrong').toString('base64')}` };
    expect((await bmc('PATCH', SYSTEM, pxeOnce, wrong)).status).toBe(401);
    expect(fleet.host('sim-0001').server.override.enabled).toBe('Disabled');
  });

  test('sessions are few, and end', async () => {
    await start({ profile: 'dell' });
    const logIn = () =>
      bmc('POST', '/redfish/v1/SessionService/Sessions', { UserName: 'admin', Password: 'simulated' }, {});
    const made = [];
    for (let index = 0; index < 8; index += 1) made.push(await logIn());
    expect(made.every(({ status }) => status === 201)).toBe(true);
    expect((await logIn()).status).toBe(503);
    const token = { 'x-auth-token': String(made[0]?.headers['x-auth-token']) };
    expect((await bmc('DELETE', String(made[0]?.headers.location), undefined, token)).status).toBe(204);
    expect((await bmc('GET', '/redfish/v1/Systems', undefined, token)).status).toBe(401);
  });

  test('an ETag is required where the profile says so', async () => {
    await start({ profile: 'hpe' });
    expect((await bmc('PATCH', SYSTEM, pxeOnce)).status).toBe(428);
    expect((await bmc('PATCH', SYSTEM, pxeOnce, { ...auth, 'if-match': '"other"' })).status).toBe(412);
    const etag = String((await bmc('GET', SYSTEM)).headers.etag);
    expect((await bmc('PATCH', SYSTEM, pxeOnce, { ...auth, 'if-match': etag })).status).toBe(204);
  });

  test('requests are recorded, without passwords', async () => {
    await start();
    await bmc('POST', '/redfish/v1/SessionService/Sessions', { UserName: 'admin', Password: 'simulated' }, {});
    await bmc('PATCH', SYSTEM, pxeOnce, { ...auth, 'user-agent': 'beskar7 (c1)' });
    const requests = fleet.requests('sim-0001');
    expect(requests.map(({ method, mutating, status }) => [method, mutating, status])).toEqual([
      ['POST', false, 201],
      ['PATCH', true, 204],
    ]);
    expect(requests[1]?.userAgent).toBe('beskar7 (c1)');
    expect(JSON.stringify(requests)).not.toContain('simulated');
    expect(fleet.summary()).toMatchObject({ hosts: 1, requests: 2, mutatingRequests: 1 });
  });
});
