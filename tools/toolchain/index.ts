import { mkdir, statfs } from 'node:fs/promises';
import { homedir } from 'node:os';
import path from 'node:path';
import { cacheFolder, withLock } from './cache.ts';
import { findOnPath, isExecutable, runCommand } from './command.ts';
import { downloadTool, platform } from './download.ts';
import { buildWithGo } from './goBuild.ts';
import { PINS, type Pin, type ToolName } from './pins.ts';
import { secondsOf, withProgress } from './progress.ts';
import { downloadNativeTestServer, installTestServer, installTestServerWithMaven } from './testServer.ts';

export type { ToolName } from './pins.ts';

/** All of them. */
export const PINNED_TOOLS = Object.keys(PINS) as ToolName[];

/** Of every set-up and test; the tools that only some tests need are asked for by name. */
export const TOOL_NAMES = PINNED_TOOLS.filter((name) => PINS[name].onDemand === undefined);

/** A tool that could not be had: what was tried, and what to install. */
export class ToolMissing extends Error {
  constructor(name: ToolName, pin: Pin, tried: readonly string[]) {
    super(
      `beskar7: ${name} ${pin.version} could not be had.\n${tried.map((line) => `  - ${line}`).join('\n')}\n` +
        `Install ${pin.install}, or name the program with ${pin.environment}.`,
    );
  }
}

/** Where to say what is being done; one line each. */
export type Say = (line: string) => void;

const sayOnStandardError: Say = (line) => void process.stderr.write(`beskar7: ${line}\n`);

/** Paths of the tools, one after the other so that builds do not fight for the machine. Throws ToolMissing. */
export async function ensureTools<Name extends ToolName>(
  names: readonly Name[],
  say: Say = sayOnStandardError,
): Promise<Record<Name, string>> {
  await reportMissing(names, say);
  const paths: Partial<Record<Name, string>> = {};
  for (const name of names) paths[name] = await ensureTool(name, PINS[name], say);
  return paths as Record<Name, string>;
}

/** Before the first of several tools is made: which are missing, how long that may take, and how much disk. */
async function reportMissing(names: readonly ToolName[], say: Say): Promise<void> {
  const missing: ToolName[] = [];
  for (const name of names) {
    const pin = PINS[name];
    if (process.env[pin.environment] || (await isExecutable(targetOf(name, pin)))) continue;
    if ((await fittingOnPath(name, pin, [])) === undefined) missing.push(name);
  }
  if (missing.length < 2) return;
  const seconds = missing.reduce((sum, name) => sum + (secondsOf(PINS[name].goBuild?.usually ?? '') ?? 0), 0);
  const free = await freeGigabytes();
  say(
    `${missing.length} tools are missing (${missing.join(', ')}): a minute where they can be downloaded, else Go builds them, up to ` +
      `${Math.ceil(seconds / 60)} minutes on two cores and 7 GB of disk for Go's caches${free === undefined ? '' : ` (${free} GB are free)`}`,
  );
}

async function freeGigabytes(): Promise<number | undefined> {
  try {
    const { bavail, bsize } = await statfs(homedir());
    return Math.floor((bavail * bsize) / 1e9);
  } catch {
    return undefined;
  }
}

function targetOf(name: ToolName, pin: Pin): string {
  const { os, arch } = platform();
  return path.join(cacheFolder(), 'tools', `${name}-${pin.version}-${os}-${arch}`);
}

/**
 * The path of one tool: named in the environment → a fitting one on PATH → the cache → the official download → a build
 * with Go (for the test server: jars from Maven Central, Maven, the SDK's own download) → ToolMissing.
 */
export async function ensureTool(
  name: ToolName,
  pin: Pin = PINS[name],
  say: Say = sayOnStandardError,
): Promise<string> {
  const named = process.env[pin.environment];
  const tried: string[] = [];
  if (named) {
    if (await isExecutable(named)) return path.resolve(named);
    throw new ToolMissing(name, pin, [`${pin.environment}=${named} is no executable file`]);
  }
  const onPath = await fittingOnPath(name, pin, tried);
  if (onPath) return onPath;
  const target = targetOf(name, pin);
  const folder = path.dirname(target);
  if (await isExecutable(target)) return target;
  tried.push(`not in the cache, at ${target}`);
  await mkdir(folder, { recursive: true });
  return withLock(folder, path.basename(target), () => make(name, pin, target, tried, say), say);
}

async function make(name: ToolName, pin: Pin, target: string, tried: string[], say: Say): Promise<string> {
  if (await isExecutable(target)) return target;
  const ways = waysOf(name, pin, target);
  for (const [index, { what, usually, work }] of ways.entries()) {
    try {
      await withProgress(what, usually, work);
      return target;
    } catch (error) {
      const line = `${what}: ${(error as Error).message}`;
      tried.push(line);
      if (index < ways.length - 1) say(`${line}; trying the next way`);
    }
  }
  throw new ToolMissing(name, pin, tried);
}

interface Way {
  readonly what: string;
  readonly usually: string;
  work(): Promise<void>;
}

function waysOf(name: ToolName, pin: Pin, target: string): Way[] {
  const ways: Way[] = [];
  const { download, goBuild } = pin;
  const label = `${name} ${pin.version}`;
  if (download)
    ways.push({ what: `downloads ${label}`, usually: 'seconds', work: () => downloadTool(download, target) });
  if (goBuild)
    ways.push({ what: `builds ${label} with Go`, usually: goBuild.usually, work: () => buildWithGo(goBuild, target) });
  if (name === 'temporal-test-server')
    ways.push(
      { what: `downloads ${label} from Maven Central`, usually: 'seconds', work: () => installTestServer(target) },
      { what: `fetches ${label} with Maven`, usually: '1 minute', work: () => installTestServerWithMaven(target) },
      { what: `downloads a native ${name}`, usually: 'seconds', work: () => downloadNativeTestServer(target) },
    );
  return ways;
}

async function fittingOnPath(name: ToolName, pin: Pin, tried: string[]): Promise<string | undefined> {
  if (pin.onPath === undefined) return undefined;
  const { versionArguments, fits, fitsText } = pin.onPath;
  const found = await findOnPath(name);
  if (found === undefined) {
    tried.push('not on PATH');
    return undefined;
  }
  const { output } = await runCommand(found, versionArguments, { timeoutMs: 20_000 }).catch(() => ({ output: '' }));
  if (fits.test(output)) return found;
  tried.push(`${found} does not fit: ${fitsText} is needed, it says "${output.trim().split('\n')[0] ?? ''}"`);
  return undefined;
}
