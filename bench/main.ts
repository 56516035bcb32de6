import { writeFile } from 'node:fs/promises';
import { HelpPrinted, parseOptions, UsageError, type BenchOptions } from './options.ts';
import { isClean, type BenchRun } from './result.ts';
import { runOnce } from './run.ts';
import { medianIndex, round } from './statistics.ts';
import { formatRun } from './table.ts';

/**
 * Runs the benchmark. Exit code 0: clean; 1: double claims, leaks, machines not ready, or it could not be run; 2:
 * usage.
 */
async function main(): Promise<void> {
  let options: BenchOptions;
  try {
    options = parseOptions(process.argv.slice(2));
  } catch (error) {
    if (error instanceof HelpPrinted) return;
    if (!(error instanceof UsageError)) throw error;
    process.stderr.write(`${error.message}\n`);
    process.exitCode = 2;
    return;
  }
  const interrupted = new AbortController();
  for (const name of ['SIGINT', 'SIGTERM'] as const) {
    process.on(name, () => interrupted.abort(new Error(`stopped by ${name}`)));
  }
  try {
    await report(options, await runAll(options, interrupted.signal));
  } catch (error) {
    process.stderr.write(`bench: ${(error as Error).message}\n`);
    process.exitCode = 1;
  }
}

interface Measured {
  readonly runs: readonly BenchRun[];
  /** With hanging BMCs over without them: how much longer the others took, of each pair of runs. */
  readonly ratios: readonly number[];
}

async function runAll(options: BenchOptions, signal: AbortSignal): Promise<Measured> {
  const runs: BenchRun[] = [];
  const ratios: number[] = [];
  for (let number = 1; number <= options.repeat; number += 1) {
    const prefix = options.repeat === 1 ? 'bench' : `bench ${number}/${options.repeat}`;
    const say = (line: string) => void process.stderr.write(`${prefix}: ${line}\n`);
    const one = async (of: BenchOptions) => {
      const run = await runOnce(of, { signal, say });
      process.stdout.write(`${formatRun(run)}\n\n`);
      return run;
    };
    const { hanging, machines } = options;
    const alone = hanging > 0 ? await one({ ...options, machines: machines - hanging, hanging: 0 }) : undefined;
    const run = await one(options);
    runs.push(run);
    if (alone === undefined) continue;
    const ratio = round(run.details.provisionSeconds / alone.details.provisionSeconds, 3);
    ratios.push(ratio);
    say(`with ${hanging} hanging BMCs the other ${machines - hanging} took ${ratio} times as long as without them`);
  }
  return { runs, ratios };
}

/** Of several runs the one with the median rate, but with the worst of what must be 0. */
async function report(options: BenchOptions, { runs, ratios }: Measured): Promise<void> {
  const median = runs[medianIndex(runs.map(({ result }) => result.machinesPerMinute))];
  if (median === undefined) return;
  const worst = (valueOf: (run: BenchRun) => number) => Math.max(...runs.map(valueOf));
  const result = {
    ...median.result,
    doubleClaims: worst((run) => run.result.doubleClaims),
    leaks: worst((run) => run.result.leaks),
    notReady: worst((run) => run.result.notReady),
    ...(ratios.length === 0 ? {} : { hangingRatio: ratios[medianIndex(ratios)], hangingRatios: ratios }),
  };
  process.stdout.write(`${JSON.stringify({ ...result, details: median.details }, undefined, 2)}\n`);
  if (options.json !== undefined) await writeFile(options.json, `${JSON.stringify(result, undefined, 2)}\n`);
  process.exitCode = isClean(result) ? 0 : 1;
}

await main();
// Handles of libraries must not keep a finished bench alive; output to a pipe is flushed first.
process.stdout.write('', () => process.exit());
