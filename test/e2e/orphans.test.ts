import { afterAll, beforeAll, describe, expect, jest, test } from '@jest/globals';
import { claimOf } from '../../model/claim.ts';
import type { Beskar7Machine } from '../../crds/beskar7Machine.ts';
import { HOSTS, MACHINES } from '../../kube/resource.ts';
import { changes, isFreeAndOff, resets } from '../support/atTheBmc.ts';
import { isUpToDate, told } from '../support/conditions.ts';
import { World } from '../support/world.ts';

jest.setTimeout(240_000);

const ORPHAN_MS = 3_000;
const world = new World('e2e-orphans', [
  `--orphan-release-after=${ORPHAN_MS}ms`,
  '--resync=2s',
  '--inspection-timeout=60s',
]);
const HOSTS_COUNT = 6;
const on = (host: string) => ({ hostSelector: { matchLabels: { only: host } } });

beforeAll(async () => {
  await world.start({ hosts: HOSTS_COUNT, profile: 'generic' });
  for (let index = 1; index <= HOSTS_COUNT; index += 1)
    await world.kubectl('label', 'physicalhost', `host-${index}`, `only=host-${index}`);
});
afterAll(() => world.stop());

/** Provisions a machine on a host. */
async function provision(name: string, host: string): Promise<Beskar7Machine> {
  await world.addMachine(name, on(host));
  return world.machineIs(name, 'Provisioned');
}

/**
 * Takes a machine away as a restore or a careless person does: without its deprovision. Beskar7 is stopped meanwhile.
 */
async function vanish(name: string): Promise<void> {
  await world.kubectl('patch', 'beskar7machine', name, '--type=merge', '-p', '{"metadata":{"finalizers":null}}');
  await world.kubectl('delete', 'beskar7machine', name, '--wait=true');
}

/** The object as a backup tool brings it back: another uid, no status. */
async function restore(machine: Beskar7Machine, change: Partial<Beskar7Machine['metadata']> = {}): Promise<void> {
  const { name, namespace = '', labels, annotations, finalizers } = machine.metadata;
  const kept = {
    ...(labels ? { labels } : {}),
    ...(annotations ? { annotations } : {}),
    ...(finalizers ? { finalizers } : {}),
  };
  await world.admin.create(MACHINES, { metadata: { name, namespace, ...kept, ...change }, spec: machine.spec });
}

/**
 * A host whose claim was never handed over, and whose machine is gone; `meanwhile` is done before Beskar7 comes back.
 */
async function makeOrphan(
  machine: string,
  host: string,
  { label = host, meanwhile = () => Promise.resolve() } = {},
): Promise<void> {
  await world.fleet.fault(`sim-000${host.at(-1)}`, { neverReports: true });
  await world.addMachine(machine, on(label));
  // Armed, and its server was seen on.
  await world.hostIs(host, 'Inspecting');
  await world.beskar7.kill('SIGKILL');
  await vanish(machine);
  await world.temporalCli('workflow', 'terminate', '-w', `provision/${world.namespace}/${machine}`);
  await meanwhile();
  await world.startBeskar7();
}

const isMissing = (name: string) =>
  world.untilHost(name, 'with ConsumerMissing', (host) => isUpToDate(host, 'ConsumerMissing'));
const forceRelease = (host: string) =>
  world.kubectl('annotate', 'physicalhost', host, 'beskar7.io/force-release=scrapped, ticket 4711');

