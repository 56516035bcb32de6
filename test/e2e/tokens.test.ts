import { afterAll, beforeAll, describe, expect, jest, test } from '@jest/globals';
import { claimOf } from '../../model/claim.ts';
import { freePorts } from '../../tools/controlplane/ports.ts';
import { isFreeAndOff, resets } from '../support/atTheBmc.ts';
import { call, tokenOf } from '../support/callback.ts';
import { told } from '../support/conditions.ts';
import { World } from '../support/world.ts';

jest.setTimeout(60_000);

const TIMEOUT_MS = 3_000;
/**
 * When the reports of the race are sent, about the deadline: the first in time, the last too late, also on a slow
 * machine.
 */
const OFFSETS_MS = [-2_000, -250, -130, -10, 110, 1_500];
const RACERS = OFFSETS_MS.length;
const world = new World('e2e-tokens', [`--inspection-timeout=${TIMEOUT_MS}ms`]);
const ROUTES = ['inspection', 'bootstrap', 'provisioned', 'provision-failed', 'os-ready'] as const;
const on = (host: string) => ({ hostSelector: { matchLabels: { only: host } } });
const claim = async (host: string) => {
  const object = await world.host(host);
  return (object && claimOf(object)?.id) ?? '';
};
const answers = (host: string, token: string) => Promise.all(ROUTES.map((route) => call(world, route, host, token)));

beforeAll(async () => {
  await world.start({ hosts: RACERS, profile: 'generic' });
  for (let index = 1; index <= RACERS; index += 1)
    await world.kubectl('label', 'physicalhost', `host-${index}`, `only=host-${index}`);
});
afterAll(() => world.stop());

describe('a token ends with its claim', () => {
  test('after the release it is refused on every route', async () => {
    await world.addMachine('first', on('host-1'));
    await world.machineIs('first', 'Provisioned');
    const token = await tokenOf(world, 'host-1', await claim('host-1'));
    await world.kubectl('delete', 'beskar7machine', 'first', '--wait=false');
    await isFreeAndOff(world, 'host-1');
    expect(await answers('host-1', token)).toEqual(ROUTES.map(() => 401));
  });

  test('and after the next claim: the old tenant neither reads nor says anything', async () => {
    await world.addMachine('second', { ...on('host-1'), readyWhen: 'OSReported' });
    await world.untilHost('host-1', 'handed to its OS', ({ status }) => status?.handover?.outcome === 'Provisioned');
    const old = await tokenOf(world, 'host-1', await claim('host-1'));
    await world.temporalCli('workflow', 'cancel', '-w', `provision/${world.namespace}/second`);
    await world.machineIs('second', 'Failed');
    await isFreeAndOff(world, 'host-1');
    await world.addMachine('third', { ...on('host-1'), readyWhen: 'OSReported' });
    await world.untilHost('host-1', 'handed to its OS', ({ status }) => status?.handover?.outcome === 'Provisioned');
    expect(await answers('host-1', old)).toEqual(ROUTES.map(() => 401));
    expect((await world.machine('third'))?.status?.phase).toBe('Provisioning');
    expect(await call(world, 'os-ready', 'host-1', await tokenOf(world, 'host-1', await claim('host-1')))).toBe(202);
    await world.machineIs('third', 'Provisioned');
    await world.kubectl('delete', 'beskar7machine', 'third', '--wait=false');
    await isFreeAndOff(world, 'host-1');
  });
});

