import os from 'node:os';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { takeLock } from './lock.ts';

/** Where tools are kept: `$XDG_CACHE_HOME/beskar7`, else `~/.cache/beskar7`. */
export function cacheFolder(environment: NodeJS.ProcessEnv = process.env): string {
  return path.join(environment.XDG_CACHE_HOME || path.join(os.homedir(), '.cache'), 'beskar7');
}

/** How long one run waits for another one that makes the same tool. */
const PATIENCE_MS = 40 * 60_000;
const POLL_MS = 250;

/**
 * Runs `work` while no other process does so under the same name. Rejects when another one takes longer than 40
 * minutes.
 */
export async function withLock<T>(
  folder: string,
  name: string,
  work: () => Promise<T>,
  say: (line: string) => void,
): Promise<T> {
  const lock = path.join(folder, `${name}.lock`);
  const until = Date.now() + PATIENCE_MS;
  let isReported = false;
  for (;;) {
    const held = await takeLock(lock);
    if (typeof held !== 'number') {
      try {
        return await work();
      } finally {
        await held.release();
      }
    }
    if (Date.now() > until)
      throw new Error(`beskar7: process ${held} has been making ${name} for 40 minutes; end it and try again`);
    if (!isReported) say(`waits for process ${held}, which is making ${name}`);
    isReported = true;
    await sleep(POLL_MS);
  }
}
