import { setTimeout as delay } from 'node:timers/promises';
import { SEEDED_BUGS, type SeededBug } from './bugs.ts';
import { Driver } from './driver.ts';
import type { ChaosOptions } from './options.ts';
import { Random } from './random.ts';
import type { Violation } from './records.ts';
import { clear, scanRecords, settle } from './settle.ts';
import { stopOnSignal } from './signals.ts';
import { ChaosWorld } from './world.ts';

const CAUGHT_MS = 90_000;
const CHECK_EVERY_MS = 1_000;
/** How long machines come and go before it is asked what remains of that. */
const BUSY_MS = 12_000;
const AT_REST_MS = 20_000;
const HEALED_MS = 90_000;
/** The release of a run that was ended from outside waits 107 s for what may be under way: right, and too long here. */
const LIMITED = { impossible: 0.4, without: ['terminate', 'reset', 'deleteHost', 'copyHost', 'forceRelease'] as const };

/** Switches each seeded bug on, one after the other, in a world without other faults. 0: each was caught, and gone afterwards. */
export async function catchBugs(options: ChaosOptions): Promise<number> {
  const random = new Random(options.seeds[0] ?? 1);
  const { hosts, keep } = options;
  const world = await ChaosWorld.start({ hosts, keep, random, isTemporalProxied: true });
  const forgetSignals = stopOnSignal(world);
  let missed = 0;
  try {
    const unfounded = await controlRound(world, random);
    if (unfounded.length > 0) {
      for (const { rule, what } of unfounded) say(`UNFOUNDED, without a bug: rule ${rule}: ${what}`);
      return 1;
    }
    say('nothing found without a bug');
    for (const bug of SEEDED_BUGS) {
      const found = await catchBug(world, bug, random);
      const caught = found.find((violation) => isOf(bug, violation));
      if (!caught) missed += 1;
      const others = [...new Set(found.map(({ rule, what }) => `rule ${rule}: ${what}`))].join('; ');
      say(
        `${caught ? 'caught' : 'MISSED'} ${bug.name} (${bug.about}): ${caught ? `rule ${caught.rule}: ${caught.what}` : others}`,
      );
    }
  } finally {
    forgetSignals();
    await world.stop();
  }
  say(`${SEEDED_BUGS.length - missed} of ${SEEDED_BUGS.length} seeded bugs caught`);
  return missed === 0 ? 0 : 1;
}

/** What is said of a bug names it: its rule, in the words for that. */
function isOf(bug: SeededBug, { rule, what }: Violation): boolean {
  return rule === bug.rule && bug.says.test(what);
}

/** The same without any bug: what the checker finds then is its own mistake. */
async function controlRound(world: ChaosWorld, random: Random): Promise<Violation[]> {
  world.forget();
  const driver = new Driver(world, random.fork(), { prefix: 'control', ...LIMITED });
  driver.start();
  await delay(2 * BUSY_MS);
  await driver.stop();
  const found = await settle(world, random.fork(), HEALED_MS);
  found.push(...world.checker.violations(world.kubernetes.horizon), ...(await scanRecords(world)));
  return [...found, ...(await clear(world, HEALED_MS))];
}

async function catchBug(world: ChaosWorld, bug: SeededBug, random: Random): Promise<Violation[]> {
  world.forget();
  let round = 0;
  const newDriver = (): Driver => {
    round += 1;
    return new Driver(world, random.fork(), { prefix: `${bug.name.slice(0, 20)}-${round}`, ...LIMITED });
  };
  let driver = newDriver();
  const end = await bug.begin(world);
  driver.start();
  const found: Violation[] = [];
  const until = Date.now() + CAUGHT_MS;
  const isInRecords = bug.rule === 8 || bug.isInHistories === true;
  const isCaught = (): boolean => found.some((violation) => isOf(bug, violation));
  try {
    while (Date.now() < until && !isCaught()) {
      if (bug.rule !== 'end' && !isInRecords) {
        await delay(CHECK_EVERY_MS);
        found.push(...world.checker.violations(world.kubernetes.horizon));
        continue;
      }
      await delay(BUSY_MS);
      await driver.stop();
      // On a slow machine, or a fleet that is busy, a round can pass in which nothing came so far that the bug could act on it, or
      // all of that was deleted: then another one.
      found.push(...(isInRecords ? await scanRecords(world) : await settle(world, random.fork(), AT_REST_MS)));
      if (isCaught()) break;
      driver = newDriver();
      driver.start();
    }
  } finally {
    await driver.stop();
    await end();
  }
  // What the bug has left behind goes with every machine, now that it is gone: a server that it switched off would never come to rest.
  const left = await clear(world, HEALED_MS);
  if (left.length > 0) say(`${bug.name} has left behind: ${left.map(({ what }) => what).join('; ')}`);
  return found;
}

function say(text: string): void {
  process.stdout.write(`${text}\n`);
}
