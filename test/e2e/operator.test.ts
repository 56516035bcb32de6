import { afterAll, beforeAll, describe, expect, jest, test } from '@jest/globals';
import { request } from 'undici';
import { bootSecretName } from '../../model/bootSecret.ts';
import { claimOf } from '../../model/claim.ts';
import type { Beskar7Machine } from '../../crds/beskar7Machine.ts';
import { ANNOTATION_BLOCK_MOVE, ANNOTATION_PAUSED } from '../../crds/names.ts';
import { SECRETS } from '../../kube/resource.ts';
import { changes, isFreeAndOff, resets } from '../support/atTheBmc.ts';
import { handOverByHand, reportByHand } from '../support/byHand.ts';
import { isUpToDate, told } from '../support/conditions.ts';
import { World } from '../support/world.ts';

jest.setTimeout(60_000);

const world = new World('e2e-operator', ['--inspection-timeout=20s']);
const run = (machine: string) => `provision/${world.namespace}/${machine}`;
const handle = (machine: string) => world.temporal.workflow.getHandle(run(machine));
const on = (host: string) => ({ hostSelector: { matchLabels: { only: host } } });
const claim = async (host: string) => {
  const object = await world.host(host);
  return object && claimOf(object);
};
const patch = (machine: string, spec: object) =>
  world.kubectl('patch', 'beskar7machine', machine, '--type=merge', '-p', JSON.stringify({ spec }));
const retry = (machine: string, value: string) =>
  world.kubectl('annotate', '--overwrite', 'beskar7machine', machine, `beskar7.io/retry=${value}`);

const newestRun = async (machine: string) => (await handle(machine).describe()).runId;

/** The boot script of a host, as its firmware gets it. */
async function script(host: string): Promise<string> {
  const { statusCode, body } = await request(`${world.bootUrl}/api/v1/boot?mac=${world.serverOf(host).mac}`);
  expect(statusCode).toBe(200);
  return body.text();
}

/** `temporal workflow reset` of a run; gives the id of the run that it makes. */
async function reset(machine: string, runId: string, ...point: string[]): Promise<string> {
  await world.temporalCli('workflow', 'reset', '-w', run(machine), '-r', runId, '--reason', 'test', ...point);
  const made = await newestRun(machine);
  expect(made).not.toBe(runId);
  return made;
}

/** Options for a reset to the workflow task that took the result of an activity: all work after it is done again. */
async function afterActivity(machine: string, runId: string, activity: string): Promise<string[]> {
  const { events } = await world.temporal.workflow.getHandle(run(machine), runId).fetchHistory();
  const all = events ?? [];
  const scheduled = all.find((event) => event.activityTaskScheduledEventAttributes?.activityType?.name === activity);
  expect(scheduled).toBeDefined();
  const id = String(scheduled?.eventId);
  const completed = all.findIndex(
    (event) => String(event.activityTaskCompletedEventAttributes?.scheduledEventId) === id,
  );
  const task = all.slice(completed).find((event) => event.workflowTaskCompletedEventAttributes != null);
  return ['--event-id', String(task?.eventId)];
}

beforeAll(async () => {
  await world.start({ hosts: 5, profile: 'generic' });
  for (let index = 1; index <= 5; index += 1)
    await world.kubectl('label', 'physicalhost', `host-${index}`, `only=host-${index}`);
});
afterAll(() => world.stop());

