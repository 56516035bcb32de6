import { afterAll, beforeAll, describe, expect, jest, test } from '@jest/globals';
import type { Beskar7Machine } from '../../crds/beskar7Machine.ts';
import { claimOf } from '../../model/claim.ts';
import { ANNOTATION_PAUSED, FINALIZER_MACHINE } from '../../crds/names.ts';
import { MACHINES } from '../../kube/resource.ts';
import { changes, isFreeAndOff, resets } from '../support/atTheBmc.ts';
import { isUpToDate, told } from '../support/conditions.ts';
import { World } from '../support/world.ts';

jest.setTimeout(60_000);

const HOSTS = 8;
const world = new World('e2e-deletion', ['--inspection-timeout=30s']);
const on = (host: string) => ({ hostSelector: { matchLabels: { only: host } } });
const remove = (machine: string) => world.kubectl('delete', 'beskar7machine', machine, '--wait=false');
const runOf = async (machine: string) =>
  (await world.temporal.workflow.getHandle(`provision/${world.namespace}/${machine}`).describe()).status.name;

beforeAll(async () => {
  await world.start({ hosts: HOSTS, profile: 'mixed' });
  for (let index = 1; index <= HOSTS; index += 1)
    await world.kubectl('label', 'physicalhost', `host-${index}`, `only=host-${index}`);
});
afterAll(() => world.stop());