describe('a handed-over host whose machine is gone', () => {
  test('keeps running: a condition, no call to its BMC, no workflow; and stays when the time is over', async () => {
    await provision('gone', 'host-1');
    const sent = changes(world, 'host-1');
    await vanish('gone');
    const host = await isMissing('host-1');
    expect(told(host, 'ConsumerMissing')).toMatch(/^MachineNotFound: .*gone.* keeps running; nothing is done to it/);
    // Another host, never handed over, is released in the same time and later: that much has passed.
    await makeOrphan('armed', 'host-2');
    const since = performance.now();
    const orphan = await isMissing('host-2');
    expect(told(orphan, 'ConsumerMissing')).toMatch(/never handed over/);
    await isFreeAndOff(world, 'host-2', 145_000);
    expect(performance.now() - since).toBeGreaterThan(ORPHAN_MS);
    expect(isUpToDate(await world.host('host-2'), 'ConsumerMissing')).toBe(false);
    await world.fleet.heal();
    const still = await world.host('host-1');
    expect(still && claimOf(still)?.stage).toBe('HandedOver');
    expect(changes(world, 'host-1')).toBe(sent);
    expect(world.serverOf('host-1').server.state).toMatchObject({ power: 'On', running: 'os' });
    await expect(
      world.temporal.workflow.getHandle(`release/${world.namespace}/host-1`).describe(),
    ).rejects.toMatchObject({ name: 'WorkflowNotFoundError' });
  });

  test('is freed by force-release, without a call to its BMC, and enrolled again', async () => {
    const sent = changes(world, 'host-1');
    await forceRelease('host-1');
    const host = await world.hostIs('host-1', 'Available');
    expect([host.spec.consumerRef, claimOf(host), host.metadata.annotations?.['beskar7.io/force-release']]).toEqual([
      undefined,
      undefined,
      undefined,
    ]);
    expect(isUpToDate(host, 'ConsumerMissing')).toBe(false);
    expect(changes(world, 'host-1')).toBe(sent);
    const events = await world.kubectl('get', 'events', '--field-selector=involvedObject.name=host-1', '-o', 'json');
    expect(events).toMatch(/ForceReleased/);
    expect(events).toMatch(/ticket 4711/);
  });
});

describe('moved and restored objects', () => {
  test('a provisioned machine with another uid and no status is recognised, and its server is not touched', async () => {
    const machine = await provision('moved', 'host-3');
    const sent = changes(world, 'host-3');
    await world.beskar7.stop();
    await vanish('moved');
    await restore(machine);
    await world.startBeskar7();
    const back = await world.machineIs('moved', 'Provisioned');
    expect(back.metadata.uid).not.toBe(machine.metadata.uid);
    const host = await world.untilHost('host-3', 'with the new uid', (found) => {
      const uid = back.metadata.uid ?? '';
      return found.spec.consumerRef?.uid === uid && found.metadata.labels?.['beskar7.io/consumer-uid'] === uid;
    });
    expect(claimOf(host)?.stage).toBe('HandedOver');
    expect(changes(world, 'host-3')).toBe(sent);
    expect(world.serverOf('host-3').server.state).toMatchObject({ power: 'On', running: 'os' });
  });

  test('one that is deleted as soon as it was restored frees its host all the same', async () => {
    const machine = await world.machine('moved');
    await world.beskar7.stop();
    await vanish('moved');
    await restore(machine as Beskar7Machine);
    await world.kubectl('delete', 'beskar7machine', 'moved', '--wait=false');
    await world.startBeskar7();
    await world.machineIsGone('moved');
    await isFreeAndOff(world, 'host-3');
  });

  test('a machine that runs on a host that is not there gets no second server', async () => {
    const machine = await provision('homeless', 'host-4');
    await vanish('homeless');
    await isMissing('host-4');
    await restore(
      {
        ...machine,
        spec: { ...machine.spec, hostSelector: {}, providerID: `b7://${world.namespace}/elsewhere/homeless` },
      },
      { name: 'homeless' },
    );
    const back = await world.untilMachine('homeless', 'told', (found) => told(found).startsWith('HostMissing'));
    expect(back.metadata.annotations?.['clusterctl.cluster.x-k8s.io/block-move']).toBeUndefined();
    const { items } = await world.admin.list(HOSTS, { namespace: world.namespace });
    expect(items.filter(({ spec }) => spec.consumerRef?.uid === back.metadata.uid)).toEqual([]);
    // Restored once more, as it was: the host that its providerID names is its own.
    await vanish('homeless');
    await restore(machine);
    await world.machineIs('homeless', 'Provisioned');
    await world.untilHost('host-4', 'with its machine', (host) => !isUpToDate(host, 'ConsumerMissing'));
  });
});

