import { writeFile } from 'node:fs/promises';
import path from 'node:path';
import type { Beskar7Machine } from '../../../crds/beskar7Machine.ts';
import { claimOf } from '../../../model/claim.ts';
import { ANNOTATION_CLAIM } from '../../../crds/names.ts';
import type { Faults } from '../../../simulator/faults.ts';
import { told } from '../../support/conditions.ts';
import type { World } from '../../support/world.ts';
import {
  LONG_MS,
  fails,
  force,
  hasScheduled,
  isInHand,
  moveTo,
  next,
  noClaimsOf,
  on,
  patch,
  remove,
  removeHost,
  sim,
  site,
  until,
  untilAnotherRun,
  usePool,
  waits,
  type Scenario,
} from './steps.ts';

/** Callbacks so late that the report comes in time and the hand-over does not. */
export const FLAGS = [
  '--boot-timeout=12s',
  '--inspection-timeout=9s',
  '--provisioning-timeout=4s',
  '--orphan-release-after=3s',
  '--resync=2s',
];
const LATE_MS = 6_000;

/** All at the same time, each on hosts of its own. */
export const TOGETHER: Readonly<Record<string, Scenario>> = {
  async plain(world) {
    await world.addMachine('plain', on(next(world)));
    await world.machineIs('plain', 'Provisioned');
    await remove(world, 'plain');
  },

  async osReported(world) {
    await world.addMachine('os-reported', { ...on(next(world)), readyWhen: 'OSReported' });
    await world.machineIs('os-reported', 'Provisioned');
  },

  async secondHost(world) {
    const [first, second] = [next(world), next(world)];
    await world.fleet.fault(sim(first), { smallHardware: true });
    await world.addMachine('second-host', { ...on(first), attempts: 2, hardwareRequirements: { minCPUCores: 8 } });
    await waits(world, 'second-host');
    await world.kubectl('label', '--overwrite', 'physicalhost', second, `only=${first}`);
    await world.machineIs('second-host', 'Provisioned');
  },

  async noSecondHost(world) {
    const [first, second] = [next(world), next(world)];
    await world.kubectl('label', '--overwrite', 'physicalhost', second, `only=${first}`);
    for (const host of [first, second]) await world.fleet.fault(sim(host), { smallHardware: true });
    await world.addMachine('no-second', { ...on(first), attempts: 2, hardwareRequirements: { minCPUCores: 8 } });
    await world.machineIs('no-second', 'Failed');
  },

  async waitsAndWakes(world) {
    const host = next(world);
    await world.addMachine('waits', on('late'));
    await waits(world, 'waits');
    await world.kubectl('label', '--overwrite', 'physicalhost', host, 'only=late');
    await world.machineIs('waits', 'Provisioned');
  },

  async waitIsCancelled(world) {
    await world.addMachine('unwanted', on('nowhere'));
    await waits(world, 'unwanted');
    await world.temporalCli('workflow', 'cancel', '-w', `provision/${world.namespace}/unwanted`);
    await world.machineIs('unwanted', 'Failed');
    await remove(world, 'unwanted');
  },

  async bootsAgain(world) {
    const host = next(world);
    await world.fleet.fault(sim(host), { refuse: true, forMs: 2_500 });
    await world.addMachine('boots-again', on(host));
    await world.machineIs('boots-again', 'Provisioned');
  },

  /** Its release goes on in a run of its own. */
  async neverBoots(world) {
    const host = next(world);
    await world.fleet.fault(sim(host), { refuse: true });
    await world.addMachine('never-boots', on(host));
    await world.machineIs('never-boots', 'Failed', LONG_MS);
    await world.fleet.heal(sim(host));
    await world.hostIs(host, 'Available', LONG_MS);
    await remove(world, 'never-boots');
    await world.temporal.workflow.getHandle(`release/${world.namespace}/${host}`).result();
  },

  /** So does the release of a machine that is deleted, which waits for it. */
  async deletedOnDeadBmc(world) {
    const host = next(world);
    await world.addMachine('on-dead-bmc', on(host));
    await world.machineIs('on-dead-bmc', 'Provisioned');
    await world.fleet.fault(sim(host), { refuse: true });
    await world.kubectl('delete', 'beskar7machine', 'on-dead-bmc', '--wait=false');
    const release = world.temporal.workflow.getHandle(`release/${world.namespace}/${host}`);
    await until('its release goes on elsewhere', () => release.describe().then(Boolean, () => false));
    await world.fleet.heal(sim(host));
    await world.machineIsGone('on-dead-bmc', LONG_MS);
    await release.result();
  },

  /**
   * The release of its first host goes on elsewhere while it is provisioned on another: it is deleted with two claims.
   */
  async deletedWithTwoHosts(world) {
    const [first, second] = [next(world), next(world)];
    await world.fleet.fault(sim(first), { refuse: true });
    await world.addMachine('two-hosts', { ...on(first), attempts: 2 });
    await world.untilHost(first, 'claimed', (host) => claimOf(host) !== undefined);
    await world.kubectl('label', '--overwrite', 'physicalhost', second, `only=${first}`);
    await world.machineIs('two-hosts', 'Provisioned', LONG_MS);
    await world.kubectl('delete', 'beskar7machine', 'two-hosts', '--wait=false');
    const deprovision = world.temporal.workflow.getHandle(`deprovision/${world.namespace}/two-hosts`);
    await until('its hosts are known', () => hasScheduled(deprovision, 'markReleasing').catch(() => false));
    await world.fleet.heal(sim(first));
    await world.machineIsGone('two-hosts', LONG_MS);
    await world.temporal.workflow.getHandle(`release/${world.namespace}/${first}`).result();
  },

  /** Nobody tells when a policy is gone: it is tried again after 30 s. */
  async claimIsRefused(world) {
    const host = next(world);
    const file = path.join(world.plane.dataFolder, 'no-claims.json');
    await writeFile(file, JSON.stringify(noClaimsOf(host)));
    await world.kubectl('apply', '-f', file);
    const claim = ['annotate', 'physicalhost', host, `${ANNOTATION_CLAIM}=none`, '--dry-run=server'];
    await until('claims are refused', async () => (await world.tryKubectl(...claim)).code !== 0);
    await world.addMachine('refused', on(host));
    await world.untilMachine('refused', 'refused', (machine) => told(machine).startsWith('ClaimRefused'));
    await world.kubectl('delete', '-f', file);
    await world.machineIs('refused', 'Provisioned', LONG_MS);
  },

  noReport: (world) => fails(world, 'no-report', { neverReports: true }),
  givesUp: (world) => fails(world, 'gives-up', { provisionFails: 'target-digest-mismatch' }),
  handsOverLate: (world) => fails(world, 'late', { delayCallbacksMs: LATE_MS }),

  async cancelledAndReset(world) {
    const host = next(world);
    const id = `provision/${world.namespace}/cancelled`;
    await world.fleet.fault(sim(host), { neverReports: true });
    await world.addMachine('cancelled', on(host));
    await world.hostIs(host, 'Inspecting');
    await world.temporalCli('workflow', 'cancel', '-w', id);
    await world.machineIs('cancelled', 'Failed');
    await world.temporal.workflow
      .getHandle(id)
      .result()
      .catch(() => undefined);
    await world.fleet.heal(sim(host));
    await world.temporalCli('workflow', 'reset', '-w', id, '--type', 'FirstWorkflowTask', '--reason', 'recorded');
    await world.machineIs('cancelled', 'Provisioned');
  },

  async deletedMeanwhile(world) {
    const host = next(world);
    await world.fleet.fault(sim(host), { neverReports: true });
    await world.addMachine('deleted', on(host));
    await world.hostIs(host, 'Inspecting');
    await remove(world, 'deleted');
    await world.fleet.heal(sim(host));
  },

  async adopted(world) {
    const host = next(world);
    await world.fleet.fault(sim(host), { delayCallbacksMs: 3_000, times: 1 });
    await world.addMachine('adopted', on(host));
    await world.hostIs(host, 'Inspecting');
    await world.temporalCli('workflow', 'terminate', '-w', `provision/${world.namespace}/adopted`);
    await world.machineIs('adopted', 'Provisioned');
  },

  /**
   * Terminated while the release of its first host does not come to its end: the next run finds it under way, and
   * another host.
   */
  async adoptedRelease(world) {
    const [first, second] = [next(world), next(world)];
    const run = world.temporal.workflow.getHandle(`provision/${world.namespace}/adopted-release`);
    await world.fleet.fault(sim(first), { neverReports: true });
    await world.addMachine('adopted-release', { ...on(first), attempts: 2 });
    await world.hostIs(first, 'Inspecting', LONG_MS);
    await world.fleet.fault(sim(first), { refuse: true });
    await world.untilHost(first, 'being released', (host) => claimOf(host)?.stage === 'Releasing', LONG_MS);
    const { runId } = await run.describe();
    await world.temporalCli('workflow', 'terminate', '-w', run.workflowId);
    await untilAnotherRun(world, run.workflowId, runId);
    await until('the release is waited for', () => hasScheduled(run, 'requestRelease'));
    await world.kubectl('label', '--overwrite', 'physicalhost', second, `only=${first}`);
    await world.fleet.heal(sim(first));
    // By the code from before the patch `adopted-release-tries-on` it has failed.
    const isOver = (machine: Beskar7Machine) => ['Provisioned', 'Failed'].includes(machine.status?.phase ?? '');
    await world.untilMachine('adopted-release', 'at its end', isOver, LONG_MS);
  },

  async badPassword(world) {
    const host = next(world);
    const { address, mac } = world.fleet.host(sim(host));
    await removeHost(world, host);
    await world.kubectl(
      'create',
      'secret',
      'generic',
      'wrong',
      '--from-literal=username=admin',
      '--from-literal=password=no',
    );
    const redfishConnection = { address, credentialsSecretRef: 'wrong' };
    await world.addHost(host, address, { bootMACAddress: mac, redfishConnection });
    await world.hostIs(host, 'Error');
    await patch(world, host, { redfishConnection: { credentialsSecretRef: 'bmc' } });
    await world.hostIs(host, 'Available');
  },

  async enrolsWithoutWorker(world) {
    const host = next(world);
    await usePool(world, host, 'nowhere');
    await world.hostIs(host, 'Error', LONG_MS);
    await usePool(world, host, null);
    await world.hostIs(host, 'Available', LONG_MS);
  },

  async retiresWithoutWorker(world) {
    const host = next(world);
    await usePool(world, host, 'gone');
    await world.kubectl('delete', 'physicalhost', host, '--wait=false');
    await world.untilHost(
      host,
      'waiting for a worker',
      (seen) => told(seen).startsWith('ReleasePending: ') && told(seen).includes('--worker-pool=gone'),
      LONG_MS,
    );
    await force(world, host);
    await world.hostIsGone(host, LONG_MS);
  },

  async releasesWithoutWorker(world) {
    const host = next(world);
    const workers = await site(world, 'closed');
    await usePool(world, host, 'closed');
    await world.addMachine('unserved', on(host));
    await world.machineIs('unserved', 'Provisioned');
    await workers.stop();
    await world.kubectl('delete', 'beskar7machine', 'unserved', '--wait=false');
    await world.untilHost(host, 'waiting', (seen) => told(seen).startsWith('ReleasePending: '), LONG_MS);
    await force(world, host);
    await world.machineIsGone('unserved', LONG_MS);
  },

  /**
   * A worker is lost in the middle of a call of a retirement, of a boot and of a release. Then the pool has no hosts
   * any more: its monitor ends.
   */
  async losesWorker(world) {
    const [retired, booted, released] = [next(world), next(world), next(world)];
    const hosts = [retired, booted, released];
    const workers = await site(world, 'lost');
    await Promise.all(hosts.map((host) => moveTo(world, host, 'lost')));
    await world.addMachine('lost-release', on(released));
    await world.machineIs('lost-release', 'Provisioned');
    for (const host of hosts) await world.fleet.fault(sim(host), { hang: true });
    const sinceMs = performance.now();
    await world.kubectl('delete', 'physicalhost', retired, '--wait=false');
    await world.kubectl('delete', 'beskar7machine', 'lost-release', '--wait=false');
    await world.addMachine('lost-worker', on(booted));
    await Promise.all(hosts.map((host) => world.bmcWasAsked(host, ({ status }) => status === 0, { sinceMs })));
    const release = world.temporal.workflow.getHandle(`release/${world.namespace}/${released}`);
    await until('its release has begun', () => isInHand(release, 'releaseHost').catch(() => false));
    await workers.kill('SIGKILL');
    for (const host of hosts) await world.fleet.heal(sim(host));
    const again = await site(world, 'lost', '-again');
    await world.hostIsGone(retired, LONG_MS);
    await world.machineIs('lost-worker', 'Failed', LONG_MS);
    await world.hostIs(booted, 'Available', LONG_MS);
    await world.machineIsGone('lost-release', LONG_MS);
    await remove(world, 'lost-worker');
    await Promise.all([booted, released].map((host) => removeHost(world, host)));
    await world.temporal.workflow.getHandle('monitor/lost/0').result();
    await again.stop();
  },
};

