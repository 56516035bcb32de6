import { afterAll, beforeAll, describe, expect, jest, test } from '@jest/globals';
import { claimOf } from '../../model/claim.ts';
import { isFreeAndOff, resets } from '../support/atTheBmc.ts';
import { untilEvent } from '../support/history.ts';
import { World } from '../support/world.ts';

jest.setTimeout(180_000);

const HOSTS = ['host-1', 'host-2', 'host-3', 'host-4', 'host-5', 'host-6', 'host-7', 'host-8'];
// Temporal lets a few through at once (one for each partition of its queue), the next ones after 15 s and more.
const world = new World('e2e-interrupted', ['--power-on-rate=0.2']);
const on = (host: string) => ({ hostSelector: { matchLabels: { only: host } } });

beforeAll(async () => {
  await world.start({ hosts: HOSTS.length, profile: 'generic' });
  for (const host of HOSTS) await world.kubectl('label', 'physicalhost', host, `only=${host}`);
});
afterAll(() => world.stop());

/** Until an activity of a machine's provisioning is scheduled. */
async function isScheduled(machine: string, activity: string): Promise<void> {
  await world.untilMachine(machine, 'claiming', ({ status }) => status?.phase === 'Claiming');
  await untilEvent(world, machine, activity, (event) => {
    return event.activityTaskScheduledEventAttributes?.activityType?.name === activity;
  });
}

describe('what is interrupted', () => {
  test('a delete while the machine waits for its turn to power on: its server is never switched on', async () => {
    await world.addMachine('runs', on('host-1'));
    await world.machineIs('runs', 'Provisioned');
    const others = HOSTS.slice(1);
    for (const host of others) await world.addMachine(`on-${host}`, on(host));
    await Promise.all(others.map((host) => isScheduled(`on-${host}`, 'acquirePowerOnPermit')));
    await world.kubectl('delete', 'beskar7machine', ...others.map((host) => `on-${host}`), '--wait=false');
    for (const host of others) {
      await world.machineIsGone(`on-${host}`);
      await isFreeAndOff(world, host);
    }
    const untouched = others.filter((host) => resets(world, host).length === 0);
    expect(untouched.length).toBeGreaterThan(1);
  });

  test('kill -9 in the middle of a release, and a restart: it is finished, and the host free only when seen off', async () => {
    await world.fleet.fault('sim-0001', { powerOffMs: 8_000 });
    await world.kubectl('delete', 'beskar7machine', 'runs', '--wait=false');
    await world.bmcWasAsked('host-1', ({ body }) => /Shutdown|ForceOff/.test(body));
    await world.beskar7.kill('SIGKILL');
    const killed = performance.now();
    const host = await world.host('host-1');
    expect(host && claimOf(host)).toMatchObject({ stage: 'Releasing', releasedFrom: 'HandedOver' });
    await world.startBeskar7();
    await world.machineIsGone('runs', 150_000);
    await isFreeAndOff(world, 'host-1');
    expect(resets(world, 'host-1', killed)).not.toContain('On');
    await world.fleet.heal();
  });
});
