import { mkdtempSync, rmSync } from 'node:fs';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import { Agent, request } from 'undici';
import { startFleet, type Fleet } from '../../../simulator/index.ts';

let fleet: Fleet;
let callback: Server;
const calls: { method: string; url: string; authorization: string | undefined; body: string; from: string }[] = [];
/** The status of a route, by the count of its calls so far; 0 cuts the connection. */
let answers: Record<string, (count: number) => number>;
let script: (base: string) => string;
const folder = mkdtempSync(join(tmpdir(), 'fleet-'));
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
    bootUrl: `http://127.0.0.1:${port}/boot?mac=\${netX/mac}`,
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
  answers = {};
  script = (base) =>
    `#!ipxe\nkernel ${base}/vmlinuz beskar7.api=${base} beskar7.namespace=ns beskar7.host=h beskar7.token=t0\ninitrd x\nboot\n`;
  callback = createServer((incoming, response) => {
    let body = '';
    incoming.on('data', (chunk: Buffer) => (body += chunk.toString()));
    incoming.on('end', () => {
      const { authorization } = incoming.headers;
      const from = incoming.socket.remoteAddress ?? '';
      calls.push({ method: incoming.method ?? '', url: incoming.url ?? '', authorization, body, from });
      const route = Object.keys(answers).find((name) => incoming.url?.includes(`/${name}`));
      const count = calls.filter(({ url }) => route !== undefined && url.includes(`/${route}`)).length;
      const status = route === undefined ? undefined : answers[route]?.(count);
      if (status === 0) return incoming.socket.destroy();
      if (status !== undefined && status !== 200) return response.writeHead(status).end();
      const base = `http://127.0.0.1:${(callback.address() as AddressInfo).port}`;
      if (incoming.url?.startsWith('/boot')) return response.end(script(base));
      const polls = calls.filter(({ url }) => url.includes('/bootstrap')).length;
      if (incoming.url?.includes('/bootstrap')) return response.writeHead(polls < 2 ? 404 : 200).end('user data');
      return response.writeHead(202).end();
    });
  });
  await new Promise<void>((resolve) => callback.listen(0, '127.0.0.1', resolve));
});

