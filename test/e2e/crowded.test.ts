import { afterAll, beforeAll, describe, expect, jest, test } from '@jest/globals';
import { isFreeAndOff } from '../support/atTheBmc.ts';
import { told } from '../support/conditions.ts';
import { World } from '../support/world.ts';

jest.setTimeout(180_000);

// Two Kubernetes activities at a time, as on an installation that is far too small for what is asked of it.
const world = new World('e2e-crowded', ['--concurrent-activities=2']);
const HOSTS = ['host-1', 'host-2', 'host-3'];
const WAITERS = ['w-1', 'w-2', 'w-3', 'w-4', 'w-5'];

beforeAll(() => world.start({ hosts: 3, profile: 'generic' }));
afterAll(() => world.stop());

describe('more deletions at once than activities can run', () => {
  test('of machines that are provisioned, that boot, and that wait: all are gone, their hosts off and free', async () => {
    await world.addMachine('runs');
    const host = (await world.machineIs('runs', 'Provisioned')).status?.hostRef?.name ?? '';
    for (const name of HOSTS) if (name !== host) await world.serverOf(name).fault({ neverReports: true });
    for (const name of ['boots-1', 'boots-2']) await world.addMachine(name);
    for (const name of ['boots-1', 'boots-2']) await world.machineIs(name, 'Inspecting');
    for (const name of WAITERS) await world.addMachine(name);
    for (const name of WAITERS)
      await world.untilMachine(name, 'waiting', (machine) => told(machine).startsWith('NoMatchingHost'));
    const all = ['runs', 'boots-1', 'boots-2', ...WAITERS];
    await world.kubectl('delete', 'beskar7machine', '--wait=false', ...all);
    for (const name of all) await world.machineIsGone(name, 90_000);
    for (const name of HOSTS) await isFreeAndOff(world, name);
    for (const name of HOSTS) expect((await world.host(name))?.spec.consumerRef).toBeUndefined();
  });
});
