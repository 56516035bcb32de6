import { setTimeout as delay } from 'node:timers/promises';
import { SEEDED_BUGS, type SeededBug } from './bugs.ts';
import { Driver } from './driver.ts';
import type { ChaosOptions } from './options.ts';
import { ChaosPlant } from './plant.ts';
import { Random } from './random.ts';
import type { Violation } from './records.ts';
import { clear, scanRecords, settle } from './settle.ts';
import { stopOnSignal } from './signals.ts';
import { ChaosWorld } from './world.ts';

/** Longest time for a bug: a round ends as soon as it is caught. */
const CAUGHT_MS = 300_000;
const CHECK_EVERY_MS = 1_000;
/** How long machines come and go before it is asked what remains of that. */
const BUSY_MS = 12_000;
const AT_REST_MS = 20_000;
const HEALED_MS = 180_000;
/** The release of a run that was ended from outside waits until nothing can be in flight: right, and too long here. */
const LIMITED = {
  impossible: 0.4,
  everyMs: 1_300,
  without: ['terminate', 'reset', 'deleteHost', 'copyHost', 'editAddress', 'forceRelease'] as const,
};
/** The round without a bug. */
const CONTROL = 'control';

/** A world of its own for a bug, or for none. Gives whether it went as it should. */
interface Round {
  readonly namespace: string;
  readonly isAlone: boolean;
  run(world: ChaosWorld, random: Random): Promise<boolean>;
}

/**
 * Switches each seeded bug on, several at once, each in a world of its own without other faults; beside them a world
 * without any bug, in which nothing may be found. 0: each was caught, and nothing was found without one.
 */
export async function catchBugs(options: ChaosOptions): Promise<number> {
  const random = new Random(options.seeds[0] ?? 1);
  const { hosts, keep, worlds } = options;
  const rounds: Round[] = [
    { namespace: CONTROL, isAlone: false, run: isClean },
    ...SEEDED_BUGS.map((bug) => ({
      namespace: bug.name,
      isAlone: bug.isAlone === true,
      run: (world: ChaosWorld, own: Random) => isCaught(bug, world, own),
    })),
  ];
  let missed = 0;
  const playAll = async (waiting: Round[], atOnce: number): Promise<void> => {
    const servers = hosts * waiting.length;
    const plant = await ChaosPlant.start({ servers, keep, random, namespace: undefined, isTemporalProxied: true });
    const forgetSignals = stopOnSignal(plant);
    const play = async ({ namespace, run }: Round): Promise<void> => {
      const world = await ChaosWorld.startIn(plant, namespace, hosts);
      try {
        if (!(await run(world, random.fork()))) missed += 1;
      } finally {
        await world.stop();
      }
    };
    try {
      await Promise.all(
        Array.from({ length: atOnce }, async () => {
          for (let next = waiting.shift(); next !== undefined; next = waiting.shift()) await play(next);
        }),
      );
    } finally {
      forgetSignals();
      await plant.stop();
    }
  };
  await playAll(
    rounds.filter(({ isAlone }) => !isAlone),
    worlds,
  );
  // In a plant of its own: what earlier worlds have left behind keeps the processes busy.
  for (const alone of rounds.filter(({ isAlone }) => isAlone)) await playAll([alone], 1);
  say(`${rounds.length - missed} of ${rounds.length} rounds as they should be`);
  return missed === 0 ? 0 : 1;
}

/** What is said of a bug names it: its rule, in the words for that. */
function isOf(bug: SeededBug, { rule, what }: Violation): boolean {
  return rule === bug.rule && bug.says.test(what);
}

/** The same without any bug: what the checker finds then is its own mistake. */
async function isClean(world: ChaosWorld, random: Random): Promise<boolean> {
  const driver = new Driver(world, random.fork(), { prefix: CONTROL, ...LIMITED });
  driver.start();
  await delay(2 * BUSY_MS);
  await driver.stop();
  const found = await settle(world, random.fork(), HEALED_MS);
  found.push(...world.checker.violations(world.kubernetes.horizon), ...(await scanRecords(world)));
  found.push(...(await clear(world, HEALED_MS)));
  for (const { rule, what } of found) say(`UNFOUNDED, without a bug: rule ${rule}: ${what}`);
  if (found.length === 0) say('nothing found without a bug');
  return found.length === 0;
}

async function isCaught(bug: SeededBug, world: ChaosWorld, random: Random): Promise<boolean> {
  const began = Date.now();
  const end = await bug.begin(world);
  const found: Violation[] = [];
  try {
    await look(bug, world, random, found);
  } finally {
    await end();
  }
  const caught = found.find((violation) => isOf(bug, violation));
  const others = [...new Set(found.map(({ rule, what }) => `rule ${rule}: ${what}`))].join('; ');
  const seconds = Math.round((Date.now() - began) / 1000);
  say(
    `${caught ? 'caught' : 'MISSED'} ${bug.name} (${bug.about}; ${seconds} s): ` +
      (caught ? `rule ${caught.rule}: ${caught.what}` : others),
  );
  return caught !== undefined;
}

/** Has machines come and go until the bug is among what is found. */
async function look(bug: SeededBug, world: ChaosWorld, random: Random, found: Violation[]): Promise<void> {
  const until = Date.now() + CAUGHT_MS;
  const isInRecords = bug.rule === 8 || bug.isInHistories === true;
  const isDone = () => Date.now() > until || found.some((violation) => isOf(bug, violation));
  for (let round = 1; !isDone(); round += 1) {
    const driver = new Driver(world, random.fork(), { prefix: `m-${round}`, ...LIMITED });
    driver.start();
    try {
      if (bug.rule === 'end' || isInRecords) await delay(BUSY_MS);
      else
        while (!isDone()) {
          await delay(CHECK_EVERY_MS);
          found.push(...world.checker.violations(world.kubernetes.horizon));
        }
    } finally {
      await driver.stop();
    }
    // On a slow machine, or with a fleet that is busy, a round can pass in which nothing came so far that the bug could
    // act on it, or all of that was deleted: then another one.
    if (isInRecords) found.push(...(await scanRecords(world)));
    else if (bug.rule === 'end') found.push(...(await settle(world, random.fork(), AT_REST_MS)));
  }
}

function say(text: string): void {
  process.stdout.write(`${text}\n`);
}