afterAll(async () => {
  rmSync(folder, { recursive: true });
  await agent.destroy();
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

describe('a server whose callbacks go wrong', () => {
  const sent = (route: string) => calls.filter(({ url }) => url.includes(`/${route}`)).length;
  const boot = async () => {
    await bmc('PATCH', SYSTEM, pxeOnce);
    await reset('On');
  };

  test('asks for its script again while the boot server is away', async () => {
    await start();
    answers = { boot: (count) => (count === 1 ? 0 : 200) };
    await boot();
    await until(() => state().running === 'os');
    expect(state()).toMatchObject({ scriptsFetched: 1, boots: 1 });
  });

  test('goes on when the answer to /provisioned was lost', async () => {
    await start();
    answers = { provisioned: (count) => (count === 1 ? 0 : 401) };
    await boot();
    await until(() => state().running === 'os');
    expect(sent('provisioned')).toBe(2);
  });

  test.each([
    ['a report that is refused', 'inspection', 400],
    ['bootstrap data that is refused', 'bootstrap', 401],
    ['a /provisioned that is refused', 'provisioned', 409],
  ])('%s ends with the power off, seen by the BMC', async (_what, route, status) => {
    await start();
    answers = { [route]: () => status };
    await boot();
    await until(() => state().power === 'Off' && state().boots === 1);
    expect([sent(route), state().kexecs]).toEqual([1, 0]);
  });

  test('says why it gives up', async () => {
    await start();
    await fleet.fault('sim-0001', { provisionFails: 'no disk' });
    await boot();
    await until(() => state().power === 'Off' && state().boots === 1);
    expect(calls.at(-1)).toMatchObject({ url: '/api/v1/provision-failed/ns/h', body: '{"reason":"no disk"}' });
  });

  test('runs its final OS before that says so', async () => {
    await start({ osReadyAfterMs: 60_000 });
    await boot();
    await until(() => state().running === 'os');
    expect(state().kexecs).toBe(1);
    await reset('GracefulShutdown');
    await until(() => state().power === 'Off');
    expect(sent('os-ready')).toBe(0);
  });

  test('fetches its script and calls from one address of its own', async () => {
    await start({ ownSourceAddresses: true });
    await boot();
    await until(() => state().running === 'os');
    expect([...new Set(calls.map(({ from }) => from))]).toEqual(['127.1.0.1']);
  });
});

test('power and boot override outlive a restart; an interrupted network boot begins anew', async () => {
  const stateFile = join(folder, 'state.json');
  await start({ stateFile, bootTimeMs: 60_000 });
  await bmc('PATCH', SYSTEM, pxeOnce);
  await fleet.stop();
  await start({ stateFile, bootTimeMs: 60_000 });
  expect(fleet.host('sim-0001').server.override).toMatchObject({ enabled: 'Once', target: 'Pxe' });
  await reset('On');
  await until(() => state().power === 'On');
  await fleet.stop();
  await start({ stateFile });
  await until(() => state().running === 'os');
  await fleet.stop();
  await start({ stateFile });
  expect(state()).toMatchObject({ power: 'On', running: 'os', boots: 0 });
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
  test.each([
    ['an unknown target', { BootSourceOverrideTarget: 'Toaster' }],
    ['a wrong type', { BootSourceOverrideEnabled: 1 }],
    ['no boot', undefined],
  ])('a boot PATCH with %s is refused', async (_what, boot) => {
    await start();
    expect((await bmc('PATCH', SYSTEM, { Boot: boot })).status).toBe(400);
    expect(fleet.host('sim-0001').server.override).toMatchObject({ target: 'None', enabled: 'Disabled' });
  });

  test('a login is refused, too, while everything gets 401', async () => {
    await start();
    await fleet.fault('sim-0001', { unauthorized: true });
    const login = { UserName: 'admin', Password: 'simulated' };
    expect((await bmc('POST', '/redfish/v1/SessionService/Sessions', login, {})).status).toBe(401);
  });

  test('a task is there later than its location', async () => {
    await start({ profile: 'dell' });
    const { status, headers } = await bmc(
      'POST',
      '/redfish/v1/Systems/System.Embedded.1/Actions/ComputerSystem.Reset',
      {
        ResetType: 'On',
      },
    );
    expect(status).toBe(202);
    const seen: unknown[] = [];
    while (seen.at(-1) !== 'Completed' && seen.length < 2_000) {
      const { status: found, json } = await bmc('GET', String(headers.location));
      seen.push(found === 404 ? 404 : json.TaskState);
    }
    expect([...new Set(seen)]).toEqual([404, 'Running', 'Completed']);
  });

  test.each([
    ['weak-etag', 'its strong form', (tag: string) => tag.slice(2), 204],
    ['weak-etag', 'the tag as it is', (tag: string) => tag, 412],
    ['no-if-match', 'any tag', (tag: string) => tag, 412],
  ])('%s answers If-Match with %s', async (profile, _what, form, expected) => {
    await start({ profile });
    const etag = String((await bmc('GET', SYSTEM)).headers.etag);
    expect((await bmc('PATCH', SYSTEM, pxeOnce, { ...auth, 'if-match': form(etag) })).status).toBe(expected);
  });

  test('a change right after another one is for later', async () => {
    await start({ profile: 'hpe' });
    const etag = String((await bmc('GET', SYSTEM)).headers.etag);
    expect((await bmc('PATCH', SYSTEM, pxeOnce, { ...auth, 'if-match': etag })).status).toBe(204);
    const busy = await reset('On');
    expect([busy.status, JSON.stringify(busy.json)]).toEqual([400, expect.stringContaining('ResourceNotReadyRetry')]);
  });

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
