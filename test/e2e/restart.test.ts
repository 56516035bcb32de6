import { afterAll, beforeAll, describe, expect, jest, test } from '@jest/globals';
import { claimOf } from '../../crds/claim.ts';
import { isFreeAndOff, resets } from '../support/atTheBmc.ts';
import { call, tokenOf } from '../support/callback.ts';
import { told } from '../support/conditions.ts';
import { World } from '../support/world.ts';

jest.setTimeout(90_000);

const world = new World('e2e-restart');
const HOSTS = ['off', 'armed', 'inspects', 'starts', 'runs'];
const on = (host: string) => ({ hostSelector: { matchLabels: { only: host } } });
const hostOf = (machine: string) => `host-${HOSTS.indexOf(machine) + 1}`;
const simOf = (machine: string) => `sim-000${HOSTS.indexOf(machine) + 1}`;
const claim = async (machine: string) => {
  const object = await world.host(hostOf(machine));
  return object && claimOf(object);
};

/** Brings one machine into each stage, where it stays until its fault is healed. */
async function intoEachStage(): Promise<void> {
  world.serverOf(hostOf('off')).server.press('On');
  await world.fleet.fault(simOf('off'), { powerOffMs: 30_000 });
  await world.fleet.fault(simOf('armed'), { powerStuck: true });
  await world.fleet.fault(simOf('inspects'), { delayCallbacksMs: 12_000, times: 1 });
  for (const machine of HOSTS) {
    await world.addMachine(machine, { ...on(machine), ...(machine === 'starts' ? { readyWhen: 'OSReported' } : {}) });
  }
  await world.addMachine('waits', on('nowhere'));
  await world.bmcWasAsked(hostOf('off'), ({ body }) => body.includes('ForceOff'));
  await world.bmcWasAsked(hostOf('armed'), ({ body }) => body.includes('"On"'));
  await world.hostIs(hostOf('inspects'), 'Inspecting');
  await world.untilHost(hostOf('starts'), 'handed to its OS', ({ status }) => status?.handover?.outcome !== undefined);
  await world.machineIs('runs', 'Provisioned');
  await world.untilMachine('waits', 'waiting', (machine) => told(machine).startsWith('NoMatchingHost'));
}

beforeAll(async () => {
  await world.start({ hosts: HOSTS.length, profile: 'generic' });
  for (const machine of HOSTS) await world.kubectl('label', 'physicalhost', hostOf(machine), `only=${machine}`);
});
afterAll(() => world.stop());

describe('kill -9 of Beskar7 with a machine in each stage, and a restart', () => {
  test('every provisioning ends as if nothing had happened, with not one power cycle more', async () => {
    await intoEachStage();
    const before = new Map(await Promise.all(HOSTS.map(async (name) => [name, (await claim(name))?.id] as const)));
    await world.beskar7.kill('SIGKILL');
    await world.fleet.heal();
    // The server that was going off is off now, as it would be: what the killed process had sent was carried out.
    world.serverOf(hostOf('off')).server.press('Off');
    await world.startBeskar7();
    const starts = await claim('starts');
    expect(
      await call(world, 'os-ready', hostOf('starts'), await tokenOf(world, hostOf('starts'), starts?.id ?? '')),
    ).toBe(202);
    await world.kubectl('label', '--overwrite', 'physicalhost', hostOf('runs'), 'only=runs');
    for (const name of HOSTS) {
      await world.machineIs(name, 'Provisioned');
      expect((await claim(name))?.id).toBe(before.get(name));
      const { state } = world.serverOf(hostOf(name)).server;
      expect({ name, running: state.running, networkBoots: state.networkBoots }).toEqual({
        name,
        running: 'os',
        networkBoots: 1,
      });
    }
    expect(resets(world, hostOf('off')).filter((type) => type === 'On')).toHaveLength(1);
    for (const name of ['inspects', 'starts', 'runs']) expect(resets(world, hostOf(name))).toEqual(['On']);
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
    await world.beskar7.stop();
    await world.fleet.heal();
    const restarted = performance.now();
    await world.startBeskar7();
    await world.machineIs('again', 'Provisioned');
    // No heartbeat timeout (20 s) was waited for: a stopping worker says so.
    expect(performance.now() - restarted).toBeLessThan(15_000);
    expect(world.serverOf(hostOf('runs')).server.state.boots).toBe(boots + 1);
  });
});
