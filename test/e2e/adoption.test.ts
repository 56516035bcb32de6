import { afterAll, beforeAll, describe, expect, jest, test } from '@jest/globals';
import type { Beskar7Machine } from '../../crds/beskar7Machine.ts';
import { claimOf } from '../../model/claim.ts';
import { LABEL_CONSUMER_UID } from '../../crds/names.ts';
import type { PhysicalHost } from '../../crds/physicalHost.ts';
import { HOSTS, MACHINES } from '../../kube/resource.ts';
import { changes, isFreeAndOff, resets } from '../support/atTheBmc.ts';
import { handOverByHand, reportByHand } from '../support/byHand.ts';
import { isUpToDate, told } from '../support/conditions.ts';
import { World } from '../support/world.ts';

jest.setTimeout(60_000);

const world = new World('e2e-adoption');
const hosts = ['host-1', 'host-2', 'host-3', 'host-4'];
const on = (host: string) => ({ hostSelector: { matchLabels: { only: host } } });
const allChanges = () => hosts.map((host) => changes(world, host));
const claim = async (host: string) => {
  const object = await world.host(host);
  return object && claimOf(object);
};

/** Everything that `status` holds is gone, as after a restore or a clusterctl move. */
async function stripStatus(): Promise<void> {
  const { namespace } = world;
  const [lost, options] = [{ status: null }, { subresource: 'status' }] as const;
  for (const { metadata } of (await world.admin.list(HOSTS, { namespace })).items)
    await world.admin.mergePatch(HOSTS, namespace, metadata.name, lost, options);
  for (const { metadata } of (await world.admin.list(MACHINES, { namespace })).items)
    await world.admin.mergePatch(MACHINES, namespace, metadata.name, lost, options);
}

beforeAll(async () => {
  await world.start({ hosts: 5, profile: 'generic' });
  for (const host of hosts) await world.kubectl('label', 'physicalhost', host, `only=${host}`);
  await Promise.all(['host-1', 'host-2'].map((host) => world.addMachine(`on-${host}`, on(host))));
  for (const host of ['host-1', 'host-2']) {
    await world.machineIs(`on-${host}`, 'Provisioned');
    await world.temporal.workflow.getHandle(`provision/${world.namespace}/on-${host}`).result();
  }
});
afterAll(() => world.stop());

describe('status of all objects lost, Beskar7 restarted', () => {
  test('provisioned machines are recognised, free hosts offered again, nothing is changed at any BMC', async () => {
    const before = allChanges();
    await world.beskar7.stop();
    await stripStatus();
    await world.startBeskar7();
    for (const host of ['host-1', 'host-2']) {
      const machine = await world.machineIs(`on-${host}`, 'Provisioned');
      expect(machine.status).toMatchObject({
        ready: true,
        initialization: { provisioned: true },
        hostRef: { name: host },
      });
      const ready = await world.untilHost(host, 'Ready', (object) => isUpToDate(object, 'Ready'));
      expect(told(ready)).toMatch(/^Validated: /);
      expect(ready.status?.state).toBe('Ready');
      expect(world.serverOf(host).server.state.running).toBe('os');
    }
    for (const host of ['host-3', 'host-4']) await world.hostIs(host, 'Available');
    expect(allChanges()).toEqual(before);
  });

  test('an unfinished machine goes on with its claim: the token stays, the server is not booted again', async () => {
    await world.fleet.fault('sim-0003', { neverReports: true });
    await world.addMachine('half', on('host-3'));
    await world.hostIs('host-3', 'Inspecting');
    const before = await claim('host-3');
    await world.beskar7.stop();
    await stripStatus();
    await world.startBeskar7();
    expect(await reportByHand(world, 'host-3')).toBe(202);
    await handOverByHand(world, 'host-3');
    await world.machineIs('half', 'Provisioned');
    expect(await claim('host-3')).toMatchObject({ id: before?.id, tokenHash: before?.tokenHash });
    expect(resets(world, 'host-3')).toEqual(['On']);
  });
});

describe('status of a machine lost while its run waits for a host', () => {
  test('it says again what it waits for, and is woken when a host is free', async () => {
    const isWaiting = (machine: Beskar7Machine) => told(machine).startsWith('NoMatchingHost');
    await world.addMachine('waiting', { hostSelector: { matchLabels: { later: 'yes' } } });
    await world.untilMachine('waiting', 'waiting', isWaiting);
    await world.admin.mergePatch(MACHINES, world.namespace, 'waiting', { status: null }, { subresource: 'status' });
    await world.untilMachine('waiting', 'waiting again', isWaiting);
    await world.kubectl('label', 'physicalhost', 'host-5', 'later=yes');
    await world.machineIs('waiting', 'Provisioned');
    await world.kubectl('delete', 'beskar7machine', 'waiting');
    await isFreeAndOff(world, 'host-5');
  });
});

