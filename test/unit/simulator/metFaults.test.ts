import { afterAll, afterEach, describe, expect, test } from '@jest/globals';
import { Agent, request } from 'undici';
import { startFleet, type Fleet } from '../../../simulator/index.ts';

let fleet: Fleet;
const agent = new Agent({ keepAliveTimeout: 1_000 });
const SYSTEM = '/redfish/v1/Systems/1';
const SESSIONS = '/redfish/v1/SessionService/Sessions';
const basic = (password: string) => ({
  authorization: `Basic ${Buffer.from(`admin:${password}`).toString('base64')}`,
});

afterEach(() => fleet.stop());
afterAll(() => agent.destroy());

async function start(options: Parameters<typeof startFleet>[0] = {}): Promise<void> {
  const quick = { latencyMs: 0, bootTimeMs: 1, powerDelayMs: 5 };
  fleet = await startFleet({ hosts: 1, basePort: 0, profile: 'generic', ...quick, ...options });
}

async function bmc(
  method: 'GET' | 'POST',
  path: string,
  body?: object,
  headers: Record<string, string> = basic('simulated'),
) {
  const answer = await request(fleet.host('sim-0001').address + path, {
    method,
    dispatcher: agent,
    headers: { ...headers, ...(body ? { 'content-type': 'application/json' } : {}) },
    ...(body ? { body: JSON.stringify(body) } : {}),
  });
  await answer.body.dump();
  return { status: answer.statusCode, headers: answer.headers };
}

const reset = (type: string) => bmc('POST', `${SYSTEM}/Actions/ComputerSystem.Reset`, { ResetType: type });
const state = () => fleet.host('sim-0001').server.state;
const until = async (what: () => boolean) => {
  for (let tries = 0; tries < 400; tries += 1) {
    if (what()) return;
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
  throw new Error('it did not become so');
};

describe('a server that goes off slowly', () => {
  const onceOn = async () => {
    await reset('On');
    await until(() => state().power === 'On');
  };

  test('a server that goes off slowly is not hastened by the command again', async () => {
    await start();
    await onceOn();
    await fleet.fault('sim-0001', { powerOffMs: 300, times: 1 });
    const from = performance.now();
    await reset('ForceOff');
    expect((await reset('On')).status).toBe(409);
    await reset('ForceOff');
    await reset('GracefulShutdown');
    await until(() => state().power === 'Off');
    expect(performance.now() - from).toBeGreaterThanOrEqual(290);
    expect(
      fleet
        .host('sim-0001')
        .server.powerLog.map(({ power, why }) => `${power} ${why}`)
        .slice(-2),
    ).toEqual(['PoweringOff ForceOff', 'Off ForceOff']);
  });

  test('a shutdown in good order is as slow, leaves the fault to the force after it, and is not delayed by that', async () => {
    await start();
    await onceOn();
    await until(() => state().running === 'disk');
    await fleet.fault('sim-0001', { powerOffMs: 300, times: 1 });
    const from = performance.now();
    await reset('GracefulShutdown');
    expect([state().power, fleet.host('sim-0001').faults.powerOffMs]).toEqual(['PoweringOff', 300]);
    await reset('ForceOff');
    expect(fleet.host('sim-0001').faults).toEqual({});
    await until(() => state().power === 'Off');
    expect(performance.now() - from).toBeGreaterThanOrEqual(290);
  });

  test('force ends a shutdown that takes its time', async () => {
    await start();
    await onceOn();
    await until(() => state().running === 'disk');
    await fleet.fault('sim-0001', { powerOffMs: 60_000 });
    await reset('GracefulShutdown');
    await fleet.heal();
    await reset('ForceOff');
    await until(() => state().power === 'Off');
  });
});

describe('faults are counted when they are met', () => {
  const met = () => Object.fromEntries(fleet.met());

  test('not when they are set, and under the name that was given', async () => {
    await start();
    await fleet.fault('sim-0001', { unavailable: 1, countedAs: 'outage', times: 2 });
    expect(met()).toEqual({});
    for (let tries = 0; tries < 3; tries += 1) await bmc('GET', SYSTEM);
    expect(met()).toEqual({ outage: 2 });
    await fleet.fault('sim-0001', { slowMs: 1, times: 1 });
    await bmc('GET', SYSTEM);
    expect(met()).toEqual({ outage: 2, slowMs: 1 });
  });

  test('a power command is lost only where it would have done something', async () => {
    await start();
    await fleet.fault('sim-0001', { powerLost: 1 });
    await reset('ForceOff');
    expect(met()).toEqual({});
    await reset('On');
    expect([met(), state().power]).toEqual([{ powerLost: 1 }, 'Off']);
  });

  test('a lost session by who had one, once', async () => {
    await start();
    await fleet.fault('sim-0001', { sessionLoss: true });
    const login = { UserName: 'admin', Password: 'simulated' };
    const { headers } = await bmc('POST', SESSIONS, login, {});
    const token = { 'x-auth-token': String(headers['x-auth-token']) };
    expect((await bmc('GET', SYSTEM, undefined, token)).status).toBe(200);
    await fleet.fault('sim-0001', { sessionLoss: true });
    await bmc('GET', SYSTEM);
    expect(met()).toEqual({});
    for (let tries = 0; tries < 2; tries += 1) expect((await bmc('GET', SYSTEM, undefined, token)).status).toBe(401);
    expect(met()).toEqual({ sessionLoss: 1 });
  });

  test('a changed password by who uses the former one', async () => {
    await start();
    await fleet.fault('sim-0001', { password: 'second' });
    expect((await bmc('GET', SYSTEM, undefined, basic('second'))).status).toBe(200);
    expect(met()).toEqual({});
    expect((await bmc('GET', SYSTEM)).status).toBe(401);
    const login = { UserName: 'admin', Password: 'simulated' };
    expect((await bmc('POST', SESSIONS, login, {})).status).toBe(401);
    expect(met()).toEqual({ password: 2 });
  });

  test('connections are reset, and a request in the middle is not done', async () => {
    await start();
    await bmc('GET', SYSTEM);
    await fleet.fault('sim-0001', { cutConnections: true });
    await expect(reset('On')).rejects.toThrow();
    await expect(reset('On')).rejects.toThrow();
    expect([met(), state().power]).toEqual([{ cutConnections: 2 }, 'Off']);
    await fleet.heal();
    expect((await bmc('GET', SYSTEM)).status).toBe(200);
  });

  test('a refusal by the requests that it breaks off', async () => {
    await start();
    await fleet.fault('sim-0001', { hang: true });
    const hanging = bmc('GET', SYSTEM).catch(() => 'broken off');
    await until(() => fleet.met().get('hang') === 1);
    await fleet.fault('sim-0001', { refuse: true });
    expect([await hanging, met()]).toEqual(['broken off', { hang: 1, refuse: 1 }]);
  });
});

test('profiles can be dealt out from a list', async () => {
  await start({ hosts: 4, profile: 'dell,openbmc,openbmc' });
  expect(fleet.hosts.map(({ profile }) => profile.name)).toEqual(['dell', 'openbmc', 'openbmc', 'dell']);
  await fleet.stop();
  await expect(start({ profile: 'mixed,constructor' })).rejects.toThrow('there is no profile "constructor"');
});
