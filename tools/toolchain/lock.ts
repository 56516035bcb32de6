import { randomUUID } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { link, mkdir, readFile, rm, stat, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';

const GUARD_POLL_MS = 20;
/** A guard is held for milliseconds: one this old was left by a process that was killed just then. */
const GUARD_STALE_MS = 5_000;

/** A lock that this process holds. */
export interface Held {
  release(): Promise<void>;
}

/**
 * Takes the lock that the file `lock` stands for. Returns the pid of the process that has it when it is taken; one
 * whose owner is gone is taken over. The file names its owner from the moment that it is there.
 */
export async function takeLock(lock: string): Promise<Held | number> {
  await mkdir(path.dirname(lock), { recursive: true });
  const own = `${lock}.${randomUUID()}`;
  await writeFile(own, identityOf(process.pid));
  try {
    for (;;) {
      try {
        await link(own, lock);
        return { release: () => rm(lock, { force: true }) };
      } catch (error) {
        if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error;
      }
      const owner = await ownerOf(lock);
      if (owner !== undefined) return owner;
      await removeDead(lock);
    }
  } finally {
    await rm(own, { force: true });
  }
}

/** The pid of the living process that has this lock. */
export async function ownerOf(lock: string): Promise<number | undefined> {
  return livingOwner(await readFile(lock, 'utf8').catch(() => ''));
}

/**
 * Removes a lock whose owner is gone. Two may find that at once: only who has the guard file looks again, and removes.
 */
async function removeDead(lock: string): Promise<void> {
  const guard = `${lock}.guard`;
  try {
    await writeFile(guard, '', { flag: 'wx' });
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error;
    await sleep(GUARD_POLL_MS);
    const made = await stat(guard).catch(() => undefined);
    if (made && Date.now() - made.mtimeMs > GUARD_STALE_MS) await rm(guard, { force: true });
    return;
  }
  try {
    if ((await ownerOf(lock)) === undefined) await rm(lock, { force: true });
  } finally {
    await rm(guard, { force: true });
  }
}

function livingOwner(text: string): number | undefined {
  const pid = Number(text.split(' ')[0]);
  if (!Number.isInteger(pid) || pid <= 0 || !isAlive(pid)) return undefined;
  // After a restart of the machine another program may have the number.
  return text === identityOf(pid) ? pid : undefined;
}

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'EPERM';
  }
}

/** The pid, and where the system tells it, when that process started (proc_pid_stat(5), field 22). */
function identityOf(pid: number): string {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
    // The name, in brackets, may hold anything.
    const began = stat.slice(stat.lastIndexOf(')') + 2).split(' ')[19] ?? '';
    return `${pid} ${began}`;
  } catch {
    return String(pid);
  }
}
