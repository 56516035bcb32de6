import { afterAll, beforeAll, describe, expect, jest, test } from '@jest/globals';
import { claimOf } from '../../model/claim.ts';
import { IN_FLIGHT_MS } from '../../model/deadlines.ts';
import type { Component } from '../../tools/controlplane/component.ts';
import { isFreeAndOff, resets } from '../support/atTheBmc.ts';
import { handOverByHand, reportByHand } from '../support/byHand.ts';
import { call, tokenOf } from '../support/callback.ts';
import { told } from '../support/conditions.ts';
import { World } from '../support/world.ts';

jest.setTimeout(240_000);

const world = new World('e2e-restart');
/** Each named after where it is when everything is killed, and so is its only host. */
const HOSTS = ['off', 'armed', 'inspects', 'provisions', 'starts', 'runs', 'released', 'cancelled'];
let second: Component;
const on = (host: string) => ({ hostSelector: { matchLabels: { only: host } } });
const hostOf = (machine: string) => `host-${HOSTS.indexOf(machine) + 1}`;
const simOf = (machine: string) => `sim-000${HOSTS.indexOf(machine) + 1}`;
const claim = async (machine: string) => {
  const object = await world.host(hostOf(machine));
  return object && claimOf(object);
};

/** All but the one that the last test is about. */
const STAGES = HOSTS.filter((machine) => machine !== 'cancelled');

/** Brings one machine into each stage, where it stays until its fault is healed. */
async function intoEachStage(): Promise<void> {
  world.serverOf(hostOf('off')).server.press('On');
  await world.fleet.fault(simOf('off'), { powerOffMs: 30_000 });
  await world.fleet.fault(simOf('armed'), { powerStuck: true });
  for (const machine of ['inspects', 'provisions']) await world.fleet.fault(simOf(machine), { neverReports: true });
  for (const machine of STAGES) {
    await world.addMachine(machine, { ...on(machine), ...(machine === 'starts' ? { readyWhen: 'OSReported' } : {}) });
  }
  await world.addMachine('waits', on('nowhere'));
  await world.bmcWasAsked(hostOf('off'), ({ body }) => body.includes('ForceOff'));
  await world.bmcWasAsked(hostOf('armed'), ({ body }) => body.includes('"On"'));
  await world.machineIs('inspects', 'Inspecting');
  await world.machineIs('provisions', 'Inspecting');
  expect(await reportByHand(world, hostOf('provisions'))).toBe(202);
  await world.machineIs('provisions', 'Provisioning');
  await world.untilHost(hostOf('starts'), 'handed to its OS', ({ status }) => status?.handover?.outcome !== undefined);
  await world.machineIs('runs', 'Provisioned');
  await world.machineIs('released', 'Provisioned');
  await world.fleet.fault(simOf('released'), { powerOffMs: 60_000 });
  await world.kubectl('delete', 'beskar7machine', 'released', '--wait=false');
  await world.bmcWasAsked(hostOf('released'), ({ body }) => /GracefulShutdown|ForceOff/.test(body));
  await world.untilMachine('waits', 'waiting', (machine) => told(machine).startsWith('NoMatchingHost'));
}

beforeAll(async () => {
  await world.start({ hosts: HOSTS.length, profile: 'generic' });
  for (const machine of HOSTS) await world.kubectl('label', 'physicalhost', hostOf(machine), `only=${machine}`);
  second = await world.startAnother('second', []);
});
afterAll(async () => {
  await second.stop();
  await world.stop();
});

