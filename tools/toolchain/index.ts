import { access, constants, mkdir } from 'node:fs/promises';
import path from 'node:path';
import { cacheFolder, withLock } from './cache.ts';
import { findOnPath, runCommand } from './command.ts';
import { downloadTool, platform } from './download.ts';
import { buildWithGo } from './goBuild.ts';
import { PINS, type Pin, type ToolName } from './pins.ts';
import { withProgress } from './progress.ts';
import { installTestServer } from './testServer.ts';

export type { ToolName } from './pins.ts';

export const TOOL_NAMES = Object.keys(PINS) as ToolName[];

/** A tool that could not be had: what was tried, and what to install. */
export class ToolMissing extends Error {
  constructor(name: ToolName, pin: Pin, tried: readonly string[]) {
    super(
      `beskar7: ${name} ${pin.version} could not be had.\n${tried.map((line) => `  - ${line}`).join('\n')}\n` +
        `Install ${pin.install} and put it on PATH, or name it with ${pin.environment}.`,
    );
  }
}

/** Paths of the tools, one after the other so that builds do not fight for the machine. Throws ToolMissing. */
export async function ensureTools<Name extends ToolName>(names: readonly Name[]): Promise<Record<Name, string>> {
  const paths: Partial<Record<Name, string>> = {};
  for (const name of names) paths[name] = await ensureTool(name);
  return paths as Record<Name, string>;
}

/**
 * The path of one tool: named in the environment → a fitting one on PATH → the cache → the official download → a build with Go (for the test
 * server: Maven) → ToolMissing.
 */
export async function ensureTool(name: ToolName, pin: Pin = PINS[name]): Promise<string> {
  const named = process.env[pin.environment];
  const tried: string[] = [];
  if (named) {
    if (await isExecutable(named)) return named;
    throw new ToolMissing(name, pin, [`${pin.environment}=${named} is no executable file`]);
  }
  const onPath = await fittingOnPath(name, pin, tried);
  if (onPath) return onPath;
  const { os, arch } = platform();
  const folder = path.join(cacheFolder(), 'tools');
  const target = path.join(folder, `${name}-${pin.version}-${os}-${arch}`);
  if (await isExecutable(target)) return target;
  tried.push(`${target} is not there yet`);
  await mkdir(folder, { recursive: true });
  const say = (line: string) => process.stderr.write(`beskar7: ${line}\n`);
  return withLock(folder, path.basename(target), () => make(name, pin, target, tried), say);
}

async function make(name: ToolName, pin: Pin, target: string, tried: string[]): Promise<string> {
  if (await isExecutable(target)) return target;
  const ways = waysOf(name, pin, target);
  for (const { what, usually, work } of ways) {
    try {
      await withProgress(what, usually, work);
      return target;
    } catch (error) {
      tried.push(`${what}: ${(error as Error).message}`);
    }
  }
  throw new ToolMissing(name, pin, tried);
}

function waysOf(name: ToolName, pin: Pin, target: string) {
  const ways: { what: string; usually: string; work: () => Promise<void> }[] = [];
  const { download, goBuild } = pin;
  const label = `${name} ${pin.version}`;
  if (download)
    ways.push({ what: `downloads ${label}`, usually: 'seconds', work: () => downloadTool(download, target) });
  if (goBuild)
    ways.push({ what: `builds ${label} with Go`, usually: goBuild.usually, work: () => buildWithGo(goBuild, target) });
  if (name === 'temporal-test-server') {
    ways.push({ what: `fetches ${label} with Maven`, usually: '1 minute', work: () => installTestServer(target) });
  }
  return ways;
}

async function fittingOnPath(name: ToolName, pin: Pin, tried: string[]): Promise<string | undefined> {
  const found = await findOnPath(name);
  if (found === undefined) {
    tried.push('not on PATH');
    return undefined;
  }
  const { output } = await runCommand(found, pin.versionArguments, { timeoutMs: 20_000 }).catch(() => ({ output: '' }));
  if (pin.fits.test(output)) return found;
  tried.push(`${found} does not fit: ${pin.fitsText} is needed, it says "${output.trim().split('\n')[0] ?? ''}"`);
  return undefined;
}

function isExecutable(file: string): Promise<boolean> {
  return access(file, constants.X_OK).then(
    () => true,
    () => false,
  );
}
