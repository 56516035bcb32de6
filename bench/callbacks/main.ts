import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Command, CommanderError } from 'commander';
import { KubeClient } from '../../kube/client.ts';
import { beskar7Ports, startBeskar7 } from '../beskar7.ts';
import { startEmbedded } from '../embedded.ts';
import { count, option, toMs } from '../options.ts';
import { percentile, round } from '../statistics.ts';
import { loadKubeConfig } from '../world.ts';
import { armServers } from './armed.ts';
import { bootAll, type RouteLog } from './boot.ts';

const RUN_MS = 600_000;
const ROOT = join(import.meta.dirname, '..', '..');

interface Options {
  readonly servers: number;
  readonly within: number;
  readonly json: string | undefined;
}

/** One route: how long its answers took, in seconds, and how many were not what was due. */
interface RouteResult {
  readonly p50: number;
  readonly p99: number;
  readonly max: number;
  readonly refused: number;
  readonly statuses: Readonly<Record<string, number>>;
}

const program = new Command('bench:callbacks')
  .description(
    'So many servers behind one address fetch their boot script and report their hardware within seconds: how long the callbacks take, with a real API server behind them.',
  )
  .addOption(option('--servers <number>', 'servers that boot').default(500).argParser(count))
  .addOption(
    option('--within <duration>', 'in which they boot, evenly spread')
      .default(10_000, '10s')
      .argParser((text) => toMs(text)),
  )
  .addOption(option('--json <file>', 'write the result to this file'))
  .allowExcessArguments(false)
  .configureOutput({ writeErr: () => undefined })
  .exitOverride();

async function main(): Promise<number> {
  try {
    program.parse(process.argv.slice(2), { from: 'user' });
  } catch (error) {
    if (!(error instanceof CommanderError)) throw error;
    if (error.exitCode === 0) return 0;
    process.stderr.write(`bench: ${error.message.replace(/^error: /, '')} (see --help)\n`);
    return 2;
  }
  const options = program.opts<Options>();
  const result = await measure(options);
  process.stdout.write(`${JSON.stringify(result, undefined, 2)}\n`);
  if (options.json !== undefined) await writeFile(options.json, `${JSON.stringify(result, undefined, 2)}\n`);
  return result.script.refused + result.report.refused === 0 ? 0 : 1;
}

/** Beskar7 with the role `api` only: no other role touches the hosts, which are armed by hand. */
async function measure({ servers: number, within }: Options) {
  const folder = await mkdtemp(join(tmpdir(), 'beskar7-bench-'));
  const failed = new AbortController();
  const signal = AbortSignal.any([failed.signal, AbortSignal.timeout(RUN_MS)]);
  const plane = await startEmbedded(folder, (error) => failed.abort(error));
  const undo: (() => Promise<unknown>)[] = [() => rm(folder, { recursive: true, force: true }), () => plane.stop()];
  try {
    const kube = KubeClient.fromConfig(await loadKubeConfig(plane.adminKubeconfig), { userAgent: 'beskar7-bench' });
    undo.push(() => kube.close());
    say(`arming ${number} hosts`);
    const servers = await armServers(kube, number, signal);
    const ports = await beskar7Ports();
    const beskar7 = await startBeskar7(
      {
        root: ROOT,
        kubeconfig: plane.beskar7Kubeconfig,
        temporalAddress: plane.temporalAddress,
        temporalNamespace: plane.temporalNamespace,
        ports,
        logFile: join(folder, 'beskar7.log'),
        cpuProfile: undefined,
        flags: ['--roles=api'],
        nodeFlags: [],
      },
      signal,
    );
    undo.push(() => beskar7.stop());
    say(`${number} servers boot within ${within / 1000} s`);
    const urls = { boot: `http://127.0.0.1:${ports.boot}`, callback: `http://127.0.0.1:${ports.callback}` };
    const { script, report } = await bootAll(servers, urls, { ms: within, signal });
    return {
      servers: number,
      withinSeconds: within / 1000,
      script: resultOf(script, '200'),
      report: resultOf(report, '202'),
    };
  } finally {
    for (const step of undo.reverse()) await step().catch((error: unknown) => say(`clean-up: ${String(error)}`));
  }
}

function resultOf({ seconds, statuses }: RouteLog, due: string): RouteResult {
  const at = (percent: number) => round(percentile(seconds, percent), 3);
  return {
    p50: at(50),
    p99: at(99),
    max: at(100),
    refused: seconds.length - (statuses.get(due) ?? 0),
    statuses: Object.fromEntries(statuses),
  };
}

function say(line: string): void {
  process.stderr.write(`bench: ${line}\n`);
}

process.exitCode = await main();
process.stdout.write('', () => process.exit());
