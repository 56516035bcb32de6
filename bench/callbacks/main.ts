import { readFile, writeFile } from 'node:fs/promises';
import { loadavg } from 'node:os';
import { Command, CommanderError } from 'commander';
import type { Beskar7Ports } from '../beskar7.ts';
import { onStage } from '../oneRole.ts';
import { count, many, option, toMs } from '../options.ts';
import { percentile, round } from '../statistics.ts';
import { NAMESPACE } from '../objects.ts';
import { armServers, type ArmedServer } from './armed.ts';
import { attack } from './attack.ts';
import { bootAll, type RouteLog } from './boot.ts';
import type { Target } from './hostile.ts';
import { restingMemory } from '../memory.ts';

/**
 * What the heap may have grown by from the first fifth of an attack to its end: far less than a byte kept of each
 * request.
 */
const MAX_GROWTH_MIB = 16;

interface Options {
  readonly servers: number;
  readonly within: number;
  readonly hostile: number;
  readonly seed: number;
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
    'Many servers behind one address fetch their boot script and report their hardware within seconds: measures how long the callbacks take, with a real API server behind them.',
  )
  .addOption(option('--servers <number>', 'servers that boot').default(500).argParser(count))
  .addOption(
    option('--within <duration>', 'in which they boot, evenly spread')
      .default(10_000, '10s')
      .argParser((text) => toMs(text)),
  )
  .addOption(
    option(
      '--hostile <number>',
      'instead: so many hostile requests over every route, then no 5xx, no crash, no growth of memory, no secret in the log',
    )
      .default(0)
      .argParser(many),
  )
  .addOption(option('--seed <number>', 'of the hostile requests').default(1).argParser(count))
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
  const { result, isGood } = options.hostile > 0 ? await withstand(options) : await measure(options);
  process.stdout.write(`${JSON.stringify(result, undefined, 2)}\n`);
  if (options.json !== undefined) await writeFile(options.json, `${JSON.stringify(result, undefined, 2)}\n`);
  return isGood ? 0 : 1;
}

interface Running {
  readonly servers: readonly ArmedServer[];
  readonly ports: Beskar7Ports;
  readonly logFile: string;
  readonly signal: AbortSignal;
}

interface Outcome {
  readonly result: object;
  readonly isGood: boolean;
}

/** All servers boot at once and do what they should. */
function measure({ servers: number, within }: Options): Promise<Outcome> {
  return withApi(number, [], async ({ servers, ports, signal }) => {
    say(`${number} servers boot within ${within / 1000} s`);
    const urls = { boot: `http://127.0.0.1:${ports.boot}`, callback: `http://127.0.0.1:${ports.callback}` };
    const logs = await bootAll(servers, urls, { ms: within, signal });
    const [script, report] = [resultOf(logs.script, '200'), resultOf(logs.report, '202')];
    return {
      result: { servers: number, withinSeconds: within / 1000, loadAverage: loadavg()[0], script, report },
      isGood: script.refused + report.refused === 0,
    };
  });
}

/** Hostile requests, from many addresses, by an attacker who knows some of the secrets. */
function withstand({ hostile, seed }: Options): Promise<Outcome> {
  const flags = ['--trusted-proxies=127.0.0.1'];
  return withApi(20, flags, async ({ servers, ports, logFile, signal }) => {
    const targets = servers.map(({ name, mac, token, nonce }, index): Target => {
      const other = servers[(index + 1) % servers.length];
      return {
        namespace: NAMESPACE,
        host: name,
        mac,
        bearers: [token, other?.token ?? '', nonce, 'x'],
        nonces: [nonce, token, other?.nonce ?? ''],
      };
    });
    let before: { heapMiB: number; residentMiB: number } | undefined;
    const startedMs = performance.now();
    const { statuses, faults, faultCount } = await attack(
      targets,
      ports,
      { requests: hostile, seed, signal },
      async (done) => {
        if (before !== undefined || done < hostile / 5) return;
        before = await restingMemory(ports.metrics, signal);
        say(`${done} requests: ${JSON.stringify(before)}`);
      },
    );
    const seconds = (performance.now() - startedMs) / 1000;
    const after = await restingMemory(ports.metrics, signal);
    const log = await readFile(logFile, 'utf8');
    const logged = servers.filter(({ token, nonce }) => log.includes(token) || log.includes(nonce)).length;
    const growthMiB = round(after.heapMiB - (before?.heapMiB ?? 0), 1);
    return {
      result: {
        hostileRequests: hostile,
        perSecond: round(hostile / seconds, 0),
        loadAverage: loadavg()[0],
        statuses: Object.fromEntries(statuses),
        faults,
        faultCount,
        memory: { afterOneFifth: before, after, heapGrowthMiB: growthMiB },
        serversWhoseSecretsAreInTheLog: logged,
      },
      isGood: faultCount === 0 && logged === 0 && growthMiB <= MAX_GROWTH_MIB,
    };
  });
}

/**
 * Runs `work` with this many armed hosts and Beskar7 in the role `api` only: no other role touches the hosts, which are
 * armed by hand.
 */
function withApi(
  number: number,
  flags: readonly string[],
  work: (running: Running) => Promise<Outcome>,
): Promise<Outcome> {
  return onStage(async ({ kube, start, ...stage }) => {
    say(`arming ${number} hosts`);
    const servers = await armServers(kube, number, stage.signal);
    await start(['--roles=api', ...flags]);
    return work({ servers, ...stage });
  });
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