describe('kubectl delete of a machine, in every phase', () => {
  test('before anything was begun: it is gone at once, and left no finalizer', async () => {
    await world.admin.create(MACHINES, {
      metadata: { name: 'paused', namespace: world.namespace, annotations: { [ANNOTATION_PAUSED]: '' } },
      spec: { targetOSImage: 'http://images.example/os.tar.gz' },
    });
    const machine = await world.machineIs('paused', 'Pending');
    expect(machine.metadata.finalizers ?? []).not.toContain(FINALIZER_MACHINE);
    await remove('paused');
    await world.machineIsGone('paused', 5_000);
  });

  test('while it waits for a host: the run is cancelled, no BMC was asked', async () => {
    const changesOf = () => world.fleet.requests().filter(({ mutating }) => mutating).length;
    const before = changesOf();
    await world.addMachine('waits', on('nowhere'));
    await world.untilMachine('waits', 'waiting', (machine) => told(machine).startsWith('NoMatchingHost'));
    await remove('waits');
    await world.machineIsGone('waits');
    expect(await runOf('waits')).toBe('CANCELLED');
    expect(changesOf()).toBe(before);
  });

  test('while its server is switched off: it is not switched on any more', async () => {
    world.serverOf('host-1').server.press('On');
    await world.fleet.fault('sim-0001', { powerOffMs: 2_000 });
    await world.addMachine('goes-off', on('host-1'));
    await world.bmcWasAsked('host-1', ({ body }) => body.includes('ForceOff'));
    await remove('goes-off');
    await world.machineIsGone('goes-off');
    await isFreeAndOff(world, 'host-1');
    expect(resets(world, 'host-1')).not.toContain('On');
    await world.fleet.heal();
  });

  test('between power-on and seen on', async () => {
    await world.fleet.fault('sim-0002', { powerStuck: true });
    await world.addMachine('stuck', on('host-2'));
    await world.bmcWasAsked('host-2', ({ body }) => body.includes('"On"'));
    await remove('stuck');
    await world.machineIsGone('stuck');
    await isFreeAndOff(world, 'host-2');
    await world.fleet.heal();
  });

  test('while the final OS starts, and after a failure', async () => {
    await world.addMachine('starts', { ...on('host-3'), readyWhen: 'OSReported' });
    await world.fleet.fault('sim-0004', { smallHardware: true });
    await world.addMachine('failed', { ...on('host-4'), hardwareRequirements: { minCPUCores: 8 } });
    await world.untilHost('host-3', 'handed to its OS', ({ status }) => status?.handover?.outcome === 'Provisioned');
    await world.machineIs('failed', 'Failed');
    const before = changes(world, 'host-4');
    await Promise.all([remove('starts'), remove('failed')]);
    await Promise.all([world.machineIsGone('starts'), world.machineIsGone('failed')]);
    await isFreeAndOff(world, 'host-3');
    expect(await runOf('starts')).toBe('CANCELLED');
    expect(changes(world, 'host-4')).toBe(before);
    await world.fleet.heal();
  });

  test('at its n-th change, that is between any two activities: gone, its host off and free, no token left', async () => {
    const names = Array.from({ length: HOSTS }, (_, index) => `step-${index + 1}`);
    const phases = new Set<string>();
    const deleteAtChange = async (name: string, count: number) => {
      let seen = 0;
      const { status } = await world.untilMachine(name, `changed ${count} times`, () => (seen += 1) >= count);
      phases.add(status?.phase ?? 'Pending');
      await world.admin.delete(MACHINES, world.namespace, name);
      await world.machineIsGone(name);
    };
    for (const [index, name] of names.entries()) await world.addMachine(name, on(`host-${index + 1}`));
    await Promise.all(names.map((name, index) => deleteAtChange(name, index + 1)));
    for (let index = 1; index <= HOSTS; index += 1) {
      await isFreeAndOff(world, `host-${index}`);
      // A run that has just begun may find the machine gone a moment later.
      await world.temporal.workflow
        .getHandle(`provision/${world.namespace}/step-${index}`)
        .result()
        .catch(() => undefined);
      expect(await runOf(`step-${index}`).catch(() => 'NEVER')).toMatch(/^(CANCELLED|COMPLETED|NEVER)$/);
    }
    expect(await world.kubectl('get', 'secrets', '-o', 'name')).not.toContain('-boot-');
    // Else it was one point, looked at eight times. That each phase is met is the next test's part.
    expect(phases.size).toBeGreaterThan(2);
  });

  test('as soon as it shows a phase, in each of them', async () => {
    const phases = ['Pending', 'Claiming', 'Inspecting', 'Validating', 'Provisioning', 'Provisioned'];
    const names = phases.map((phase) => `in-${phase.toLowerCase()}`);
    const deleteIn = async (name: string, phase: string) => {
      const isIn = ({ status }: Beskar7Machine) => (status?.phase ?? 'Pending') === phase;
      await world.untilMachine(name, `in phase ${phase}`, isIn);
      await world.admin.delete(MACHINES, world.namespace, name);
      await world.machineIsGone(name);
    };
    const followed = names.map((name, index) => deleteIn(name, phases[index] ?? ''));
    for (const [index, name] of names.entries()) await world.addMachine(name, on(`host-${index + 1}`));
    await Promise.all(followed);
    for (const [index] of names.entries()) await isFreeAndOff(world, `host-${index + 1}`);
    expect(await world.kubectl('get', 'secrets', '-o', 'name')).not.toContain('-boot-');
  });

  test('while its failed attempt is being released: the release is ended, and nothing is begun', async () => {
    const sinceMs = Date.now();
    await world.fleet.fault('sim-0005', { smallHardware: true, powerOffMs: 50_000 });
    await world.addMachine('fails', { ...on('host-5'), hardwareRequirements: { minCPUCores: 8 } });
    await world.untilHost('host-5', 'being released', (host) => claimOf(host)?.stage === 'Releasing');
    const machine = await world.untilMachine('fails', 'told of it', (seen) => told(seen).startsWith('ReleasingHost'));
    expect(told(machine)).toMatch(
      /^ReleasingHost: Host host-5 .*HardwareRequirementsNotMet.*beskar7\.io\/force-release=/,
    );
    const phase = machine.status?.phase;
    // The stage is written before the command is sent.
    // A server that is pressed off in between is found off, and gets none.
    await world.bmcWasAsked('host-5', ({ body }) => body.includes('ForceOff'), { sinceMs });
    await remove('fails');
    await world.untilMachine('fails', 'deleted', ({ metadata }) => metadata.deletionTimestamp !== undefined);
    world.serverOf('host-5').server.press('Off');
    await world.fleet.heal('sim-0005');
    await world.machineIsGone('fails');
    expect(phase).not.toBe('Failed');
    await isFreeAndOff(world, 'host-5');
    expect(resets(world, 'host-5').at(-1)).toBe('ForceOff');
  });

  test('made again under its name while the old claim stands: another host, the old server runs on untouched', async () => {
    const values = ['host-6', 'host-7'];
    const pair = { hostSelector: { matchExpressions: [{ key: 'only', operator: 'In' as const, values }] } };
    const first = await world.addMachine('vanished', pair).then(() => world.machineIs('vanished', 'Provisioned'));
    const old = first.status?.hostRef?.name ?? '';
    const sent = changes(world, old);
    await world.kubectl(
      'patch',
      'beskar7machine',
      'vanished',
      '--type=merge',
      '-p',
      '{"metadata":{"finalizers":null}}',
    );
    await world.kubectl('delete', 'beskar7machine', 'vanished', '--timeout=10s');
    const second = await world.addMachine('vanished', pair);
    expect(second.spec.providerID).toBeUndefined();
    const machine = await world.machineIs('vanished', 'Provisioned');
    const host = machine.status?.hostRef?.name ?? '';
    expect([old, host].sort()).toEqual(values);
    expect((await world.host(host))?.spec.consumerRef?.uid).toBe(second.metadata.uid);
    const kept = await world.untilHost(old, 'with ConsumerMissing', (seen) => isUpToDate(seen, 'ConsumerMissing'));
    expect(kept.spec.consumerRef?.uid).toBe(first.metadata.uid);
    expect(claimOf(kept)?.stage).toBe('HandedOver');
    // Its end is the end of the second one only.
    await world.kubectl('delete', 'beskar7machine', 'vanished', '--timeout=30s');
    await isFreeAndOff(world, host);
    expect(changes(world, old)).toBe(sent);
    expect(world.serverOf(old).server.state).toMatchObject({ power: 'On', running: 'os' });
    world.serverOf(old).server.press('Off');
    await world.kubectl('annotate', 'physicalhost', old, 'beskar7.io/force-release=switched off by hand');
    await world.hostIs(old, 'Available');
  });

  test('and made again under its name at once: another claim, not the host of the one before', async () => {
    await world.addMachine('twin', { hostSelector: { matchExpressions: [{ key: 'only', operator: 'Exists' }] } });
    const first = await world.machineIs('twin', 'Provisioned');
    const host = first.status?.hostRef?.name ?? '';
    await world.kubectl('delete', 'beskar7machine', 'twin', '--timeout=30s');
    const second = await world.addMachine('twin');
    const machine = await world.machineIs('twin', 'Provisioned');
    expect(second.metadata.uid).not.toBe(first.metadata.uid);
    const object = await world.host(machine.status?.hostRef?.name ?? '');
    expect(object?.spec.consumerRef?.uid).toBe(second.metadata.uid);
    if (machine.status?.hostRef?.name !== host) await isFreeAndOff(world, host);
    expect(resets(world, machine.status?.hostRef?.name ?? '').at(-1)).toBe('On');
  });
});
