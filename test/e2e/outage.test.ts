import { afterAll, beforeAll, describe, expect, jest, test } from '@jest/globals';
import { claimOf } from '../../model/claim.ts';
import type { RecordedRequest } from '../../simulator/recorder.ts';
import { changes, isFreeAndOff, resets } from '../support/atTheBmc.ts';
import { handOverByHand, reportByHand } from '../support/byHand.ts';
import { isUpToDate, told } from '../support/conditions.ts';
import { World } from '../support/world.ts';

jest.setTimeout(60_000);

const world = new World('e2e-outage', ['--monitor-interval=500ms']);
const on = (host: string) => ({ hostSelector: { matchLabels: { only: host } } });
const claim = async (host: string) => {
  const object = await world.host(host);
  return object && claimOf(object);
};
const setPassword = (password: string) =>
  world.kubectl('patch', 'secret', 'bmc', '-p', JSON.stringify({ stringData: { password } }));

beforeAll(async () => {
  await world.start({ hosts: 5, profile: 'generic' });
  for (let index = 1; index <= 5; index += 1)
    await world.kubectl('label', 'physicalhost', `host-${index}`, `only=host-${index}`);
});
afterAll(() => world.stop());

describe('a BMC that is away', () => {
  test('before the server is booted: the machine says attempt, error and next try, and goes on when it is back', async () => {
    await world.fleet.fault('sim-0001', { refuse: true });
    await world.addMachine('boots', on('host-1'));
    const isTold = (object: Parameters<typeof told>[0]) => told(object).includes('attempt 2, failed');
    const machine = await world.untilMachine('boots', 'told', isTold);
    expect(told(machine)).toMatch(
      /Boot of host host-1, attempt 2, failed: .*Next attempt at 20.*Z, until 20.*Z at most/,
    );
    const before = await claim('host-1');
    const host = await world.untilHost('host-1', 'unreachable', (object) =>
      isUpToDate(object, 'RedfishReachable', 'False'),
    );
    expect(host.status?.state).toBe('InUse');
    expect(told(host, 'RedfishReachable')).toMatch(/^Unreachable: .*Beskar7Machine boots says when it is tried again/);
    await world.fleet.fault('sim-0001', { refuse: false, neverReports: true });
    const inspecting = await world.hostIs('host-1', 'Inspecting');
    expect(told(inspecting, 'RedfishReachable')).toBe('Reachable: The BMC answers.');
    await reportByHand(world, 'host-1');
    await handOverByHand(world, 'host-1');
    await world.fleet.heal('sim-0001');
    await world.machineIs('boots', 'Provisioned');
    expect((await claim('host-1'))?.id).toBe(before?.id);
    expect(resets(world, 'host-1')).toEqual(['On']);
  });

  test('while the server is inspected and handed over: nobody needs it, nothing changes', async () => {
    await world.fleet.fault('sim-0002', { delayCallbacksMs: 1_500 });
    await world.addMachine('inspects', on('host-2'));
    await world.hostIs('host-2', 'Inspecting');
    await world.fleet.fault('sim-0002', { refuse: true });
    await world.machineIs('inspects', 'Provisioned');
    expect((await world.host('host-2'))?.status?.state).toBe('Ready');
    expect(resets(world, 'host-2')).toEqual(['On']);
  });

  test('of a provisioned server, over a restart of Beskar7: no state changes, no call of power or boot is made', async () => {
    const reachable = (status: string) =>
      world.untilHost('host-2', `with RedfishReachable ${status}`, (host) =>
        isUpToDate(host, 'RedfishReachable', status),
      );
    await world.fleet.heal('sim-0002');
    await reachable('True');
    const before = changes(world, 'host-2');
    const began = performance.now();
    await world.fleet.fault('sim-0002', { unauthorized: true });
    expect(told(await reachable('False'), 'RedfishReachable')).toMatch(/^Unauthorized: /);
    await world.beskar7.stop();
    const restarted = performance.now();
    await world.startBeskar7();
    const isRefused = ({ method, status }: RecordedRequest) => method === 'GET' && status === 401;
    // A process that has just started does not know of the outage either: it looks, and is refused.
    await world.bmcWasAsked('host-2', ({ method }) => method === 'GET', { sinceMs: restarted });
    const state = async () => [(await world.host('host-2'))?.status?.state, (await world.machine('inspects'))?.status];
    expect(await state()).toEqual(['Ready', expect.objectContaining({ phase: 'Provisioned', ready: true })]);
    await reachable('False');
    expect(world.requestsOf('host-2', began).filter(isRefused).length).toBeGreaterThanOrEqual(2);
    await world.fleet.heal('sim-0002');
    await world.beskar7.restart();
    await reachable('True');
    expect(await state()).toEqual(['Ready', expect.objectContaining({ phase: 'Provisioned', ready: true })]);
    expect(changes(world, 'host-2')).toBe(before);
    expect(world.serverOf('host-2').server.state).toMatchObject({ power: 'On', running: 'os', boots: 1 });
  });

  test('during a release: the host stays claimed and Error, says so, and is free when it was seen off', async () => {
    await world.fleet.fault('sim-0001', { refuse: true });
    await world.kubectl('delete', 'beskar7machine', 'boots', '--wait=false');
    const host = await world.hostIs('host-1', 'Error');
    expect(told(host)).toMatch(/^ReleasePending: Release, attempt 1: .*next attempt at 20.*force-release/);
    expect(claimOf(host)?.stage).toBe('Releasing');
    expect(host.spec.consumerRef?.name).toBe('boots');
    await world.fleet.heal('sim-0001');
    await world.machineIsGone('boots');
    await isFreeAndOff(world, 'host-1');
  });

  test('for ever, and an operator who says so: force-release frees it, with an event, and it is enrolled anew', async () => {
    await world.addMachine('dead', on('host-3'));
    await world.machineIs('dead', 'Provisioned');
    await world.fleet.fault('sim-0003', { refuse: true });
    await world.kubectl('delete', 'beskar7machine', 'dead', '--wait=false');
    await world.hostIs('host-3', 'Error');
    await world.kubectl('annotate', 'physicalhost', 'host-3', 'beskar7.io/force-release=unplugged');
    await world.machineIsGone('dead');
    const host = await world.untilHost('host-3', 'unclaimed', ({ spec }) => spec.consumerRef === undefined);
    expect(host.metadata.annotations?.['beskar7.io/force-release']).toBeUndefined();
    await world.untilHost('host-3', 'unreachable', (object) => isUpToDate(object, 'RedfishReachable', 'False'));
    expect(await world.kubectl('get', 'events', '-o', 'jsonpath={.items[*].message}')).toContain('"unplugged"');
  });

  test('a word to force that nobody has taken back is not meant for the next claim: its server is switched off', async () => {
    await world.kubectl('annotate', 'physicalhost', 'host-2', 'beskar7.io/force-release=for the machine before');
    await world.kubectl('delete', 'beskar7machine', 'inspects');
    await world.untilHost('host-2', 'unclaimed', ({ spec }) => spec.consumerRef === undefined);
    await world.kubectl('annotate', 'physicalhost', 'host-2', 'beskar7.io/force-release=too late');
    await world.hostIs('host-2', 'Available');
    await world.addMachine('next', on('host-2'));
    await world.machineIs('next', 'Provisioned');
    expect((await world.host('host-2'))?.metadata.annotations?.['beskar7.io/force-release']).toBeUndefined();
    await world.kubectl('delete', 'beskar7machine', 'next');
    await isFreeAndOff(world, 'host-2');
  });
});

