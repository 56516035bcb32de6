import { afterAll, beforeAll, describe, expect, jest, test } from '@jest/globals';
import { claimOf } from '../../model/claim.ts';
import { MACHINES } from '../../kube/resource.ts';
import { isFreeAndOff, resets } from '../support/atTheBmc.ts';
import { call, tokenOf } from '../support/callback.ts';
import { told } from '../support/conditions.ts';
import { World } from '../support/world.ts';

jest.setTimeout(180_000);

const world = new World('e2e-terminate', ['--resync=2s']);
const run = (machine: string) => `provision/${world.namespace}/${machine}`;
const on = (host: string) => ({ hostSelector: { matchLabels: { only: host } } });
const claim = async (host: string) => {
  const object = await world.host(host);
  return object && claimOf(object);
};

/** Terminates the open run of a machine and waits until the watcher has begun another one. */
async function terminate(machine: string): Promise<void> {
  const { runId } = await world.temporal.workflow.getHandle(run(machine)).describe();
  await world.temporalCli('workflow', 'terminate', '-w', run(machine), '--reason', 'test');
  await world.untilMachine(machine, 'with another run', ({ status }) => status?.workflow?.runID !== runId, 30_000);
}

beforeAll(async () => {
  await world.start({ hosts: 5, profile: 'generic' });
  for (let index = 1; index <= 5; index += 1)
    await world.kubectl('label', 'physicalhost', `host-${index}`, `only=host-${index}`);
});
afterAll(() => world.stop());

