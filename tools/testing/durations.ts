import { mkdirSync, readFileSync, renameSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { cacheFolder } from '../toolchain/cache.ts';

/** What jobs took when they passed the last time, in seconds by their name: only a matter of the order in which they begin. */
export function rememberedDurations(): Map<string, number> {
  try {
    const read = JSON.parse(readFileSync(file(), 'utf8')) as Record<string, unknown>;
    return new Map(Object.entries(read).filter((entry): entry is [string, number] => typeof entry[1] === 'number'));
  } catch {
    return new Map();
  }
}

/** Keeps the durations of jobs beside those of others. A folder that cannot be written is no reason to fail. */
export function rememberDurations(jobs: readonly { readonly name: string; readonly seconds: number }[]): void {
  const known = rememberedDurations();
  for (const { name, seconds } of jobs) known.set(name, Math.round(seconds));
  try {
    mkdirSync(path.dirname(file()), { recursive: true });
    const own = `${file()}.${process.pid}`;
    writeFileSync(own, `${JSON.stringify(Object.fromEntries([...known].sort()), null, 2)}\n`);
    renameSync(own, file());
  } catch {
    // The next run begins with the guesses of plan.ts.
  }
}

function file(): string {
  return path.join(cacheFolder(), 'test-durations.json');
}