describe('delete-for-move', () => {
  test('objects that clusterctl has moved away go without a BMC call and without a workflow', async () => {
    await provision('leaving', 'host-5');
    const sent = world.requestsOf('host-5').length;
    const mark = 'clusterctl.cluster.x-k8s.io/delete-for-move=';
    await world.kubectl('annotate', 'physicalhost', 'host-5', mark);
    await world.kubectl('annotate', 'beskar7machine', 'leaving', mark);
    await world.kubectl('delete', 'beskar7machine', 'leaving', '--wait=false');
    await world.kubectl('delete', 'physicalhost', 'host-5', '--wait=false');
    // What clusterctl does to the source objects.
    await world.kubectl('patch', 'beskar7machine', 'leaving', '--type=merge', '-p', '{"metadata":{"finalizers":null}}');
    // Time for a watcher that would act on it: another machine comes and goes.
    await provision('witness', 'host-6');
    await world.kubectl('delete', 'beskar7machine', 'witness', '--wait=false');
    await world.machineIsGone('witness');
    await world.kubectl('patch', 'physicalhost', 'host-5', '--type=merge', '-p', '{"metadata":{"finalizers":null}}');
    await world.hostIsGone('host-5');
    expect(world.requestsOf('host-5')).toHaveLength(sent);
    expect(world.serverOf('host-5').server.state).toMatchObject({ power: 'On', running: 'os' });
    for (const id of [
      `deprovision/${world.namespace}/leaving`,
      `retire/${world.namespace}/host-5`,
      `release/${world.namespace}/host-5`,
    ]) {
      await expect(world.temporal.workflow.getHandle(id).describe()).rejects.toMatchObject({
        name: 'WorkflowNotFoundError',
      });
    }
  });
});

describe('a machine that vanished while its claim was never handed over, made again under its name', () => {
  test('gets another host; the old one is left alone until it is freed as an orphan', async () => {
    await world.kubectl('label', '--overwrite', 'physicalhosts', 'host-2', 'host-6', 'only=twins');
    await world.kubectl(
      'annotate',
      'physicalhost',
      'host-2',
      'beskar7.io/unschedulable=the first one is to have host-6',
    );
    let sent = 0;
    const meanwhile = async () => {
      sent = changes(world, 'host-6');
      await world.kubectl('annotate', 'physicalhost', 'host-2', 'beskar7.io/unschedulable-');
      await world.addMachine('twin', on('twins'));
    };
    await makeOrphan('twin', 'host-6', { label: 'twins', meanwhile });
    const old = await isMissing('host-6');
    expect(old.spec.consumerRef?.uid).not.toBe((await world.machine('twin'))?.metadata.uid);
    expect(changes(world, 'host-6')).toBe(sent);
    const machine = await world.machineIs('twin', 'Provisioned');
    expect(machine.status?.hostRef?.name).toBe('host-2');
    await isFreeAndOff(world, 'host-6', 145_000);
    expect(resets(world, 'host-6').slice(-2)).toEqual(['On', 'ForceOff']);
    expect((await world.host('host-2'))?.spec.consumerRef?.uid).toBe(machine.metadata.uid);
    await world.fleet.heal();
    await world.kubectl('label', '--overwrite', 'physicalhost', 'host-6', 'only=host-6');
  });
});

describe('a release whose BMC is dead', () => {
  test('its open run is woken by force-release, and does not wait for its next attempt', async () => {
    await makeOrphan('dead', 'host-6');
    await world.fleet.fault('sim-0006', { refuse: true });
    // After this one it waits for half a minute: time enough for the word, however slow the machine is.
    const host = await world.untilHost('host-6', 'tried five times', (found) => /attempt 5/.test(told(found)), 150_000);
    expect(host.status?.state).toBe('Error');
    const next = Date.parse(/next attempt at (\S+Z)/.exec(told(host))?.[1] ?? '');
    expect(next - Date.now()).toBeGreaterThan(15_000);
    await forceRelease('host-6');
    await world.untilHost('host-6', 'released', ({ spec }) => spec.consumerRef === undefined);
    expect(Date.now()).toBeLessThan(next);
    const run = world.temporal.workflow.getHandle(`release/${world.namespace}/host-6`);
    await expect(run.result()).resolves.toMatch(/was released/);
    await world.fleet.heal();
    await world.hostIs('host-6', 'Available');
  });

  test('temporal workflow terminate of its run: the watcher begins another one, which ends it', async () => {
    await makeOrphan('stopped', 'host-6');
    await world.fleet.fault('sim-0006', { refuse: true });
    await world.untilHost('host-6', 'tried', (found) => /attempt 2/.test(told(found)), 100_000);
    const id = `release/${world.namespace}/host-6`;
    const { runId } = await world.temporal.workflow.getHandle(id).describe();
    await world.temporalCli('workflow', 'terminate', '-w', id, '-r', runId, '--reason', 'test');
    await world.fleet.heal();
    // The next run does not know what the first one has sent: that is waited out (107 s) before the host is free.
    await isFreeAndOff(world, 'host-6', 195_000);
    const next = world.temporal.workflow.getHandle(id);
    expect((await next.describe()).runId).not.toBe(runId);
    await expect(next.result()).resolves.toMatch(/was released/);
    expect(resets(world, 'host-6').at(-1)).toBe('ForceOff');
  });
});