describe('with several processes', () => {
  test('a token ends in every one of them at once, at the first request after the claim', async () => {
    const ports = await freePorts(3);
    const bases = [world.callbackUrl, ...ports.map((port) => `http://127.0.0.1:${port}`)];
    const others = await Promise.all(
      ports.map((port, index) =>
        world.startAnother(`replica-${index}`, ['--roles=api', `--callback-bind-address=127.0.0.1:${port}`]),
      ),
    );
    try {
      await world.addMachine('everywhere', on('host-1'));
      await world.machineIs('everywhere', 'Provisioned');
      const token = await tokenOf(world, 'host-1', await claim('host-1'));
      const ask = () => Promise.all(bases.map((base) => call(world, 'provisioned', 'host-1', token, {}, base)));
      // Each has seen the token, and could remember it.
      expect(await ask()).toEqual(bases.map(() => 202));
      const isOver = world.untilHost('host-1', 'without its claim', (host) => claimOf(host) === undefined);
      await world.kubectl('delete', 'beskar7machine', 'everywhere', '--wait=false');
      await isOver;
      expect(await ask()).toEqual(bases.map(() => 401));
      await isFreeAndOff(world, 'host-1');
    } finally {
      await Promise.all(others.map((other) => other.stop()));
    }
  });
});

describe('report against timeout', () => {
  test('a report that comes after the deadline is refused, and changes nothing', async () => {
    await world.fleet.fault('sim-0002', { neverReports: true });
    await world.addMachine('late', on('host-2'));
    await world.hostIs('host-2', 'Inspecting');
    const token = await tokenOf(world, 'host-2', await claim('host-2'));
    await world.untilHost('host-2', 'timed out', ({ status }) => status?.inspectionPhase === 'Timeout');
    expect([401, 409]).toContain(await call(world, 'inspection', 'host-2', token, { cpus: [], memory: [], disks: [] }));
    expect(told(await world.machineIs('late', 'Failed'))).toMatch(/^InspectionTimeout: /);
    await isFreeAndOff(world, 'host-2');
    await world.fleet.heal();
  });

  test('reports around the deadline: each is decided once, and the answer to the server agrees with it', async () => {
    const names = Array.from({ length: RACERS }, (_, index) => `host-${index + 1}`);
    const accepted = new Set<string>();
    const says = (host: string, what: string) =>
      world.serverOf(host).server.console.filter((line) => line.endsWith(what)).length;
    const saysAccepted = (host: string) => says(host, 'POST inspection: 202');
    const saysOff = (host: string) => says(host, 'and powers off');
    const offBefore = new Map(names.map((host) => [host, saysOff(host)]));
    const before = new Map(names.map((host) => [host, saysAccepted(host)]));
    for (const [index, host] of names.entries()) {
      const delayCallbacksMs = TIMEOUT_MS + (OFFSETS_MS[index] ?? 0);
      await world.fleet.fault(`sim-000${index + 1}`, { delayCallbacksMs, times: 1 });
      await world.addMachine(`race-${host}`, on(host));
    }
    for (const host of names) {
      const name = `race-${host}`;
      const isEnd = (phase: string | undefined) => phase === 'Provisioned' || phase === 'Failed';
      const machine = await world.untilMachine(name, 'at its end', ({ status }) => isEnd(status?.phase));
      const isAccepted = saysAccepted(host) > (before.get(host) ?? 0);
      if (machine.status?.phase === 'Provisioned') accepted.add(host);
      else expect(told(machine)).toMatch(/^InspectionTimeout: /);
      // One that is refused switches itself off, and may be quicker than its release, which then has nothing to do.
      const isOffByItself = saysOff(host) > (offBefore.get(host) ?? 0);
      if (machine.status?.phase === 'Provisioned' || !isOffByItself)
        expect(resets(world, host).at(-1)).toBe(machine.status?.phase === 'Provisioned' ? 'On' : 'ForceOff');
      expect({ host, isAccepted }).toEqual({ host, isAccepted: machine.status?.phase === 'Provisioned' });
    }
    // One of each at least: else it was no race.
    expect(accepted.has('host-1')).toBe(true);
    expect(accepted.has(`host-${RACERS}`)).toBe(false);
    for (const host of names) {
      const { running } = world.serverOf(host).server.state;
      expect({ host, running }).toEqual({ host, running: accepted.has(host) ? 'os' : 'nothing' });
      if (!accepted.has(host)) await isFreeAndOff(world, host);
      else expect((await world.host(host))?.status?.inspectionPhase).toBe('Complete');
    }
  });
});
