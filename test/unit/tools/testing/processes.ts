import { readFileSync } from 'node:fs';

/** Whether a process runs. One that has ended, and that nobody has waited for yet, does not. */
export function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
  } catch {
    return false;
  }
  try {
    return !/^State:\s+Z/m.test(readFileSync(`/proc/${pid}/status`, 'utf8'));
  } catch {
    // No /proc on this system, or it has just gone: the next look tells.
    return true;
  }
}

/** Resolves as soon as something is so; rejects when it is not within the bound. */
export async function until(what: string, is: () => boolean, boundMs: number): Promise<void> {
  const end = Date.now() + boundMs;
  while (!is()) {
    if (Date.now() > end) throw new Error(`not within ${boundMs} ms: ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}
