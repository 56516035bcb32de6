import { execFileSync } from 'node:child_process';
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { setTimeout as delay } from 'node:timers/promises';
import { catchBugs } from './catchBugs.ts';
import { Driver } from './driver.ts';
import { FaultDriver } from './faults.ts';
import { parseOptions, UsageError, type ChaosOptions } from './options.ts';
import { Random } from './random.ts';
import type { Violation } from './records.ts';
import { restlessNow, scanRecords, settle } from './settle.ts';
import { stopOnSignal } from './signals.ts';
import { ChaosWorld } from './world.ts';

const CHECK_EVERY_MS = 5_000;
/** The latest check comes so long after what it is about. */
const LATEST_CHECK_MS = 40_000;
const LAST_CHECKS_MS = 120_000;
/** Longer than it takes until a Temporal that does not answer is started once more. */
const WHOLE_MS = 300_000;

/** What one seed came to. */
interface Outcome {
  readonly seed: number;
  readonly date: string;
  readonly commit: string;
  readonly minutes: number;
  readonly hosts: number;
  readonly settleSeconds: number;
  readonly operations: Record<string, number>;
  readonly faults: Record<string, number>;
  /** How many machines were seen in each phase at some time, and how many were gone before the end. */
  readonly machines: Record<string, number>;
  /** How often a server began to boot its operating system. */
  readonly provisioned: number;
  /** How often each check was made: one that never was shows nothing. */
  readonly checks: Record<string, number>;
  readonly violations: readonly Violation[];
}

process.exitCode = await main(process.argv.slice(2));

async function main(args: readonly string[]): Promise<number> {
  let options: ChaosOptions | undefined;
  try {
    options = parseOptions(args);
  } catch (error) {
    if (!(error instanceof UsageError)) throw error;
    process.stderr.write(`${error.message}\n`);
    return 2;
  }
  if (!options) return 0;
  if (options.bugs) return catchBugs(options);
  const done =
    options.resume !== undefined && existsSync(options.resume)
      ? // One that broke a rule is run again.
        (JSON.parse(readFileSync(options.resume, 'utf8')) as Outcome[]).filter(
          ({ violations }) => violations.length === 0,
        )
      : [];
  for (const seed of options.seeds) {
    if (
      done.some(
        (outcome) => outcome.seed === seed && outcome.hosts === options.hosts && outcome.minutes === options.minutes,
      )
    )
      continue;
    const outcome = await runSeed(seed, options);
    done.push(outcome);
    for (const file of [options.resume, options.json])
      if (file !== undefined) writeFileSync(file, `${JSON.stringify(done, null, 2)}\n`);
    tell(outcome);
    if (outcome.violations.length > 0) return 1;
  }
  if (done.length > 1) printSum(done);
  return done.some(({ violations }) => violations.length > 0) ? 1 : 0;
}

async function runSeed(seed: number, options: ChaosOptions): Promise<Outcome> {
  const random = new Random(seed);
  const date = new Date().toISOString();
  say(`seed ${seed}: ${options.hosts} hosts, ${options.minutes} minutes`);
  const world = await ChaosWorld.start({ hosts: options.hosts, keep: options.keep, random });
  const forgetSignals = stopOnSignal(world);
  let unkeep: (() => void) | undefined;
  try {
    const driver = new Driver(world, random.fork());
    const faults = new FaultDriver(world, random.fork());
    unkeep = faults.keepTemporal();
    driver.start();
    faults.start();
    const violations = await watchRules(world, options.minutes * 60_000);
    // At once: what is still to come may fail.
    for (const violation of violations) printViolation(seed, violation, world);
    await Promise.all([driver.stop(), faults.stop()]);
    const told = violations.length;
    const calm = Date.now();
    if (violations.length === 0) {
      violations.push(...(await settle(world, random.fork(), options.settleMinutes * 60_000)));
      violations.push(...(await lastChecks(world)), ...deaths(world));
      violations.push(...(await whole(() => scanRecords(world))));
      // What was at rest stays so.
      violations.push(...(await restlessNow(world)));
    }
    if (world.fleet.summary().kexecs === 0)
      violations.push({ rule: 'end', at: Date.now(), what: 'not one server was provisioned: nothing was tested' });
    for (const violation of violations.slice(told)) printViolation(seed, violation, world);
    const counted = new Map([
      ...faults.counts,
      ...prefixed('met: ', faults.met()),
      ...prefixed('API server ', world.proxy.counts),
      ...prefixed('callback ', world.callbacks.counts),
    ]);
    return {
      seed,
      date,
      commit: commit(),
      minutes: options.minutes,
      hosts: options.hosts,
      settleSeconds: Math.round((Date.now() - calm) / 1000),
      operations: Object.fromEntries([...driver.counts].sort()),
      faults: Object.fromEntries([...counted].sort()),
      machines: world.kubernetes.seen(),
      provisioned: world.fleet.summary().kexecs,
      checks: Object.fromEntries([...world.checker.evaluated].sort()),
      violations,
    };
  } finally {
    unkeep?.();
    forgetSignals();
    await world.stop();
  }
}

