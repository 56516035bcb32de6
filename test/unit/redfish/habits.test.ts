import { beforeAll, describe, expect, test } from '@jest/globals';
import { drive, type Outcome } from './habits/drive.ts';
import { HABITS } from './habits/habits.ts';
import { RawBmc, STEPS } from './habits/rawBmc.ts';

/**
 * A server is read, set to boot from the network, switched on and off, through a BMC that has one habit. The same
 * habits are played to sushy and gofish by test/peers/compare.ts; docs/bmc-habits.md has the table.
 */

/** Most requests of all four steps, a log-in and a log-out included; by the book they are 11. */
const MOST_REQUESTS = 20;
/** So many are played at a time. */
const AT_ONCE = 24;

const played = new Map<string, { readonly outcome: Outcome; readonly bmc: RawBmc }>();

beforeAll(async () => {
  const left = [...HABITS];
  const play = async (): Promise<void> => {
    for (let habit = left.shift(); habit !== undefined; habit = left.shift()) {
      const bmc = await new RawBmc(habit).start();
      played.set(habit.name, { outcome: await drive(bmc, habit), bmc });
      await bmc.stop();
    }
  };
  await Promise.all(Array.from({ length: AT_ONCE }, play));
}, 120_000);

test('each habit has a name of its own', () => {
  expect(new Set(HABITS.map(({ name }) => name)).size).toBe(HABITS.length);
});

describe('all four steps, or a refusal that says what to do', () => {
  test.each(HABITS.map(({ name, of, refuses = {} }) => [name, of, refuses] as const))(
    '%s (%s)',
    (name, _of, refuses) => {
      const { outcome, bmc } = played.get(name) ?? {};
      const wanted = STEPS.map((step): unknown => [step, refuses[step] ? expect.stringMatching(refuses[step]) : 'ok']);
      expect(Object.entries(outcome ?? {})).toEqual(wanted);
      expect([...(bmc?.sessions ?? [])]).toEqual([]);
      expect(bmc?.seen.length).toBeLessThanOrEqual(MOST_REQUESTS);
    },
  );
});

test('a password that is good is sent no other way than that needs: at most one log-in is refused', () => {
  const REPEATED = new Set(['one-nic-is-401', 'three-401-then-good', 'password-change-required']);
  const refused = [...played].filter(([name, { bmc }]) => bmc.refusedLogins > (REPEATED.has(name) ? 4 : 1));
  expect(refused.map(([name, { bmc }]) => `${name}: ${bmc.refusedLogins}`)).toEqual([]);
});
