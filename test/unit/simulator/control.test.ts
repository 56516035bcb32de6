import type { Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterEach, beforeEach, expect, test } from '@jest/globals';
import { Agent, request } from 'undici';
import { listenControl, startFleet, type Fleet } from '../../../simulator/index.ts';

let fleet: Fleet;
let control: Server;
let agent: Agent;

beforeEach(async () => {
  agent = new Agent();
  fleet = await startFleet({ hosts: 2, basePort: 0, latencyMs: 0, powerDelayMs: 60_000, bootTimeMs: 60_000 });
  control = await listenControl(fleet, '127.0.0.1', 0);
});

afterEach(async () => {
  await agent.destroy();
  await fleet.stop();
  await new Promise((resolve) => control.close(resolve));
});

async function ask(method: 'GET' | 'POST', path: string, body?: string): Promise<[number, unknown]> {
  const address = `http://127.0.0.1:${(control.address() as AddressInfo).port}`;
  const answer = await request(address + path, { method, dispatcher: agent, ...(body === undefined ? {} : { body }) });
  return [answer.statusCode, await answer.body.json()];
}

const bmc = async (name: string) => {
  const { body, statusCode } = await request(`${fleet.host(name).address}/redfish/v1`, { dispatcher: agent });
  await body.dump();
  return statusCode;
};

test('the fleet and each host are described, without passwords', async () => {
  await fleet.fault('sim-0002', { password: 'changed-pw', slowMs: 1 });
  const [, hosts] = await ask('GET', '/hosts');
  expect(hosts).toMatchObject([
    { name: 'sim-0001', mac: '02:b7:00:00:00:01', profile: 'generic', systemID: '1' },
    { name: 'sim-0002', profile: 'dell', faults: { slowMs: 1, password: '(changed)' } },
  ]);
  expect(JSON.stringify(hosts)).not.toContain('changed-pw');
  expect(await ask('GET', '/hosts/sim-0001')).toMatchObject([200, { state: { power: 'Off' } }]);
});

test('a fault holds until it is healed', async () => {
  expect(await ask('POST', '/hosts/sim-0001/fault', '{"unavailable":3}')).toEqual([200, { ok: true }]);
  expect([await bmc('sim-0001'), await bmc('sim-0002')]).toEqual([503, 200]);
  await ask('POST', '/hosts/sim-0001/heal');
  expect(await bmc('sim-0001')).toBe(200);
  await ask('POST', '/hosts/sim-0001/fault', '{"unavailable":3,"times":1}');
  expect([await bmc('sim-0001'), await bmc('sim-0001')]).toEqual([503, 200]);
  await ask('POST', '/hosts/sim-0002/fault', '{"unavailable":3}');
  await ask('POST', '/heal');
  expect(await bmc('sim-0002')).toBe(200);
});

test('somebody presses the button: at once, and twice is once', async () => {
  expect(await ask('POST', '/hosts/sim-0001/power', '{"power":"On"}')).toEqual([200, { ok: true }]);
  await ask('POST', '/hosts/sim-0001/power', '{"power":"On"}');
  expect(fleet.host('sim-0001').server.state).toMatchObject({ power: 'On', boots: 1 });
});

test('requests and totals are counted', async () => {
  await bmc('sim-0001');
  await bmc('sim-0002');
  expect(await ask('GET', '/summary')).toMatchObject([200, { hosts: 2, requests: 2, connections: 2, on: 0 }]);
  expect(await ask('GET', '/requests?host=sim-0002')).toMatchObject([200, [{ host: 'sim-0002', path: '/redfish/v1' }]]);
  expect(await ask('GET', `/requests?since=${performance.now() + 1_000}`)).toEqual([200, []]);
});

test.each([
  ['GET', '/nothing', undefined, 404],
  ['GET', '/hosts/sim-9999', undefined, 404],
  ['GET', '/requests?host=sim-9999', undefined, 404],
  ['GET', '/requests?since=monday', undefined, 400],
  ['POST', '/summary', undefined, 404],
  ['POST', '/hosts/sim-0001/fault', '{"refuse":"yes"}', 400],
  ['POST', '/hosts/sim-0001/fault', 'null', 400],
  ['POST', '/hosts/sim-0001/fault', '{bad', 400],
  ['POST', '/hosts/sim-0001/power', '{"power":"Banana"}', 400],
  ['POST', '/hosts/sim-0001/power', 'null', 400],
] as const)('%s %s with %s gets %d and does nothing', async (method, path, body, status) => {
  expect(await ask(method, path, body)).toEqual([status, { error: expect.any(String) }]);
  expect(fleet.host('sim-0001')).toMatchObject({ faults: {}, server: { state: { power: 'Off' } } });
});
