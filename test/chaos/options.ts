import { Command, CommanderError, InvalidArgumentError, Option } from 'commander';

/** What a chaos run does. */
export interface ChaosOptions {
  readonly seeds: readonly number[];
  readonly minutes: number;
  readonly hosts: number;
  /** How long everything may take to come to rest at the end. */
  readonly settleMinutes: number;
  /** The sum of all seeds is kept there; seeds that it has are not run again. */
  readonly resume: string | undefined;
  /** The result of every seed is written there, as in `resume`. */
  readonly json: string | undefined;
  /** In place of the seeds: whether each seeded bug is caught. */
  readonly bugs: boolean;
  /** How many seeded bugs are looked for at once, each in a world of its own. */
  readonly worlds: number;
  /** Logs and data are kept there. */
  readonly keep: string | undefined;
}

/** A wrong flag: one line, exit code 2. */
export class UsageError extends Error {}

/** Reads the flags. Throws UsageError with one line; `--help` prints and gives undefined. */
export function parseOptions(args: readonly string[]): ChaosOptions | undefined {
  const program = new Command('chaos')
    .description('Breaks everything around Beskar7, at random by seed, and checks from outside that its rules hold.')
    .addOption(
      new Option('--seed, --seeds <numbers>', 'one seed, or several: 1,2,3').default([1], '1').argParser(numbers),
    )
    .addOption(new Option('--minutes <number>', 'how long each seed lasts').default(2).argParser(positive))
    .addOption(new Option('--hosts <number>', 'simulated servers').default(12).argParser(positive))
    .addOption(new Option('--settle-minutes <number>', 'bound of the end').default(5).argParser(positive))
    .addOption(new Option('--resume <file>', 'sums up there; seeds that it has are left out'))
    .addOption(new Option('--json <file>', 'the results, for programs'))
    .addOption(
      new Option('--bugs', 'instead: whether the checker catches each bug that the harness can make (bugs.ts)').default(
        false,
      ),
    )
    .addOption(
      new Option('--worlds <number>', 'with --bugs: how many at once, each in a namespace with --hosts servers')
        .default(4)
        .argParser(positive),
    )
    .addOption(new Option('--keep <folder>', 'keeps logs and data there'))
    .allowExcessArguments(false)
    .configureOutput({ writeErr: () => undefined })
    .exitOverride();
  try {
    program.parse([...args], { from: 'user' });
  } catch (error) {
    if (!(error instanceof CommanderError)) throw error;
    if (error.exitCode === 0) return undefined;
    throw new UsageError(`chaos: ${error.message.replace(/^error: /, '')} (see --help)`);
  }
  const options = program.opts<ChaosOptions>();
  return { ...options, resume: options.resume, json: options.json, keep: options.keep };
}

function numbers(text: string): number[] {
  return text.split(',').map((word) => {
    const value = Number(word.trim());
    if (!Number.isSafeInteger(value) || value < 0) throw new InvalidArgumentError('give whole numbers, such as 1,2,3.');
    return value;
  });
}

function positive(text: string): number {
  const value = Number(text);
  if (!Number.isFinite(value) || value <= 0) throw new InvalidArgumentError('give a number above 0.');
  return value;
}
