import { writeFile } from 'node:fs/promises';
import { loadavg } from 'node:os';
import { Command, CommanderError } from 'commander';
import { Agent, request } from 'undici';
import { freePorts } from '../../tools/controlplane/ports.ts';
import { launchBrowser } from '../../tools/web/chromium.ts';
import { restingMemory } from '../memory.ts';
import { onStage, type Stage } from '../oneRole.ts';
import { count, option, toMs } from '../options.ts';
import { round } from '../statistics.ts';
import { pause } from '../waiting.ts';
import { changeHost, makeFleet } from './fleet.ts';
import { visit, type PageFigures } from './page.ts';

/** What is wanted (issue 5). Milliseconds and MiB. */
const WANTED = { firstRows: 1500, longestTask: 100, growthMiB: 150 };

interface Options {
  readonly hosts: number;
  readonly machines: number;
  readonly visitors: number;
  readonly changes: number;
  readonly for: number;
  readonly json: string | undefined;
}

const program = new Command('bench:web')
  .description(
    'The web page with so many hosts in a real API server: the first rows, the scrolling, and the memory of the process that serves it.',
  )
  .addOption(option('--hosts <number>', 'hosts').default(10_000).argParser(count))
  .addOption(option('--machines <number>', 'machines on the first of them').default(2_000).argParser(count))
  .addOption(option('--visitors <number>', 'who have the page open at once').default(20).argParser(count))
  .addOption(option('--changes <number>', 'hosts that change in a second').default(20).argParser(count))
  .addOption(
    option('--for <duration>', 'how long they change while all have it open')
      .default(120_000, '2m')
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
  const { isGood, ...result } = await onStage((stage) => measure(stage, options));
  process.stdout.write(`${JSON.stringify(result, undefined, 2)}\n`);
  if (options.json !== undefined) await writeFile(options.json, `${JSON.stringify(result, undefined, 2)}\n`);
  return isGood ? 0 : 1;
}

async function measure({ kube, ports, signal, start }: Stage, options: Options) {
  const [port = 0] = await freePorts(1);
  const url = `http://127.0.0.1:${port}/`;
  await start(['--roles=web', `--web-bind-address=127.0.0.1:${port}`, '--web-auth=none']);
  const memory = () => restingMemory(ports.metrics, signal);
  const empty = await memory();
  say(`makes ${options.hosts} hosts and ${options.machines} machines`);
  await makeFleet(kube, options, signal);
  const filled = await memory();
  const page = await withChanges(kube, options, signal, () => look(url, options.hosts));
  say(`the page: ${JSON.stringify(page)}`);
  const open = await visitors(url, options.visitors, signal);
  const visited = await memory();
  say(`${options.visitors} visitors for ${options.for / 1000} s, ${options.changes} changes a second`);
  await withChanges(kube, options, signal, () => pause(options.for, signal));
  const changed = await memory();
  const events = await open.close();
  const growthMiB = round(changed.residentMiB - empty.residentMiB, 1);
  return {
    hosts: options.hosts,
    machines: options.machines,
    loadAverage: loadavg()[0],
    page,
    memory: { empty, filled, visited, changed, growthMiB },
    visitors: { count: options.visitors, bytes: events },
    isGood:
      page.firstRows <= WANTED.firstRows && page.longestTask <= WANTED.longestTask && growthMiB <= WANTED.growthMiB,
  };
}

async function look(url: string, hosts: number): Promise<PageFigures> {
  const browser = await launchBrowser();
  try {
    return await visit(browser, url, hosts);
  } finally {
    await browser.close();
  }
}

/** How many hosts change in a second while `work` is running. */
async function withChanges<T>(
  kube: Stage['kube'],
  { hosts, changes }: Options,
  signal: AbortSignal,
  work: () => Promise<T>,
): Promise<T> {
  const ended = new AbortController();
  const until = AbortSignal.any([signal, ended.signal]);
  const changing = (async () => {
    for (;;) {
      await pause(1000 / changes, until);
      await changeHost(kube, 1 + Math.floor(Math.random() * hosts), until);
    }
  })().catch((error: unknown) => {
    if (!ended.signal.aborted) throw error;
  });
  try {
    return await Promise.race([work(), changing.then(() => Promise.reject(new Error('the changes ended')))]);
  } finally {
    ended.abort();
    await changing;
  }
}

/** Event streams that are read to their end, each on a connection of its own. `close` tells how many bytes came. */
async function visitors(url: string, number: number, signal: AbortSignal): Promise<{ close(): Promise<number> }> {
  const ended = new AbortController();
  const agent = new Agent({ connections: number, bodyTimeout: 0 });
  let bytes = 0;
  const read = async (body: AsyncIterable<Buffer>) => {
    try {
      for await (const chunk of body) bytes += chunk.length;
    } catch (error) {
      if (!ended.signal.aborted) throw error;
    }
  };
  const reading: Promise<void>[] = [];
  for (let visitor = 0; visitor < number; visitor += 1) {
    const { statusCode, body } = await request(`${url}api/events`, {
      dispatcher: agent,
      headers: { accept: 'text/event-stream' },
      signal: AbortSignal.any([signal, ended.signal]),
    });
    if (statusCode !== 200) throw new Error(`the event stream answers ${statusCode}`);
    reading.push(read(body));
  }
  return {
    close: async () => {
      ended.abort();
      await Promise.all(reading);
      await agent.destroy();
      return bytes;
    },
  };
}

function say(line: string): void {
  process.stderr.write(`bench: ${line}\n`);
}

process.exitCode = await main();
process.stdout.write('', () => process.exit());
