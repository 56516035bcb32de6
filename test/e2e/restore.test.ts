import { afterAll, beforeAll, describe, expect, jest, test } from '@jest/globals';
import { claimOf } from '../../model/claim.ts';
import { FINALIZER_SECRET } from '../../crds/names.ts';
import { SECRETS } from '../../kube/resource.ts';
import { changes, isFreeAndOff, resets } from '../support/atTheBmc.ts';
import { loseObjects, restore, takeBackup, type Backup } from '../support/backup.ts';
import { isUpToDate, told } from '../support/conditions.ts';
import { World } from '../support/world.ts';

jest.setTimeout(160_000);

const ORPHAN_MS = 3_000;
const world = new World('e2e-restore', [`--orphan-release-after=${ORPHAN_MS}ms`, '--resync=2s']);
const on = (pool: string) => ({ hostSelector: { matchLabels: { only: pool } } });
const label = (host: string, only: string) =>
  world.kubectl('label', '--overwrite', 'physicalhost', host, `only=${only}`);
/** What was restored, and what the BMCs had been asked until then. */
let backup: Backup;
let sent: Map<string, number>;

/** One object in each state that a backup may find, beside those that test/e2e/adoption.test.ts restores. */
async function intoEachState(): Promise<void> {
  await label('host-1', 'armed');
  await world.fleet.fault('sim-0001', { neverReports: true });
  await world.addMachine('armed', on('armed'));
  await world.machineIs('armed', 'Inspecting');

  await label('host-2', 'leaves');
  await world.addMachine('leaves', on('leaves'));
  await world.machineIs('leaves', 'Provisioned');
  await world.fleet.fault('sim-0002', { refuse: true });
  await world.kubectl('delete', 'beskar7machine', 'leaves', '--wait=false');
  await world.hostIs('host-2', 'Error');

  await label('host-3', 'fails');
  await world.fleet.fault('sim-0003', { smallHardware: true, times: 1 });
  await world.addMachine('fails', { ...on('fails'), hardwareRequirements: { minCPUCores: 8 } });
  await world.machineIs('fails', 'Failed');
  await isFreeAndOff(world, 'host-3');

  // Free, and somebody has switched its server on.
  world.serverOf('host-4').server.press('On');
}

beforeAll(async () => {
  await world.start({ hosts: 5, profile: 'generic' });
  await intoEachState();
  await world.beskar7.stop();
  backup = await takeBackup(world);
  await loseObjects(world);
  // Another host that the machine with an unfinished claim may take.
  const spare = backup.hosts.find(({ metadata }) => metadata.name === 'host-5');
  if (spare) spare.metadata.labels = { ...spare.metadata.labels, only: 'armed' };
  await restore(world, backup);
  sent = new Map([1, 2, 3, 4, 5].map((index) => [`host-${index}`, changes(world, `host-${index}`)]));
  await world.fleet.heal('sim-0002');
  // Another cluster, or the same one without its Temporal: runs are no part of a backup.
  world.forgetTemporal('e2e-restore-elsewhere');
  await world.startBeskar7();
}, 180_000);
afterAll(() => world.stop());

describe('restored from a backup: other uids, no status', () => {
  test('what was restored has the claims of before, and neither uid nor status', () => {
    const stages = Object.fromEntries(backup.hosts.map((host) => [host.metadata.name, claimOf(host)?.stage]));
    expect(stages).toMatchObject({ 'host-1': 'Armed', 'host-2': 'Releasing' });
    for (const { metadata, status } of [...backup.machines, ...backup.hosts])
      expect([metadata.uid, status]).toEqual([undefined, undefined]);
  });

  test('a claim in Armed: its machine is provisioned on another host, the old one is freed as an orphan, seen off', async () => {
    const orphan = await world.untilHost('host-1', 'with ConsumerMissing', (host) =>
      isUpToDate(host, 'ConsumerMissing'),
    );
    expect(told(orphan, 'ConsumerMissing')).toMatch(/never handed over/);
    expect(world.serverOf('host-1').server.state.power).toBe('On');
    const machine = await world.machineIs('armed', 'Provisioned');
    expect(machine.status?.hostRef?.name).toBe('host-5');
    await isFreeAndOff(world, 'host-1', 145_000);
    expect(resets(world, 'host-1')).toEqual(['On', 'ForceOff']);
    expect(await world.kubectl('get', 'secrets', '-o', 'name')).not.toContain('host-1-boot-');
  });

  test('a claim in Releasing whose machine is there again: handed over again, its server is not touched', async () => {
    await world.untilHost('host-2', 'handed over again', (host) => claimOf(host)?.stage === 'HandedOver');
    await world.machineIs('leaves', 'Provisioned');
    expect(world.serverOf('host-2').server.state.power).toBe('On');
    expect(changes(world, 'host-2')).toBe(sent.get('host-2'));
    // No backup keeps a deletion: it is said once more.
    await world.kubectl('delete', 'beskar7machine', 'leaves', '--timeout=60s');
    await isFreeAndOff(world, 'host-2');
    expect(resets(world, 'host-2').filter((type) => type === 'On')).toHaveLength(1);
  });

  test('a machine that had failed: Failed again with its reason and what to do, nothing is started', async () => {
    const machine = await world.machineIs('fails', 'Failed');
    expect(told(machine)).toMatch(/^HardwareRequirementsNotMet: The last run failed before .*beskar7\.io\/retry/);
    await isFreeAndOff(world, 'host-3');
    const run = world.temporal.workflow.getHandle(`provision/${world.namespace}/fails`);
    await expect(run.describe()).rejects.toMatchObject({ name: 'WorkflowNotFoundError' });
    expect(changes(world, 'host-3')).toBe(sent.get('host-3'));
  });

  test('a free host is enrolled again, and its server that runs is left running', async () => {
    const host = await world.hostIs('host-4', 'Available');
    expect(host.status?.powerState).toBe('On');
    expect(world.serverOf('host-4').server.state.power).toBe('On');
    expect(changes(world, 'host-4')).toBe(sent.get('host-4'));
  });

  test('the Secret of the BMCs is used as it was, and is protected as before', async () => {
    const secret = await world.admin.get(SECRETS, world.namespace, 'bmc');
    expect(secret.metadata.finalizers).toEqual([FINALIZER_SECRET]);
  });

  test('a retry of the failed one is taken: what was restored works on', async () => {
    await world.kubectl('annotate', 'beskar7machine', 'fails', 'beskar7.io/retry=1');
    expect((await world.machineIs('fails', 'Provisioned')).status?.hostRef?.name).toBe('host-3');
  });
});