/** A look through all histories, which Temporal may be too busy for at first, or away. */
async function whole<T>(look: () => Promise<T>): Promise<T> {
  const until = Date.now() + WHOLE_MS;
  for (;;) {
    try {
      return await look();
    } catch (error) {
      if (Date.now() > until) throw error;
      await delay(CHECK_EVERY_MS);
    }
  }
}

/** A process that ends by itself while it runs is broken, also where the other one of its role hides that. */
function deaths({ processes }: ChaosWorld): Violation[] {
  return processes.flatMap(({ name, unaskedDeaths }) =>
    unaskedDeaths
      .filter(({ during }) => during === 'run')
      .map(({ at, exitCode, signal, lastLine }): Violation => {
        const how = signal ?? `exit code ${exitCode ?? 'unknown'}`;
        return { rule: 'end', at, what: `${name} has ended by itself (${how}): ${lastLine}` };
      }),
  );
}

/**
 * What the checker still has to find of what happened until now. A check that could not be made is told as a violation:
 * it shows nothing.
 */
async function lastChecks(world: ChaosWorld): Promise<Violation[]> {
  const calm = Date.now();
  const found: Violation[] = [];
  const left = () => world.checker.pending(calm + LATEST_CHECK_MS);
  while (Date.now() < calm + LAST_CHECKS_MS && (left() > 0 || world.kubernetes.horizon < calm)) {
    await delay(1_000);
    found.push(...world.checker.violations(world.kubernetes.horizon));
  }
  if (left() > 0)
    found.push({
      rule: 'end',
      at: Date.now(),
      what: `${left()} checks could not be made: the harness does not know what happened`,
    });
  return found;
}

/** Until the time is over, or a rule is broken. */
async function watchRules(world: ChaosWorld, forMs: number): Promise<Violation[]> {
  const end = Date.now() + forMs;
  while (Date.now() < end) {
    await delay(Math.min(CHECK_EVERY_MS, Math.max(1, end - Date.now())));
    const found = [...world.checker.violations(world.kubernetes.horizon), ...deaths(world)];
    if (found.length > 0) return found;
  }
  return [];
}

function printViolation(seed: number, { rule, host, machine, at, what }: Violation, world: ChaosWorld): void {
  say(`VIOLATION of rule ${rule}, seed ${seed}, ${new Date(at).toISOString()}: ${host ?? machine ?? ''}: ${what}`);
  if (host !== undefined || machine !== undefined)
    say(
      world.checker.timeline({
        ...(host === undefined ? {} : { host }),
        ...(machine === undefined ? {} : { machine }),
      }),
    );
}

function tell({ seed, operations, faults, machines, provisioned, checks, violations, settleSeconds }: Outcome): void {
  const list = (counts: Record<string, number>) =>
    Object.entries(counts)
      .map(([name, count]) => `${name} ${count}`)
      .join(', ');
  say(
    `seed ${seed}: ${violations.length} violations; ${provisioned} servers provisioned; at rest after ${settleSeconds} s`,
  );
  say(`  machines: ${list(machines)}`);
  say(`  operations: ${list(operations)}`);
  say(`  faults: ${list(faults)}`);
  say(`  checks: ${list(checks)}`);
}

function printSum(outcomes: readonly Outcome[]): void {
  const sum = (pick: (outcome: Outcome) => Record<string, number>) => {
    const total: Record<string, number> = {};
    for (const outcome of outcomes)
      for (const [name, count] of Object.entries(pick(outcome))) total[name] = (total[name] ?? 0) + count;
    return Object.entries(total)
      .sort()
      .map(([name, count]) => `${name} ${count}`)
      .join(', ');
  };
  say(
    `${outcomes.length} seeds, ${outcomes.reduce((total, { minutes }) => total + minutes, 0)} minutes, ` +
      `${outcomes.reduce((total, { violations }) => total + violations.length, 0)} violations, ` +
      `${outcomes.reduce((total, { provisioned }) => total + provisioned, 0)} servers provisioned`,
  );
  say(`  machines: ${sum(({ machines }) => machines)}`);
  say(`  operations: ${sum(({ operations }) => operations)}`);
  say(`  faults: ${sum(({ faults }) => faults)}`);
  say(`  commits: ${[...new Set(outcomes.map(({ commit }) => commit))].join(', ')}`);
}

function prefixed(prefix: string, counts: ReadonlyMap<string, number>): [string, number][] {
  return [...counts].map(([name, count]) => [prefix + name, count]);
}

/** With `-dirty` where the files are not those of the commit. */
function commit(): string {
  const words = ['--no-optional-locks', 'describe', '--always', '--dirty', '--exclude=*'];
  try {
    return execFileSync('git', words, { encoding: 'utf8' }).trim();
  } catch {
    return 'unknown';
  }
}

function say(text: string): void {
  process.stdout.write(`${text}\n`);
}