describe('temporal workflow reset', () => {
  test('of a failed run, to a point after its claim: ClaimLost, nothing is sent, the machine keeps its reason', async () => {
    await world.fleet.fault('sim-0001', { smallHardware: true });
    await world.addMachine('small', { ...on('host-1'), hardwareRequirements: { minCPUCores: 8 } });
    await world.machineIs('small', 'Failed');
    await isFreeAndOff(world, 'host-1');
    await world.fleet.heal();
    const before = changes(world, 'host-1');
    const failedRun = await newestRun('small');
    for (const activity of ['claimHost', 'bootInspector']) {
      await reset('small', failedRun, ...(await afterActivity('small', failedRun, activity)));
      const failure = await handle('small')
        .result()
        .catch((error: unknown) => error);
      expect((failure as { cause?: Error }).cause?.message).toMatch(/no longer claimed/);
    }
    expect(told(await world.machine('small'))).toMatch(/^HardwareRequirementsNotMet: /);
    expect(changes(world, 'host-1')).toBe(before);
    expect((await world.host('host-1'))?.status?.state).toBe('Available');
  });

  test('of a failed run, to its first task: a new attempt with a new claim', async () => {
    const [first] = world.requestsOf('host-1').filter(({ mutating }) => mutating);
    const runID = await reset('small', await newestRun('small'), '--type', 'FirstWorkflowTask');
    const machine = await world.machineIs('small', 'Provisioned');
    expect(machine.status?.workflow?.runID).toBe(runID);
    const id = (await claim('host-1'))?.id ?? '';
    expect(first?.userAgent).not.toContain(id);
    const mine = world.requestsOf('host-1').filter(({ userAgent }) => userAgent.includes(id));
    expect(mine.filter(({ mutating }) => mutating).length).toBeGreaterThan(0);
  });

  test('of the finished run of a live machine, to whatever point: nothing is touched', async () => {
    const before = changes(world, 'host-1');
    await reset('small', await newestRun('small'), '--type', 'FirstWorkflowTask');
    await expect(handle('small').result()).resolves.toMatch(/already provisioned/);
    await world.addMachine('live', on('host-2'));
    await world.machineIs('live', 'Provisioned');
    const sent = changes(world, 'host-2');
    const liveRun = await newestRun('live');
    for (const activity of ['claimHost', 'bootInspector', 'takeReport']) {
      await reset('live', liveRun, ...(await afterActivity('live', liveRun, activity)));
      const failure = await handle('live')
        .result()
        .catch((error: unknown) => error);
      expect((failure as { cause?: Error }).cause?.message).toMatch(/stage HandedOver, not in/);
    }
    expect([changes(world, 'host-1'), changes(world, 'host-2')]).toEqual([before, sent]);
    for (const [machine, host] of [
      ['small', 'host-1'],
      ['live', 'host-2'],
    ] as const) {
      expect((await world.machine(machine))?.status).toMatchObject({ phase: 'Provisioned', ready: true });
      expect((await claim(host))?.stage).toBe('HandedOver');
    }
  });
});