describe('status of a machine lost whose run was cancelled', () => {
  test('it is Failed again and says so, nothing is started, and a retry is taken', async () => {
    const isUpToDate = (text: string) => (machine: Beskar7Machine) => told(machine).startsWith(text);
    await world.addMachine('cancelled', on('no-host'));
    await world.untilMachine('cancelled', 'waiting', isUpToDate('NoMatchingHost'));
    const run = world.temporal.workflow.getHandle(`provision/${world.namespace}/cancelled`);
    await run.cancel();
    await world.untilMachine('cancelled', 'cancelled', isUpToDate('Cancelled'));
    const { runId } = await run.describe();
    await world.beskar7.stop();
    await stripStatus();
    await world.startBeskar7();
    const machine = await world.machineIs('cancelled', 'Failed');
    expect(told(machine)).toMatch(/^Cancelled: .*beskar7.io\/retry/);
    expect((await run.describe()).runId).toBe(runId);
    await world.kubectl('annotate', 'beskar7machine', 'cancelled', 'beskar7.io/retry=1');
    const again = await world.untilMachine('cancelled', 'waiting again', isUpToDate('NoMatchingHost'));
    expect(again.status?.phase).toBe('Claiming');
    await world.kubectl('delete', 'beskar7machine', 'cancelled');
  });
});

describe('Temporal’s database wiped', () => {
  test('unfinished work goes on, finished work is not touched, a deletion that was under way is finished', async () => {
    await world.fleet.fault('sim-0004', { neverReports: true });
    await world.addMachine('unfinished', on('host-4'));
    await world.hostIs('host-4', 'Inspecting');
    const before = await claim('host-4');
    const { runID } = (await world.machine('unfinished'))?.status?.workflow ?? {};
    const untouched = ['host-1', 'host-2'].map((host) => changes(world, host));
    await world.beskar7.stop();
    await world.kubectl('delete', 'beskar7machine', 'half', '--wait=false');
    world.forgetTemporal('e2e-adoption-wiped');
    await world.startBeskar7();
    // Adopted: a run of the new database works on it.
    await world.untilMachine('unfinished', 'with another run', ({ status }) => status?.workflow?.runID !== runID);
    expect(await reportByHand(world, 'host-4')).toBe(202);
    await handOverByHand(world, 'host-4');
    await world.machineIs('unfinished', 'Provisioned');
    expect((await claim('host-4'))?.id).toBe(before?.id);
    expect(resets(world, 'host-4')).toEqual(['On']);
    await world.machineIsGone('half');
    await isFreeAndOff(world, 'host-3');
    expect(['host-1', 'host-2'].map((host) => changes(world, host))).toEqual(untouched);
  });
});

describe('restored from a backup: other uids, no status', () => {
  /** What a backup holds of an object, and a restore writes: neither uid, version nor status. */
  const backedUp = <T extends PhysicalHost | Beskar7Machine>({ metadata, spec, ...rest }: T) => {
    const { name, namespace, labels, annotations, finalizers } = metadata;
    return {
      apiVersion: rest.apiVersion,
      kind: rest.kind,
      metadata: { name, namespace, labels, annotations, finalizers },
      spec,
    };
  };

  test('provisioned machines are recognised by their providerID, the uid is rewritten, nothing is changed at any BMC', async () => {
    const { namespace } = world;
    const before = allChanges();
    await world.beskar7.stop();
    const oldHosts = (await world.admin.list(HOSTS, { namespace })).items;
    const oldMachines = (await world.admin.list(MACHINES, { namespace })).items;
    const noFinalizers = { metadata: { finalizers: null } };
    for (const { metadata } of oldHosts) await world.admin.mergePatch(HOSTS, namespace, metadata.name, noFinalizers);
    for (const { metadata } of oldMachines)
      await world.admin.mergePatch(MACHINES, namespace, metadata.name, noFinalizers);
    await world.kubectl('delete', 'physicalhosts,beskar7machines', '--all', '--timeout=20s');
    for (const host of oldHosts) await world.admin.create(HOSTS, backedUp(host) as PhysicalHost);
    for (const machine of oldMachines) await world.admin.create(MACHINES, backedUp(machine) as Beskar7Machine);
    await world.startBeskar7();
    for (const { metadata, spec } of oldMachines) {
      const machine = await world.machineIs(metadata.name, 'Provisioned');
      expect(machine.metadata.uid).not.toBe(metadata.uid);
      expect(machine.spec.providerID).toBe(spec.providerID);
      const host = await world.hostIs(machine.status?.hostRef?.name ?? '', 'Ready');
      expect(host.spec.consumerRef?.uid).toBe(machine.metadata.uid);
      expect(host.metadata.labels?.[LABEL_CONSUMER_UID]).toBe(machine.metadata.uid);
      expect(world.serverOf(host.metadata.name).server.state.power).toBe('On');
    }
    await world.hostIs('host-3', 'Available');
    expect(allChanges()).toEqual(before);
  });

  test('a machine whose earlier run waits for a host: that run hears of it and ends, the restored one begins', async () => {
    const { namespace } = world;
    const isWaiting = (machine: Beskar7Machine) => told(machine).startsWith('NoMatchingHost');
    await world.addMachine('waits', on('no-host'));
    const old = await world.untilMachine('waits', 'waiting', isWaiting);
    await world.admin.mergePatch(MACHINES, namespace, 'waits', { metadata: { finalizers: null } });
    await world.kubectl('delete', 'beskar7machine', 'waits', '--timeout=20s');
    await world.admin.create(MACHINES, backedUp(old) as Beskar7Machine);
    const restored = await world.untilMachine('waits', 'waiting again', isWaiting);
    expect(restored.metadata.uid).not.toBe(old.metadata.uid);
    await world.kubectl('delete', 'beskar7machine', 'waits', '--timeout=20s');
  });

  test('and they are released like any other', async () => {
    await world.kubectl('delete', 'beskar7machine', 'on-host-1', '--wait=false');
    await world.machineIsGone('on-host-1');
    await isFreeAndOff(world, 'host-1');
  });
});
