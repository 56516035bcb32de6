import { mkdtemp, rm } from 'node:fs/promises';
import os from 'node:os';
import path from 'node:path';
import { parseArgs } from 'node:util';
import { Component } from '../../../tools/controlplane/component.ts';
import { freePorts } from '../../../tools/controlplane/ports.ts';
import { runCommand } from '../../../tools/toolchain/command.ts';
import { VERSION } from '../../../workers/version.ts';
import { testControlPlane } from '../../support/controlPlane.ts';
import globalSetup from '../../support/globalSetup.ts';
import globalTeardown from '../../support/globalTeardown.ts';
import { RECORD_FOLDER } from '../../support/recordHistories.ts';
import { World } from '../../support/world.ts';
import { FLAGS, LONG, orphan, releaseGoesOn, TOGETHER } from './scenarios.ts';
import { select } from './select.ts';
import type { Scenario } from './steps.ts';

/**
 * `npx node test/replay/record/main.ts [--out FOLDER] [--bundle FILE] [--keep FOLDER] [SCENARIO ...]` records the
 * histories of this version: Beskar7 runs against a real Temporal, API server and simulated BMCs through every kind of
 * run and every way that one can take, about 7 minutes. Into `--out` (default: the folder of this version) go as few of
 * the histories as take every path of `paths.ts` and show every step. `--bundle`: the workflow code is that bundle, for
 * histories of earlier code; `--keep`: where all histories are left. With names of scenarios, `orphan` or `long` only
 * these.
 */
const { values, positionals } = parseArgs({
  options: { out: { type: 'string' }, bundle: { type: 'string' }, keep: { type: 'string' } },
  allowPositionals: true,
});
const out = path.resolve(values.out ?? path.join(import.meta.dirname, '..', 'histories', VERSION));
const all = values.keep ?? (await mkdtemp(path.join(os.tmpdir(), 'beskar7-histories-')));
process.env[RECORD_FOLDER] = all;
/** `orphan`: what needs Beskar7 to be stopped; `long`: what needs a Temporal of its own. */
const isDue = (...names: string[]) => positionals.length === 0 || names.some((name) => positionals.includes(name));
/** Events of a history after which Temporal asks for a fresh one. */
const FEW_EVENTS = 18;
const HOSTS = 29;
const LONG_HOSTS = 8;

await globalSetup();
try {
  if (isDue('orphan', ...Object.keys(TOGETHER))) await recordKinds();
  if (isDue('long', ...Object.keys(LONG))) await recordLongRuns();
  for (const name of select(all, out)) process.stdout.write(`${path.join(out, name)}\n`);
} finally {
  await globalTeardown();
  if (values.keep === undefined) await rm(all, { recursive: true, force: true });
}
process.exit();

/** Every kind of run; monitors have settings that change on the way. */
async function recordKinds(): Promise<void> {
  const world = await started('recorded', HOSTS, ['--monitor-shards=2', '--monitor-interval=2s']);
  try {
    await together(world, TOGETHER, isDue);
    if (!isDue('orphan')) return;
    // One shard less, and another interval for the one that stays.
    const host = await orphan(world, { neverReports: true }, ['--monitor-shards=1', '--monitor-interval=3s']);
    await world.temporal.workflow.getHandle('monitor/default/1').result();
    await world.hostIs(host, 'Available', 180_000);
  } finally {
    await world.stop();
  }
}

async function recordLongRuns(): Promise<void> {
  const [port = 0] = await freePorts(1);
  const { temporalCli, dataFolder } = testControlPlane();
  const address = `127.0.0.1:${port}`;
  const temporal = new Component(
    {
      name: 'temporal-few-events',
      file: temporalCli,
      args: [
        ...['server', 'start-dev', '--headless', '--ip=127.0.0.1', `--port=${port}`, '--log-level=warn'],
        ...['--dynamic-config-value', `limit.historyCount.suggestContinueAsNew=${FEW_EVENTS}`],
      ],
      isReady: async () =>
        (await runCommand(temporalCli, ['workflow', 'list', '--address', address], { timeoutMs: 10_000 })).code === 0,
    },
    path.join(dataFolder, 'logs'),
  );
  await temporal.start();
  try {
    const flags = ['--monitor-interval=0s', '--boot-timeout=100s'];
    const world = await started('recorded-long', LONG_HOSTS, flags, address);
    try {
      await together(world, LONG, (name) => isDue('long', name));
      if (isDue('long')) await releaseGoesOn(world);
    } finally {
      await world.stop();
    }
  } finally {
    await temporal.stop();
  }
}

async function started(namespace: string, hosts: number, flags: readonly string[], address?: string): Promise<World> {
  const plane = testControlPlane();
  const world = new World(namespace, [...FLAGS, ...flags], {
    ...plane,
    ...(address === undefined ? {} : { temporalAddress: address }),
  });
  if (values.bundle !== undefined) world.env = { BESKAR7_WORKFLOW_BUNDLE: path.resolve(values.bundle) };
  await world.start({ hosts, profile: 'generic', osReadyAfterMs: 300 });
  for (let number = 1; number <= hosts; number += 1)
    await world.kubectl('label', 'physicalhost', `host-${number}`, `only=host-${number}`);
  return world;
}

/** All scenarios that are due, at the same time; what fails is told, and fails the recording at its end. */
async function together(
  world: World,
  scenarios: Readonly<Record<string, Scenario>>,
  isDue: (name: string) => boolean,
): Promise<void> {
  const due = Object.entries(scenarios).filter(([name]) => isDue(name));
  await Promise.all(
    due.map(async ([name, scenario]) => {
      try {
        await scenario(world);
        process.stderr.write(`recorded ${name}\n`);
      } catch (error) {
        process.stderr.write(`${name}: ${(error as Error).message}\n`);
        process.exitCode = 1;
      }
    }),
  );
}
