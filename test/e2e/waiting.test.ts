import { afterAll, beforeAll, describe, expect, jest, test } from '@jest/globals';
import { isFreeAndOff } from '../support/atTheBmc.ts';
import { told } from '../support/conditions.ts';
import { World } from '../support/world.ts';

jest.setTimeout(60_000);

const world = new World('e2e-waiting');
const WAITERS = ['a-first', 'b-second', 'c-third'];
const of = (pool: string) => ({ hostSelector: { matchLabels: { pool } } });
const isWaiting = (object: Parameters<typeof told>[0]) => told(object).startsWith('NoMatchingHost');
const historyOf = async (machine: string) =>
  (await world.temporal.workflow.getHandle(`provision/${world.namespace}/${machine}`).describe()).historyLength;

beforeAll(async () => {
  await world.start({ hosts: 3, profile: 'generic' });
  await world.kubectl('annotate', 'physicalhost', 'host-3', 'beskar7.io/unschedulable=test');
});
afterAll(() => world.stop());

describe('machines that wait for a host', () => {
  test('say what was asked for, how many hosts were looked at, and why each does not fit', async () => {
    for (const name of WAITERS) await world.addMachine(name, of('late'));
    for (const name of WAITERS) {
      const machine = await world.untilMachine(name, 'waiting', isWaiting);
      expect(machine.status?.phase).toBe('Claiming');
      expect(told(machine)).toMatch(/asked for pool=late, looked at 3 hosts \(2 .*, 1 .*unschedulable.*\)/);
    }
    expect(await world.kubectl('get', 'beskar7machines')).toMatch(/a-first\s+Claiming\s.*NoMatchingHost/);
  });

  test('cost nothing: no request to a BMC, no event in their histories, while others are provisioned and go', async () => {
    await world.kubectl('label', 'physicalhost', 'host-1', 'pool=other');
    const before = await Promise.all(WAITERS.map(historyOf));
    const asked = world.requestsOf('host-2').length;
    await world.addMachine('other', of('other'));
    await world.machineIs('other', 'Provisioned');
    await world.kubectl('delete', 'beskar7machine', 'other', '--wait=false');
    await world.machineIsGone('other');
    await isFreeAndOff(world, 'host-1');
    expect(await Promise.all(WAITERS.map(historyOf))).toEqual(before);
    expect(world.requestsOf('host-2')).toHaveLength(asked);
  });

  test('are woken by a host that begins to fit, first come first served', async () => {
    await world.kubectl('label', 'physicalhost', 'host-2', 'pool=late');
    const machine = await world.machineIs('a-first', 'Provisioned');
    expect(machine.status?.hostRef?.name).toBe('host-2');
    for (const name of ['b-second', 'c-third']) expect(isWaiting(await world.machine(name))).toBe(true);
  });

  test('by a host that is released: the next one in line gets it', async () => {
    await world.kubectl('delete', 'beskar7machine', 'a-first', '--wait=false');
    const machine = await world.machineIs('b-second', 'Provisioned');
    expect(machine.status?.hostRef?.name).toBe('host-2');
    expect(isWaiting(await world.machine('c-third'))).toBe(true);
  });

  test('by one that becomes schedulable; a newcomer does not overtake', async () => {
    await world.kubectl('label', 'physicalhost', 'host-3', 'pool=late');
    await world.addMachine('d-newcomer', of('late'));
    await world.untilMachine('d-newcomer', 'waiting', isWaiting);
    await world.kubectl('annotate', 'physicalhost', 'host-3', 'beskar7.io/unschedulable-');
    const machine = await world.machineIs('c-third', 'Provisioned');
    expect(machine.status?.hostRef?.name).toBe('host-3');
    expect(isWaiting(await world.machine('d-newcomer'))).toBe(true);
  });

  test('after a restart they wait on, each in the run it had', async () => {
    const before = await world.machine('d-newcomer');
    expect(before?.status?.workflow?.runID).toBeDefined();
    await world.beskar7.restart();
    await world.kubectl('delete', 'beskar7machine', 'b-second', '--wait=false');
    const machine = await world.machineIs('d-newcomer', 'Provisioned');
    expect(machine.status?.hostRef?.name).toBe('host-2');
    expect(machine.status?.workflow).toEqual(before?.status?.workflow);
  });
});
