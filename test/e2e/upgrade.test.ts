import { readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { afterAll, beforeAll, describe, expect, jest, test } from '@jest/globals';
import { bundleWorkflowCode, DefaultLogger } from '@temporalio/worker';
import { claimOf } from '../../model/claim.ts';
import type { Component } from '../../tools/controlplane/component.ts';
import { freePorts } from '../../tools/controlplane/ports.ts';
import { runCommand } from '../../tools/toolchain/command.ts';
import { patchesOf, stepsOf, type RecordedHistory } from '../replay/history.ts';
import { changes, isFreeAndOff, resets } from '../support/atTheBmc.ts';
import { call, tokenOf } from '../support/callback.ts';
import { told } from '../support/conditions.ts';
import { Service } from '../support/service.ts';
import { World } from '../support/world.ts';
import { workflowBundleOptions } from '../../workers/workflowBundle.ts';

jest.setTimeout(240_000);

const ROOT = path.join(__dirname, '../..');
/** Of `test/replay/fixtures/guarded.ts`, the newer version: today's workflow code with a step more. */
const PATCH = 'upgrade-test';
const TEMPORAL_NAMESPACE = 'e2e-upgrade';
const HOSTS = 9;
/** What is to be under way still when the newer version has started: four times as long as that takes on two cores. */
const SLOW_MS = 40_000;
const world = new World(TEMPORAL_NAMESPACE, ['--resync=2s']);
const { namespace } = world;

/** Processes of one version, by their roles. */
interface Version {
  readonly bmcWorker: Component;
  readonly others: Component;
  readonly controllers: Component;
}
let callbacks: Service;
let bootScripts: Service;
let newerBundle = '';
const running = new Set<Component>();

const on = (host: string) => ({ hostSelector: { matchLabels: { only: host } } });
const give = (host: string, label: string) =>
  world.kubectl('label', '--overwrite', 'physicalhost', host, `only=${label}`);
const waits = (machine: string) =>
  world.untilMachine(machine, 'waiting', (seen) => told(seen).startsWith('NoMatchingHost'));
/** How often a server was switched on. */
const timesOn = (host: string) => resets(world, host).filter((type) => type === 'On').length;

beforeAll(async () => {
  [callbacks, bootScripts] = await Promise.all([Service.listen(), Service.listen()]);
  newerBundle = path.join(world.plane.dataFolder, 'workflows-newer.js');
  const workflowsPath = path.join(ROOT, 'test/replay/fixtures/guarded.ts');
  const logger = new DefaultLogger('ERROR');
  const { code } = await bundleWorkflowCode({ ...workflowBundleOptions(), workflowsPath, logger });
  writeFileSync(newerBundle, code);
  world.flags.push(`--callback-url=${callbacks.url}`);
  const bootUrl = `${bootScripts.url}/api/v1/boot?mac=\${netX/mac}`;
  callbacks.add(() => world.callbackUrl);
  bootScripts.add(() => world.bootUrl);
  await world.start({ hosts: HOSTS, profile: 'generic', bootTimeMs: 200, powerDelayMs: 200, bootUrl });
  for (let number = 1; number <= HOSTS; number += 1) await give(`host-${number}`, `host-${number}`);
});
afterAll(async () => {
  for (const process of running) await process.stop();
  await world.stop();
  callbacks.close();
  bootScripts.close();
});

describe('an upgrade by docs/upgrade.md, with runs in every phase', () => {
  let begun: readonly Run[] = [];
  let newer: Version;

  test('runs that the older version began go on under the newer one, and no server is switched on once more', async () => {
    await everyPhase();
    begun = await allRuns();
    const underWay = [
      ...['waits', 'claims', 'inspects', 'starts'].map((name) => `provision/${namespace}/${name}`),
      `deprovision/${namespace}/deleted`,
      'monitor/default/0',
    ];
    const sent = changes(world, 'host-1');
    await runAsWritten(pageLine('kubectl apply'));
    newer = await startVersion('newer', newerBundle);
    const open = (await allRuns('ExecutionStatus="Running"')).map(({ id }) => id);
    expect(open).toEqual(expect.arrayContaining(underWay));
    await world.beskar7.stop();
    for (const name of ['claims', 'inspects']) await world.machineIs(name, 'Provisioned');
    await osIsUp('host-4');
    await world.machineIs('starts', 'Provisioned');
    await world.machineIsGone('deleted');
    await isFreeAndOff(world, 'host-5');
    await give('host-6', 'late');
    await world.machineIs('waits', 'Provisioned');
    expect([2, 3, 4, 5, 6].map((number) => timesOn(`host-${number}`))).toEqual([1, 1, 1, 1, 1]);
    expect([2, 3, 4, 6].map((number) => world.serverOf(`host-${number}`).server.state.networkBoots)).toEqual([
      1, 1, 1, 1,
    ]);
    expect(changes(world, 'host-1')).toBe(sent);
  });

  test('their histories have no failed task, and not the new step', async () => {
    for (const run of begun) {
      if (!run.id.startsWith('monitor/')) await world.temporal.workflow.getHandle(run.id, run.runId).result();
      const history = await historyOf(run);
      const steps = stepsOf(history);
      expect({ ...run, failed: steps.filter((step) => step.startsWith('workflow task failed')) }).toEqual({
        ...run,
        failed: [],
      });
      expect({ ...run, patches: patchesOf(history) }).toEqual({ ...run, patches: [] });
      if (!run.id.startsWith('monitor/')) expect({ ...run, end: steps.at(-1) }).toEqual({ ...run, end: 'COMPLETED' });
    }
  });

  test('new runs take the new step', async () => {
    await world.addMachine('new', on('host-7'));
    await world.machineIs('new', 'Provisioned');
    expect(await patchesOfMachine('new')).toEqual([PATCH]);
  });

  test('the lines of the page name what is in the way of going back: neither finished runs nor monitors', async () => {
    for (const [name, label] of [
      ['stays-1', 'back-1'],
      ['stays-2', 'back-2'],
    ] as const) {
      await world.addMachine(name, on(label));
      await waits(name);
    }
    const ids = ['stays-1', 'stays-2'].map((name) => `provision/${namespace}/${name}`);
    expect(idsIn(await runAsWritten(pageLine('temporal workflow list .*TemporalChangeVersion')))).toEqual(ids);
    expect(idsIn(await runAsWritten(pageLine('temporal workflow list .*monitorHosts')))).toEqual(ids);
    const ofStep = pageLine('temporal workflow list .*TemporalChangeVersion').replace('IS NOT NULL', `= "${PATCH}"`);
    expect(idsIn(await runAsWritten(ofStep))).toEqual(ids);
    expect(await runAsWritten(`temporal workflow describe -n beskar7 -w ${ids[0] ?? ''}`)).toMatch(
      new RegExp(`TemporalChangeVersion.*${PATCH}`),
    );
    const monitor = world.temporal.workflow.getHandle('monitor/default/0');
    expect((await monitor.describe()).status.name).toBe('RUNNING');
  });

  test('back to the older version: without controllers nothing begins, also for a machine that stands alone; what was ended begins anew', async () => {
    await newer.controllers.stop();
    await world.kubectl('delete', 'beskar7machine', 'new', '--wait=false');
    await world.addMachine('later', on('host-5'));
    await runAsWritten(
      `temporal workflow terminate -n beskar7 -w provision/${namespace}/stays-1 --reason "goes back to the older version"`,
    );
    await newer.others.stop();
    await newer.bmcWorker.stop();
    for (const id of [`provision/${namespace}/later`, `deprovision/${namespace}/new`])
      await expect(world.temporal.workflow.getHandle(id).describe()).rejects.toMatchObject({
        name: 'WorkflowNotFoundError',
      });
    await startVersion('older', world.plane.workflowBundle);
    await world.machineIs('later', 'Provisioned');
    await world.machineIsGone('new');
    await isFreeAndOff(world, 'host-7');
    await give('host-8', 'back-1');
    await world.machineIs('stays-1', 'Provisioned');
    expect(timesOn('host-8')).toBe(1);
    for (const name of ['later', 'stays-1']) expect(await patchesOfMachine(name)).toEqual([]);
  });

  test('a run with the new step stands still under the older version, sends nothing, and goes on under the newer', async () => {
    const id = `provision/${namespace}/stays-2`;
    const sent = changes(world, 'host-9');
    await give('host-9', 'back-2');
    await until('the older version has refused it', async () =>
      stepsOf(await historyOf({ id })).includes('workflow task failed: NON_DETERMINISTIC_ERROR'),
    );
    expect(told(await world.machine('stays-2'))).toMatch(/^NoMatchingHost: /);
    expect((await world.host('host-9'))?.spec.consumerRef).toBeUndefined();
    expect(changes(world, 'host-9')).toBe(sent);
    const older = [...running];
    await startVersion('newest', newerBundle);
    for (const process of older) await process.stop();
    await world.machineIs('stays-2', 'Provisioned', 120_000);
    expect(timesOn('host-9')).toBe(1);
    await expect(world.temporal.workflow.getHandle(id).result()).resolves.toMatch(/was provisioned/);
  });
});

interface Run {
  readonly id: string;
  readonly runId?: string;
}

/** A machine in each phase, in the middle of a deletion, and at rest. */
async function everyPhase(): Promise<void> {
  for (const [name, host] of [
    ['runs', 'host-1'],
    ['deleted', 'host-5'],
  ] as const) {
    await world.addMachine(name, on(host));
    await world.machineIs(name, 'Provisioned');
  }
  world.serverOf('host-2').server.press('On');
  await world.fleet.fault('sim-0002', { powerOffMs: SLOW_MS });
  await world.fleet.fault('sim-0003', { delayCallbacksMs: SLOW_MS, times: 1 });
  await world.fleet.fault('sim-0005', { powerOffMs: SLOW_MS });
  await world.addMachine('starts', { ...on('host-4'), readyWhen: 'OSReported' });
  await world.addMachine('waits', on('late'));
  await world.untilHost('host-4', 'handed to its OS', ({ status }) => status?.handover?.outcome === 'Provisioned');
  await waits('waits');
  await world.addMachine('inspects', on('host-3'));
  await world.hostIs('host-3', 'Inspecting');
  const isOff = ({ body }: { body: string }) => body.includes('ForceOff') || body.includes('GracefulShutdown');
  await world.addMachine('claims', on('host-2'));
  await world.kubectl('delete', 'beskar7machine', 'deleted', '--wait=false');
  await Promise.all(['host-2', 'host-5'].map((host) => world.bmcWasAsked(host, isOff)));
}

/** Starts a version beside what runs, in the order of the page, and puts its API behind the Services. */
async function startVersion(name: string, bundle: string): Promise<Version> {
  const [callback = 0, boot = 0] = await freePorts(2);
  world.env = { BESKAR7_WORKFLOW_BUNDLE: bundle };
  const start = async (roles: string, ...more: string[]) => {
    const process = await world.startAnother(`${name}-${roles.replaceAll(',', '-')}`, [`--roles=${roles}`, ...more]);
    running.add(process);
    return process;
  };
  const bmcWorker = await start('bmc-worker');
  const others = await start(
    'worker,api',
    `--callback-bind-address=127.0.0.1:${callback}`,
    `--boot-bind-address=127.0.0.1:${boot}`,
  );
  callbacks.add(() => `http://127.0.0.1:${callback}`);
  bootScripts.add(() => `http://127.0.0.1:${boot}`);
  return { bmcWorker, others, controllers: await start('controllers,webhook,web') };
}

/** The final OS says that it is up, through the Service. */
async function osIsUp(host: string): Promise<void> {
  const object = await world.host(host);
  const token = await tokenOf(world, host, (object && claimOf(object)?.id) ?? '');
  expect(await call(world, 'os-ready', host, token, {}, callbacks.url)).toBe(202);
}

async function allRuns(query = ''): Promise<Run[]> {
  const runs: Run[] = [];
  for await (const { workflowId, runId } of world.temporal.workflow.list({ query }))
    runs.push({ id: workflowId, runId });
  return runs;
}

async function historyOf({ id, runId }: Run): Promise<RecordedHistory> {
  const words = ['workflow', 'show', '-w', id, ...(runId === undefined ? [] : ['-r', runId]), '-o', 'json'];
  return JSON.parse(await world.temporalCli(...words)) as RecordedHistory;
}

const patchesOfMachine = async (name: string) => patchesOf(await historyOf({ id: `provision/${namespace}/${name}` }));

/** The one line of a command block in docs/upgrade.md that matches. */
function pageLine(pattern: string): string {
  const page = readFileSync(path.join(ROOT, 'docs/upgrade.md'), 'utf8');
  const blocks = [...page.matchAll(/```sh\n([^`]*)```/g)].map(([, block = '']) => block.trim());
  const lines = blocks.filter((block) => new RegExp(`^${pattern}`).test(block));
  expect(lines).toHaveLength(1);
  return lines[0] ?? '';
}

/** Runs a line of the page with the real commands, against this control plane and this world's Temporal namespace. */
async function runAsWritten(line: string): Promise<string> {
  const { kubectl, adminKubeconfig, temporalCli, temporalAddress } = world.plane;
  const script = [
    `kubectl() { '${kubectl}' --kubeconfig '${adminKubeconfig}' "$@"; }`,
    `temporal() { '${temporalCli}' "$@" --address ${temporalAddress}; }`,
    `cd '${ROOT}'`,
    line.replace('-n beskar7 ', `-n ${TEMPORAL_NAMESPACE} `),
  ].join('\n');
  const { code, output } = await runCommand('/bin/sh', ['-euc', script], { timeoutMs: 60_000 });
  expect({ line, code, output }).toMatchObject({ code: 0 });
  return output;
}

/** The workflow ids in what `temporal workflow list` prints. */
const idsIn = (output: string) => [...output.matchAll(/\b[a-z]+\/\S+\/\S+/g)].map(([id]) => id).sort();

async function until(what: string, isSo: () => Promise<boolean>, boundMs = 60_000): Promise<void> {
  const end = Date.now() + boundMs;
  while (!(await isSo())) {
    if (Date.now() > end) throw new Error(`not within ${boundMs / 1000} s: ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 250));
  }
}