describe('temporal workflow terminate: nothing is cleaned up, the watcher starts a run that goes on with the claim', () => {
  test('while it waits for a host: it waits again, and is woken', async () => {
    await world.addMachine('waits', on('nowhere'));
    await world.untilMachine('waits', 'waiting', (machine) => told(machine).startsWith('NoMatchingHost'));
    await terminate('waits');
    await world.kubectl('label', '--overwrite', 'physicalhost', 'host-1', 'only=nowhere');
    await world.machineIs('waits', 'Provisioned');
    expect(resets(world, 'host-1')).toEqual(['On']);
  });

  test('while the server is switched off: the new run sees it off and boots it once', async () => {
    world.serverOf('host-2').server.press('On');
    await world.fleet.fault('sim-0002', { powerOffMs: 6_000 });
    await world.addMachine('goes-off', on('host-2'));
    await world.bmcWasAsked('host-2', ({ body }) => body.includes('ForceOff'));
    const before = await claim('host-2');
    await terminate('goes-off');
    await world.fleet.heal('sim-0002');
    await world.machineIs('goes-off', 'Provisioned');
    expect((await claim('host-2'))?.id).toBe(before?.id);
    expect(resets(world, 'host-2').at(-1)).toBe('On');
    expect(resets(world, 'host-2').filter((type) => type === 'On')).toHaveLength(1);
    expect(world.serverOf('host-2').server.state.networkBoots).toBe(1);
  });

  test('after it armed, before the server was seen on: the same token, one boot', async () => {
    await world.fleet.fault('sim-0003', { powerStuck: true });
    await world.addMachine('armed', on('host-3'));
    await world.bmcWasAsked('host-3', ({ body }) => body.includes('"On"'));
    const before = await claim('host-3');
    await terminate('armed');
    await world.fleet.heal('sim-0003');
    await world.machineIs('armed', 'Provisioned');
    expect(await claim('host-3')).toMatchObject({ id: before?.id, tokenHash: before?.tokenHash, stage: 'HandedOver' });
    expect(world.serverOf('host-3').server.state).toMatchObject({ boots: 1, networkBoots: 1, running: 'os' });
  });

  test('while the server is inspected: only the rest of the deadline is waited, nothing is sent', async () => {
    await world.fleet.fault('sim-0004', { delayCallbacksMs: 6_000 });
    await world.addMachine('inspects', on('host-4'));
    const { status } = await world.untilHost('host-4', 'booting', (host) => host.status?.state === 'Inspecting');
    const before = await claim('host-4');
    await terminate('inspects');
    // In this phase the watcher reminds the run of a report whose signal was lost.
    await world.untilMachine('inspects', 'inspected by the next run', (machine) =>
      /^WaitingForInspection: Continues with host host-4/.test(told(machine)),
    );
    await world.fleet.heal('sim-0004');
    expect((await world.host('host-4'))?.status?.inspection?.deadline).toBe(status?.inspection?.deadline);
    await world.machineIs('inspects', 'Provisioned');
    expect((await claim('host-4'))?.id).toBe(before?.id);
    expect(resets(world, 'host-4')).toEqual(['On']);
  });

  test('while the final OS starts: its report is waited for, and counts', async () => {
    await world.addMachine('starts', { ...on('host-5'), readyWhen: 'OSReported' });
    await world.untilHost('host-5', 'handed to its OS', ({ status }) => status?.handover?.outcome === 'Provisioned');
    const before = await claim('host-5');
    await terminate('starts');
    expect(await call(world, 'os-ready', 'host-5', await tokenOf(world, 'host-5', before?.id ?? ''))).toBe(202);
    await world.machineIs('starts', 'Provisioned');
    expect((await claim('host-5'))?.id).toBe(before?.id);
    expect(resets(world, 'host-5')).toEqual(['On']);
  });

  test('between the last two writes of a cancelled run: the next one writes its end, and begins nothing', async () => {
    await world.addMachine('ends', on('nowhere-at-all'));
    await world.untilMachine('ends', 'waiting', (machine) => told(machine).startsWith('NoMatchingHost'));
    const cancelled = world.temporal.workflow.getHandle(run('ends'));
    const { runId } = await cancelled.describe();
    await cancelled.cancel();
    await world.untilMachine('ends', 'cancelled', (machine) => told(machine).startsWith('Cancelled'));
    // What the machine looks like when its annotation says so, and its status does not yet.
    const before = { status: { phase: 'Claiming' } };
    await world.admin.mergePatch(MACHINES, world.namespace, 'ends', before, { subresource: 'status' });
    const { status } = await world.untilMachine('ends', 'told by another run', ({ status: now }) => {
      return now?.phase === 'Failed' && now.workflow?.runID !== runId;
    });
    expect(status?.conditions).toContainEqual(
      expect.objectContaining({ type: 'Ready', reason: 'Cancelled', message: expect.stringMatching(/terminated/) }),
    );
    expect(await world.temporal.workflow.getHandle(run('ends')).result()).toMatch(/a finished run has dealt with/);
  });

  test('after the hand-over there is no run to terminate, and none is started', async () => {
    await expect(world.temporalCli('workflow', 'terminate', '-w', run('starts'))).rejects.toThrow(/already completed/);
    const { runId } = await world.temporal.workflow.getHandle(run('starts')).describe();
    // The watchers look at all machines anew: another one that begins shows that they have.
    await world.beskar7.restart();
    await world.addMachine('later', on('nowhere-else'));
    await world.untilMachine('later', 'waiting', (machine) => told(machine).startsWith('NoMatchingHost'));
    expect((await world.temporal.workflow.getHandle(run('starts')).describe()).runId).toBe(runId);
    expect(resets(world, 'host-5')).toEqual(['On']);
  });

  test('of a deprovision, while the server is switched off: another one lets the machine go, its host off and free', async () => {
    await world.fleet.fault('sim-0001', { powerOffMs: 6_000 });
    await world.kubectl('delete', 'beskar7machine', 'waits', '--wait=false');
    await world.bmcWasAsked('host-1', ({ body }) => /GracefulShutdown|ForceOff/.test(body));
    const id = `deprovision/${world.namespace}/waits`;
    const { runId } = await world.temporal.workflow.getHandle(id).describe();
    await world.temporalCli('workflow', 'terminate', '-w', id, '-r', runId, '--reason', 'test');
    await world.machineIsGone('waits', 150_000);
    await isFreeAndOff(world, 'host-1');
    const next = world.temporal.workflow.getHandle(id);
    expect((await next.describe()).runId).not.toBe(runId);
    await expect(next.result()).resolves.toMatch(/was deprovisioned/);
    expect(resets(world, 'host-1').filter((type) => type === 'On')).toHaveLength(1);
    await world.fleet.heal('sim-0001');
  });
});
