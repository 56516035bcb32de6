import { mkdir, readFile, rm, writeFile } from 'node:fs/promises';
import os from 'node:os';
import path from 'node:path';

/** Where tools are kept: `$XDG_CACHE_HOME/beskar7`, else `~/.cache/beskar7`. */
export function cacheFolder(environment: NodeJS.ProcessEnv = process.env): string {
  return path.join(environment.XDG_CACHE_HOME || path.join(os.homedir(), '.cache'), 'beskar7');
}

/** How long one run waits for another one that makes the same tool. */
const PATIENCE_MS = 40 * 60_000;

/** Runs `work` while no other process does so under the same name. A lock whose owner is gone is taken over. */
export async function withLock<T>(
  folder: string,
  name: string,
  work: () => Promise<T>,
  say: (line: string) => void,
): Promise<T> {
  const lock = path.join(folder, `${name}.lock`);
  const until = Date.now() + PATIENCE_MS;
  let isTold = false;
  while (!(await tryLock(lock))) {
    const owner = Number(await readFile(path.join(lock, 'pid'), 'utf8').catch(() => ''));
    if (owner > 0 && !isAlive(owner)) {
      await rm(lock, { recursive: true, force: true });
      continue;
    }
    if (Date.now() > until)
      throw new Error(`${lock} is held by process ${owner} for too long; remove it if that process is not at work`);
    if (!isTold) say(`waits for process ${owner}, which is making ${name}`);
    isTold = true;
    await new Promise((resolve) => setTimeout(resolve, 500));
  }
  try {
    return await work();
  } finally {
    await rm(lock, { recursive: true, force: true });
  }
}

async function tryLock(lock: string): Promise<boolean> {
  await mkdir(path.dirname(lock), { recursive: true });
  try {
    await mkdir(lock);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'EEXIST') return false;
    throw error;
  }
  await writeFile(path.join(lock, 'pid'), String(process.pid));
  return true;
}

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'EPERM';
  }
}
