import { Command, CommanderError, InvalidArgumentError, Option } from 'commander';

/** What is measured, checked. */
export interface BenchOptions {
  readonly machines: number;
  /** Durations as the simulator takes them: a number with ms, s or m. */
  readonly latency: string;
  readonly bootTime: string;
  readonly powerDelay: string;
  readonly profile: string;
  readonly json: string | undefined;
  readonly repeat: number;
  /** How many of the BMCs hang once their hosts are enrolled; each run is then compared with one without them. */
  readonly hanging: number;
  /** Objects created or deleted at once. */
  readonly concurrency: number;
  /** Bound of one run, the start of the control plane included. */
  readonly timeoutMs: number;
  /** More flags for Beskar7, split at spaces. */
  readonly beskar7Flags: readonly string[];
  /** Flags for the Node that runs Beskar7, split at spaces. */
  readonly nodeFlags: readonly string[];
  /** Folder for a V8 CPU profile of Beskar7. */
  readonly cpuProfile: string | undefined;
  /** Folder in which logs are kept; without it they stay in the temporary folder when something was wrong. */
  readonly keepLogs: string | undefined;
}

/** A wrong flag: one line for the user, exit code 2. */
export class UsageError extends Error {}

/** `--help` was asked for and has been printed. */
export class HelpPrinted extends Error {}

function command(): Command {
  return new Command('bench')
    .description(
      'Measures Beskar7 on this machine with its own embedded control plane and a simulated fleet: N hosts enrolled, N machines provisioned and released.',
    )
    .addOption(option('--machines <number>', 'hosts and machines').default(100).argParser(count))
    .addOption(option('--latency <duration>', 'what each answer of a BMC takes').default('20ms').argParser(duration))
    .addOption(option('--boot-time <duration>', 'from power-on to the boot script').default('1s').argParser(duration))
    .addOption(option('--power-delay <duration>', 'how long a power change takes').default('200ms').argParser(duration))
    .addOption(option('--profile <name>', "the simulator's BMC profile").default('generic'))
    .addOption(option('--json <file>', 'write the result to this file'))
    .addOption(option('--repeat <number>', 'runs; the result is the one of median rate').default(1).argParser(count))
    .addOption(
      option('--hanging <number>', 'so many BMCs hang once enrolled; compares with a run without them')
        .default(0)
        .argParser(count),
    )
    .addOption(option('--concurrency <number>', 'objects created or deleted at once').default(16).argParser(count))
    .addOption(
      option('--timeout <duration>', 'bound of one run')
        .default(900_000, '15m')
        .argParser((text) => toMs(text)),
    )
    .addOption(option('--beskar7-flags <text>', 'more flags for Beskar7').default([], '').argParser(words))
    .addOption(option('--node-flags <text>', 'flags for the Node that runs Beskar7').default([], '').argParser(words))
    .addOption(option('--cpu-profile <folder>', 'write a CPU profile of Beskar7 there'))
    .addOption(option('--keep-logs <folder>', 'keep the logs of Beskar7, the simulator and the audit log there'))
    .allowExcessArguments(false)
    .configureOutput({ writeErr: () => undefined })
    .exitOverride();
}

/** Reads the flags. Throws UsageError with one line, or HelpPrinted. */
export function parseOptions(args: readonly string[]): BenchOptions {
  const program = command();
  try {
    program.parse([...args], { from: 'user' });
  } catch (error) {
    if (!(error instanceof CommanderError)) throw error;
    if (error.exitCode === 0) throw new HelpPrinted();
    throw new UsageError(`bench: ${error.message.replace(/^error: /, '')} (see --help)`);
  }
  const { timeout, ...rest } = program.opts<Omit<BenchOptions, 'timeoutMs'> & { timeout: number }>();
  if (rest.hanging >= rest.machines) {
    throw new UsageError(`bench: --hanging ${rest.hanging} leaves none of ${rest.machines} machines (see --help)`);
  }
  return { ...rest, timeoutMs: timeout, json: rest.json, cpuProfile: rest.cpuProfile, keepLogs: rest.keepLogs };
}

/** A flag. */
export function option(flags: string, description: string): Option {
  return new Option(flags, description);
}

/** Parses a whole number from 1 to 10000. */
export function count(text: string): number {
  const value = Number(text);
  if (!Number.isInteger(value) || value < 1 || value > 10_000) {
    throw new InvalidArgumentError('give a whole number from 1 to 10000.');
  }
  return value;
}

/** A number of requests. Throws InvalidArgumentError. */
export function many(text: string): number {
  const value = Number(text);
  if (!Number.isInteger(value) || value < 1 || value > 10_000_000)
    throw new InvalidArgumentError('give a whole number from 1 to 10000000.');
  return value;
}

const UNITS_MS: Readonly<Record<string, number>> = { ms: 1, s: 1_000, m: 60_000 };

/** Parses a duration such as `30s` into milliseconds. */
export function toMs(text: string): number {
  const [, number, unit] = /^(\d+(?:\.\d+)?)(ms|s|m)$/.exec(text.trim()) ?? [];
  const factor = UNITS_MS[unit ?? ''];
  if (factor === undefined) throw new InvalidArgumentError('give a number with a unit: ms, s or m, for example 30s.');
  return Number(number) * factor;
}

function duration(text: string): string {
  toMs(text);
  return text.trim();
}

function words(text: string): string[] {
  return text.split(/\s+/).filter((word) => word !== '');
}