describe('kill -9 of every Beskar7 process at once with a machine in each stage, and a restart', () => {
  test('every provisioning ends as if nothing had happened, with not one power cycle more', async () => {
    await intoEachStage();
    const claims = STAGES.map(async (name) => [name, await claim(name)] as const);
    const before = new Map(await Promise.all(claims));
    expect(STAGES.map((name) => before.get(name)?.stage)).toEqual([
      ...['Claimed', 'Armed', 'Armed', 'Armed', 'Armed', 'HandedOver', 'Releasing'],
    ]);
    await Promise.all([world.beskar7.kill('SIGKILL'), second.kill('SIGKILL')]);
    await world.fleet.heal();
    // The servers that were going off are off now, as they would be: what the killed processes had sent was carried
    // out.
    for (const name of ['off', 'released']) world.serverOf(hostOf(name)).server.press('Off');
    await Promise.all([world.startBeskar7(), second.start()]);
    const starts = await claim('starts');
    expect(
      await call(world, 'os-ready', hostOf('starts'), await tokenOf(world, hostOf('starts'), starts?.id ?? '')),
    ).toBe(202);
    expect(await reportByHand(world, hostOf('inspects'))).toBe(202);
    for (const name of ['inspects', 'provisions']) await handOverByHand(world, hostOf(name));
    for (const name of STAGES.filter((stage) => stage !== 'released')) {
      await world.machineIs(name, 'Provisioned', 120_000);
      expect((await claim(name))?.id).toBe(before.get(name)?.id);
      const { power, networkBoots } = world.serverOf(hostOf(name)).server.state;
      expect({ name, power, networkBoots }).toEqual({ name, power: 'On', networkBoots: 1 });
    }
    // The one whose power-on was accepted and not done is told again; no other one is switched on twice.
    for (const name of STAGES.filter((stage) => stage !== 'armed'))
      expect({ name, on: resets(world, hostOf(name)).filter((type) => type === 'On') }).toEqual({ name, on: ['On'] });
    for (const name of ['inspects', 'provisions', 'starts', 'runs'])
      expect({ name, sent: resets(world, hostOf(name)) }).toEqual({ name, sent: ['On'] });
    await world.machineIsGone('released', 150_000);
    await isFreeAndOff(world, hostOf('released'));
    expect(told(await world.machine('waits'))).toMatch(/^NoMatchingHost: /);
  });

  test('a clean stop in the middle of a boot: another process goes on at once, with one boot', async () => {
    await world.kubectl('delete', 'beskar7machine', 'runs', '--wait=false');
    await isFreeAndOff(world, hostOf('runs'));
    await world.fleet.fault(simOf('runs'), { powerStuck: true });
    const since = performance.now();
    const boots = world.serverOf(hostOf('runs')).server.state.boots;
    await world.addMachine('again', on('runs'));
    await world.bmcWasAsked(hostOf('runs'), ({ body }) => body.includes('"On"'), { sinceMs: since });
    await Promise.all([world.beskar7.stop(), second.stop()]);
    await world.fleet.heal();
    const restarted = performance.now();
    await world.startBeskar7();
    await world.machineIs('again', 'Provisioned');
    // No heartbeat timeout (20 s) was waited for: a stopping worker says so.
    expect(performance.now() - restarted).toBeLessThan(15_000);
    expect(world.serverOf(hostOf('runs')).server.state.boots).toBe(boots + 1);
  });
});

describe('kill -9 of the worker that boots a server, and a cancel', () => {
  /** What rule 6 and rule 4 allow: the heartbeat timeout, then the time for which something may be in flight. */
  const ALLOWED_MS = 20_000 + IN_FLIGHT_MS;

  test('another worker switches it off within the heartbeat timeout and the time of the fence', async () => {
    await world.beskar7.stop();
    const first = await world.startAnother('bmc-1', ['--roles=bmc-worker']);
    await world.startBeskar7(['--roles=controllers,worker,api']);
    await world.fleet.fault(simOf('cancelled'), { powerStuck: true, times: 1 });
    await world.fleet.fault(simOf('cancelled'), { neverReports: true });
    await world.addMachine('cancelled', on('cancelled'));
    // The first power-on is lost: its worker looks for the server to come on, and is killed while it does.
    await world.bmcWasAsked(hostOf('cancelled'), ({ body }) => body.includes('"On"'));
    const other = await world.startAnother('bmc-2', ['--roles=bmc-worker']);
    try {
      await first.kill('SIGKILL');
      const killed = performance.now();
      // As if the power-on took its time: the server comes on when nobody looks.
      world.serverOf(hostOf('cancelled')).server.press('On');
      await world.temporalCli('workflow', 'cancel', '-w', `provision/${world.namespace}/cancelled`);
      const isOff = ({ body }: { body: string }) => body.includes('ForceOff');
      const asked = await world.bmcWasAsked(hostOf('cancelled'), isOff, { sinceMs: killed, boundMs: ALLOWED_MS });
      expect(asked.monotonicMs - killed).toBeLessThan(ALLOWED_MS);
      expect(told(await world.machineIs('cancelled', 'Failed', 180_000))).toMatch(/^Cancelled: /);
      await isFreeAndOff(world, hostOf('cancelled'));
      expect(resets(world, hostOf('cancelled'))).toEqual(['On', 'ForceOff']);
    } finally {
      await other.stop();
    }
  });
});