describe('a rotated password', () => {
  test('while machines boot and are released: a 401 is told, the Secret is read anew, both go on', async () => {
    await world.addMachine('old', on('host-4'));
    await world.machineIs('old', 'Provisioned');
    for (const sim of ['sim-0004', 'sim-0005']) await world.fleet.fault(sim, { password: 'rotated' });
    await world.kubectl('delete', 'beskar7machine', 'old', '--wait=false');
    await world.addMachine('new', on('host-5'));
    const host = await world.hostIs('host-4', 'Error');
    expect(told(host)).toMatch(/^ReleasePending: .*(401|credential|password|refuse)/i);
    await world.untilMachine('new', 'told of a 401', (machine) => /attempt \d+, failed: /.test(told(machine)));
    const claimed = await world.untilHost('host-5', 'told of it', (it) => isUpToDate(it, 'RedfishReachable', 'False'));
    expect(claimed.status?.state).toBe('InUse');
    expect(told(claimed, 'RedfishReachable')).toMatch(/^Unauthorized: /);
    await setPassword('rotated');
    await world.machineIsGone('old');
    await isFreeAndOff(world, 'host-4');
    await world.machineIs('new', 'Provisioned');
    expect(resets(world, 'host-5')).toEqual(['On']);
    expect(told(host)).not.toContain('rotated');
  });
});