/**
 * A claim that was never handed over, whose machine vanishes while Beskar7 is away; `faults` hold at its BMC from then
 * on.
 */
export async function orphan(world: World, faults: Faults, more: readonly string[] = []): Promise<string> {
  const host = next(world);
  await world.fleet.fault(sim(host), { neverReports: true });
  await world.addMachine('orphan', on(host));
  await world.untilHost(host, 'armed', (found) => claimOf(found)?.stage === 'Armed');
  await world.hostIs(host, 'Inspecting');
  await world.beskar7.stop();
  await world.kubectl('patch', 'beskar7machine', 'orphan', '--type=merge', '-p', '{"metadata":{"finalizers":null}}');
  await world.kubectl('delete', 'beskar7machine', 'orphan', '--wait=true');
  await world.temporalCli('workflow', 'terminate', '-w', `provision/${world.namespace}/orphan`);
  await world.fleet.fault(sim(host), faults);
  await world.startBeskar7(more);
  return host;
}

/** On a Temporal that asks for a fresh history after a few events. */
export const LONG: Readonly<Record<string, Scenario>> = {
  async waiterGoesOn(world) {
    const host = next(world);
    const handle = world.temporal.workflow.getHandle(`provision/${world.namespace}/long-wait`);
    await world.addMachine('long-wait', on('late'));
    await waits(world, 'long-wait');
    const { runId } = await handle.describe();
    await untilAnotherRun(world, handle.workflowId, runId, () => handle.signal('hostAvailable'));
    await world.kubectl('label', '--overwrite', 'physicalhost', host, 'only=late');
    await world.machineIs('long-wait', 'Provisioned');
  },

  async laterWaiterGoesOn(world) {
    const [first, second] = [next(world), next(world)];
    await world.fleet.fault(sim(first), { smallHardware: true });
    await world.addMachine('later-wait', { ...on(first), attempts: 2, hardwareRequirements: { minCPUCores: 8 } });
    // A run that goes on in a fresh history releases as one that does not know what its worker has sent.
    await waits(world, 'later-wait', LONG_MS);
    await world.kubectl('label', '--overwrite', 'physicalhost', second, `only=${first}`);
    await world.machineIs('later-wait', 'Provisioned');
  },

  /** Here, as it needs more time than boots have among the others. */
  async bootsWithoutWorker(world) {
    const host = next(world);
    const workers = await site(world, 'dark');
    await moveTo(world, host, 'dark');
    await workers.stop();
    await world.addMachine('not-taken', on(host));
    await world.untilMachine(
      'not-taken',
      'without a worker',
      (machine) => told(machine).includes('--worker-pool=dark'),
      LONG_MS,
    );
    const again = await site(world, 'dark', '-again');
    await world.machineIs('not-taken', 'Provisioned', LONG_MS);
    await again.stop();
  },

  async enrolmentGoesOn(world) {
    const host = next(world);
    const id = `enroll/${world.namespace}/${host}`;
    await world.fleet.fault(sim(host), { refuse: true });
    await world.kubectl('patch', 'physicalhost', host, '--subresource=status', '--type=merge', '-p', '{"status":null}');
    await world.hostIs(host, 'Error');
    const { runId } = await world.temporal.workflow.getHandle(id).describe();
    await untilAnotherRun(world, id, runId);
    await world.fleet.heal(sim(host));
    await world.hostIs(host, 'Available', LONG_MS);
  },

  async retirementGoesOn(world) {
    const host = next(world);
    const id = `retire/${world.namespace}/${host}`;
    await world.fleet.fault(sim(host), { refuse: true });
    await world.kubectl('delete', 'physicalhost', host, '--wait=false');
    await world.untilHost(host, 'waiting', (seen) => told(seen).startsWith('ReleasePending: '));
    const { runId } = await world.temporal.workflow.getHandle(id).describe();
    await untilAnotherRun(world, id, runId);
    await world.fleet.heal(sim(host));
    await world.hostIsGone(host, LONG_MS);
  },
};

/** The same for a release, after them: Beskar7 is stopped in it. */
export async function releaseGoesOn(world: World): Promise<void> {
  const host = await orphan(world, { refuse: true });
  const id = `release/${world.namespace}/${host}`;
  await world.untilHost(host, 'being released', (found) => claimOf(found)?.stage === 'Releasing', LONG_MS);
  const { runId } = await world.temporal.workflow.getHandle(id).describe();
  await untilAnotherRun(world, id, runId);
  await world.fleet.heal(sim(host));
  await world.hostIs(host, 'Available', LONG_MS);
}
