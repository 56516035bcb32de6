import { afterAll, beforeAll, expect, jest, test } from '@jest/globals';
import { World } from '../support/world.ts';

jest.setTimeout(180_000);

const world = new World('e2e-hanging');
const FLEET = 50;
const HANGING = 10;
const names = Array.from({ length: FLEET }, (_, index) => `host-${index + 1}`);
const [stuck, others] = [names.slice(0, HANGING), names.slice(HANGING)];

beforeAll(() => world.start({ hosts: FLEET, profile: 'generic' }), 180_000);
afterAll(() => world.stop());

test('ten BMCs hang: all others are provisioned before the first call to one of the ten is given up', async () => {
  for (const name of names) await world.kubectl('label', 'physicalhost', name, `only=${name}`);
  const on = (host: string) => ({ hostSelector: { matchLabels: { only: host } } });
  await Promise.all(
    stuck.map((host) => world.fleet.fault(`sim-${host.replace('host-', '').padStart(4, '0')}`, { hang: true })),
  );
  const began = performance.now();
  await Promise.all(stuck.map((host) => world.addMachine(`on-${host}`, on(host))));
  await Promise.all(stuck.map((host) => world.bmcWasAsked(host, ({ status }) => status === 0)));
  await Promise.all(others.map((host) => world.addMachine(`on-${host}`, on(host))));
  await Promise.all(others.map((host) => world.machineIs(`on-${host}`, 'Provisioned')));
  // A call may hang for 60 s. One request at a time: a second one would tell that the first was given up.
  expect(stuck.map((host) => world.requestsOf(host, began).length)).toEqual(stuck.map(() => 1));
  for (const host of stuck) expect((await world.machine(`on-${host}`))?.status?.phase).toBe('Claiming');
  await world.fleet.heal();
});