describe('retry by annotation, and edits of the spec', () => {
  test('a retry during a run is noted and does nothing: the cancelled run stays the last', async () => {
    await world.fleet.fault('sim-0003', { neverReports: true });
    await world.addMachine('tried', on('host-3'));
    await world.hostIs('host-3', 'Inspecting');
    await retry('tried', '1');
    await world.temporalCli('workflow', 'cancel', '-w', run('tried'));
    await world.machineIs('tried', 'Failed');
    await isFreeAndOff(world, 'host-3');
    await expect(handle('tried').result()).rejects.toThrow(/cancel/i);
    const { runId } = await handle('tried').describe();
    // Its watcher has looked at it since: it has taken up what came after.
    await world.addMachine('after', on('host-4'));
    await world.machineIs('after', 'Provisioned');
    expect((await handle('tried').describe()).runId).toBe(runId);
    expect(told(await world.machine('tried'))).toMatch(/^Cancelled: /);
  });

  test('a retry after it is a new run', async () => {
    await world.fleet.heal();
    await retry('tried', '2');
    await world.machineIs('tried', 'Provisioned');
    expect(resets(world, 'host-3')).toEqual(['On', 'ForceOff', 'On']);
  });

  test('an edit during a run counts for the next one, which begins when the run has ended', async () => {
    await world.kubectl('delete', 'beskar7machine', 'after', '--wait=false');
    await world.machineIsGone('after');
    await world.fleet.fault('sim-0004', { neverReports: true, times: 1 });
    await world.addMachine('edited', { ...on('host-4'), hardwareRequirements: { minCPUCores: 8 } });
    await world.machineIs('edited', 'Inspecting');
    const first = await newestRun('edited');
    await patch('edited', { hardwareRequirements: { minCPUCores: 9 } });
    await world.temporalCli('workflow', 'cancel', '-w', run('edited'), '-r', first);
    await world.machineIs('edited', 'Provisioned');
    expect(await newestRun('edited')).not.toBe(first);
    expect((await world.temporal.workflow.getHandle(run('edited'), first).describe()).status.name).toBe('CANCELLED');
    expect(resets(world, 'host-4').slice(-3)).toEqual(['On', 'ForceOff', 'On']);
  });

  test('an edit between the claim and the boot, too: what is booted is what the run began with, the same bytes at each fetch', async () => {
    await world.fleet.fault('sim-0005', { refuse: true });
    await world.addMachine('imaged', { ...on('host-5'), targetOSImage: 'http://images.example/first.tar.gz' });
    await world.untilHost('host-5', 'claimed', ({ spec }) => spec.consumerRef !== undefined);
    await patch('imaged', { targetOSImage: 'http://images.example/second.tar.gz' });
    await world.fleet.fault('sim-0005', { refuse: false, neverReports: true });
    await world.hostIs('host-5', 'Inspecting');
    const first = await script('host-5');
    expect(first).toContain(' beskar7.target=http://images.example/first.tar.gz ');
    await patch('imaged', { configurationURL: 'http://images.example/config' });
    expect(await script('host-5')).toBe(first);
    await world.fleet.heal('sim-0005');
    await world.temporalCli('workflow', 'cancel', '-w', run('imaged'));
    const machine = await world.machineIs('imaged', 'Provisioned');
    expect(isUpToDate(machine, 'SpecChangeIgnored')).toBe(false);
    expect(machine.metadata.annotations?.['beskar7.io/plan']).toBeUndefined();
    const { data } = await world.admin.get(
      SECRETS,
      world.namespace,
      bootSecretName('host-5', (await claim('host-5'))?.id ?? ''),
    );
    expect(Buffer.from(data?.spec ?? '', 'base64').toString()).toContain('second.tar.gz');
  });

  test('on a provisioned machine both do nothing, and the edit is told as ignored', async () => {
    const { runId } = await handle('edited').describe();
    const before = changes(world, 'host-4');
    await retry('edited', '1');
    await patch('edited', { targetOSImage: 'http://images.example/other.tar.gz' });
    await world.untilMachine('edited', 'told', (machine) => isUpToDate(machine, 'SpecChangeIgnored'));
    expect((await handle('edited').describe()).runId).toBe(runId);
    expect(changes(world, 'host-4')).toBe(before);
  });
});

describe('pause', () => {
  test('of a machine that is inspected: its run goes on to its end, and then nothing blocks a move', async () => {
    await world.fleet.fault('sim-0002', { neverReports: true });
    await world.kubectl('delete', 'beskar7machine', 'live', '--wait=false');
    await world.machineIsGone('live');
    await world.addMachine('paused', on('host-2'));
    const { metadata } = await world.machineIs('paused', 'Inspecting');
    expect(metadata.annotations?.[ANNOTATION_BLOCK_MOVE]).toBeDefined();
    await world.kubectl('annotate', 'beskar7machine', 'paused', `${ANNOTATION_PAUSED}=`);
    // The watcher has seen it before the report comes.
    await world.untilMachine('paused', 'told', (machine) => isUpToDate(machine, 'Paused'));
    expect(await reportByHand(world, 'host-2')).toBe(202);
    await handOverByHand(world, 'host-2');
    await world.machineIs('paused', 'Provisioned');
    const unblocked = ({ metadata: { annotations = {} } }: Beskar7Machine) =>
      annotations[ANNOTATION_BLOCK_MOVE] === undefined && annotations[ANNOTATION_PAUSED] !== undefined;
    await world.untilMachine('paused', 'free to be moved', unblocked);
    expect((await claim('host-2'))?.stage).toBe('HandedOver');
  });
});
