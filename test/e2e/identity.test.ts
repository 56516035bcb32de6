import { afterAll, beforeAll, expect, jest, test } from '@jest/globals';
import { findCondition } from '../../crds/conditions.ts';
import type { PhysicalHost } from '../../crds/physicalHost.ts';
import { changes, isFreeAndOff } from '../support/atTheBmc.ts';
import { isUpToDate, told } from '../support/conditions.ts';
import { World } from '../support/world.ts';

/** The server behind the object (decision 0020): two objects for one server, and another server behind an address. */

jest.setTimeout(90_000);

const world = new World('e2e-identity', ['--monitor-interval=2s']);
const on = (host: string) => ({ hostSelector: { matchLabels: { only: host } } });
const label = (host: string) => world.kubectl('label', '--overwrite', 'physicalhost', host, `only=${host}`);
const event = async (reason: string) =>
  (await world.kubectl('get', 'events', '-o', 'jsonpath={range .items[*]}{.reason}{"\\n"}{end}')).includes(reason);
/** The address of a host's BMC in another spelling. */
const otherSpelling = (host: PhysicalHost) => `${host.spec.redfishConnection.address.replace(/\/$/, '')}//redfish/v1/`;

beforeAll(async () => {
  await world.start({ hosts: 4, profile: 'generic' });
  for (const host of ['host-1', 'host-2', 'host-3', 'host-4']) await label(host);
  await world.addMachine('live', on('host-1'));
  await world.machineIs('live', 'Provisioned');
});
afterAll(() => world.stop());

const liveHost = async (): Promise<PhysicalHost> => (await world.host('host-1')) as PhysicalHost;
const isRunning = () => world.serverOf('host-1').server.state.power === 'On';

test('a copy of a live host: it is not offered, both say so, and its deletion calls no BMC', async () => {
  const before = changes(world, 'host-1');
  await world.addHost('copy', otherSpelling(await liveHost()), { bootMACAddress: '02:b7:ff:ff:ff:01' });
  await label('copy');
  await world.addMachine('robber', on('copy'));
  const copy = await world.untilHost('copy', 'a duplicate', (host) => isUpToDate(host, 'DuplicateServer'));
  expect(told(copy, 'DuplicateServer')).toContain('host-1');
  const first = await world.untilHost('host-1', 'one of two', (host) => isUpToDate(host, 'DuplicateServer'));
  expect(told(first, 'DuplicateServer')).toContain('copy');
  await world.untilMachine('robber', 'waiting', (machine) => told(machine).startsWith('NoMatchingHost'));
  await world.kubectl('delete', 'physicalhost', 'copy', '--wait=false');
  await world.hostIsGone('copy');
  await world.untilHost('host-1', 'alone again', (host) => !isUpToDate(host, 'DuplicateServer'));
  expect([changes(world, 'host-1'), isRunning()]).toEqual([before, true]);
  await world.kubectl('delete', 'beskar7machine', 'robber', '--wait=false');
  await world.machineIsGone('robber');
});

test('the address of a free host is changed to that of a live one: nothing is sent, and it is not offered', async () => {
  const before = changes(world, 'host-1');
  const { address } = (await liveHost()).spec.redfishConnection;
  const own = ((await world.host('host-2')) as PhysicalHost).spec.redfishConnection.address;
  const move = (to: string) =>
    world.kubectl(
      'patch',
      'physicalhost',
      'host-2',
      '--type=merge',
      '-p',
      JSON.stringify({ spec: { redfishConnection: { address: to } } }),
    );
  await move(address);
  await world.addMachine('mistaken', on('host-2'));
  await world.untilHost('host-2', 'a duplicate', (host) => isUpToDate(host, 'DuplicateServer'));
  await world.untilMachine('mistaken', 'waiting', (machine) => told(machine).startsWith('NoMatchingHost'));
  expect([changes(world, 'host-1'), isRunning()]).toEqual([before, true]);
  await move(own);
  await world.machineIs('mistaken', 'Provisioned');
});

test('another server behind the address of a live host: its deletion sends nothing to the stranger', async () => {
  await world.addMachine('swapped', on('host-3'));
  await world.machineIs('swapped', 'Provisioned');
  await world.fleet.fault('sim-0003', { swappedFor: 'STRANGER-7' });
  const noticed = await world.untilHost('host-3', 'another server', (host) => isUpToDate(host, 'DifferentServer'));
  expect(told(noticed, 'DifferentServer')).toContain('STRANGER-7');
  const before = changes(world, 'host-3');
  await world.kubectl('delete', 'beskar7machine', 'swapped', '--wait=false');
  const stuck = await world.untilHost('host-3', 'held', (host) => told(host).startsWith('ReleasePending'));
  expect(told(stuck)).toContain('STRANGER-7');
  expect([changes(world, 'host-3'), world.serverOf('host-3').server.state.power]).toEqual([before, 'On']);
  await world.fleet.heal('sim-0003');
  await world.machineIsGone('swapped', 85_000);
  await isFreeAndOff(world, 'host-3');
});

test('a board that was replaced is accepted by a word, which is an event', async () => {
  await world.fleet.fault('sim-0004', { swappedFor: 'NEW-BOARD-4' });
  await world.untilHost('host-4', 'another server', (host) => isUpToDate(host, 'DifferentServer'));
  await world.addMachine('waiting', on('host-4'));
  await world.untilMachine('waiting', 'waiting', (machine) => told(machine).startsWith('NoMatchingHost'));
  await world.kubectl('annotate', 'physicalhost', 'host-4', 'beskar7.io/accept-server=NEW-BOARD-4');
  await world.machineIs('waiting', 'Provisioned', 85_000);
  const host = (await world.host('host-4')) as PhysicalHost;
  expect(host.metadata.annotations?.['beskar7.io/accept-server']).toBeUndefined();
  expect(findCondition(host.status?.conditions, 'DifferentServer')?.status).not.toBe('True');
  expect(await event('ServerAccepted')).toBe(true);
});
