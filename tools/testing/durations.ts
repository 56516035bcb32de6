import { mkdirSync, readFileSync, renameSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { cacheFolder } from '../toolchain/cache.ts';

/** What a job took when it passed the last time. */
export interface Took {
  readonly seconds: number;
  /** Seconds of one core, where they are known. */
  readonly cpuSeconds?: number;
}

/** What jobs took, by their name: only a matter of the order in which they start, and of what runs beside them. */
export function rememberedDurations(): Map<string, Took> {
  try {
    const read = JSON.parse(readFileSync(file(), 'utf8')) as Record<string, unknown>;
    return new Map(Object.entries(read).filter((entry): entry is [string, Took] => isTook(entry[1])));
  } catch {
    return new Map();
  }
}

/** Keeps the durations of jobs beside those of others. A folder that cannot be written is no reason to fail. */
export function rememberDurations(
  jobs: readonly { readonly name: string; readonly seconds: number; readonly cpuSeconds: number | undefined }[],
): void {
  const known = rememberedDurations();
  for (const { name, seconds, cpuSeconds } of jobs)
    known.set(name, {
      seconds: Math.round(seconds),
      ...(cpuSeconds === undefined ? {} : { cpuSeconds: Math.round(cpuSeconds) }),
    });
  try {
    mkdirSync(path.dirname(file()), { recursive: true });
    const own = `${file()}.${process.pid}`;
    writeFileSync(own, `${JSON.stringify(Object.fromEntries([...known].sort()), null, 2)}\n`);
    renameSync(own, file());
  } catch {
    // The next run starts with the guesses of plan.ts.
  }
}

function isTook(value: unknown): value is Took {
  return typeof (value as Took | null)?.seconds === 'number';
}

function file(): string {
  return path.join(cacheFolder(), 'test-durations.json');
}
