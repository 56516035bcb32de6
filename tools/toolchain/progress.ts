import { mkdir, readFile, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { cacheFolder } from './cache.ts';

/** Without a terminal: a line after this time, then after twice as long each time. */
const FIRST_LINE_MS = 60_000;
const UNITS: Readonly<Record<string, number>> = { second: 1, minute: 60 };

/** Where lines go, and what earlier runs on this machine took, in seconds by what was done. */
export interface ProgressOptions {
  readonly out?: Pick<NodeJS.WriteStream, 'isTTY' | 'write'>;
  readonly durationsFile?: string;
}

/**
 * Says what is being done and how long it takes: what it took on this machine the last time, else what it usually
 * takes. On a terminal one line that is rewritten each second; else a line at the beginning, after 1, 2, 4 ... minutes,
 * and at the end.
 */
export async function withProgress<T>(
  what: string,
  usually: string,
  work: () => Promise<T>,
  { out = process.stderr, durationsFile = path.join(cacheFolder(), 'durations.json') }: ProgressOptions = {},
): Promise<T> {
  const began = Date.now();
  const last = (await durations(durationsFile))[what];
  const expected = last ?? secondsOf(usually);
  const estimate = last === undefined ? `usually ${usually}` : `${durationText(last)} the last time`;
  const line = () => {
    const seconds = Math.round((Date.now() - began) / 1000);
    const late = expected !== undefined && seconds > expected ? ', longer than expected, still running' : '';
    return `beskar7: ${what} (${estimate}${late}) ... ${durationText(seconds)}`;
  };
  let timer: NodeJS.Timeout | undefined;
  if (out.isTTY) {
    out.write(line());
    timer = setInterval(() => out.write(`\r${line()}\u001b[K`), 1_000);
  } else {
    out.write(`${line()}\n`);
    const after = (ms: number) => {
      timer = setTimeout(() => {
        out.write(`${line()}\n`);
        after(ms * 2);
      }, ms);
    };
    after(FIRST_LINE_MS);
  }
  try {
    const result = await work();
    await remember(durationsFile, what, Math.round((Date.now() - began) / 1000));
    if (!out.isTTY && Date.now() - began > FIRST_LINE_MS) out.write(`${line()}, done\n`);
    return result;
  } finally {
    clearTimeout(timer);
    if (out.isTTY) out.write('\r\u001b[K');
  }
}

/** The longest time that a text such as `4 to 7 minutes` allows, in seconds; undefined where it tells no number. */
export function secondsOf(usually: string): number | undefined {
  const found = /(\d+) (second|minute)s?$/.exec(usually);
  return found === null ? undefined : Number(found[1]) * (UNITS[found[2] ?? ''] ?? 1);
}

/** `75 s`, or `3 min 20 s`. */
export function durationText(seconds: number): string {
  return seconds < 100 ? `${seconds} s` : `${Math.floor(seconds / 60)} min ${seconds % 60} s`;
}

async function durations(file: string): Promise<Record<string, number>> {
  try {
    return JSON.parse(await readFile(file, 'utf8')) as Record<string, number>;
  } catch {
    return {};
  }
}

/** An estimate for the next time: that it cannot be kept does not matter. */
async function remember(file: string, what: string, seconds: number): Promise<void> {
  try {
    await mkdir(path.dirname(file), { recursive: true });
    await writeFile(file, JSON.stringify({ ...(await durations(file)), [what]: seconds }));
  } catch {
    // See above.
  }
}
