import { mkdtemp, readFile, rm } from 'node:fs/promises';
import os from 'node:os';
import path from 'node:path';
import { describe, expect, jest, test } from '@jest/globals';
import { chaos } from '../support/chaos.ts';

jest.setTimeout(25 * 60_000);

/** Of a seed, as `--json` writes it. */
interface Outcome {
  readonly provisioned: number;
  readonly faults: Record<string, number>;
  readonly checks: Record<string, number>;
  readonly violations: readonly unknown[];
}

/** Checks that a minute always has something for. */
const ALWAYS = [
  'rule 1: claim for a machine',
  'rule 2: power-on',
  'rule 5: inspection answered 202',
  'rule 7: end of a token',
  'rules 1 and 3: change of a host',
  'rules 2 and 4: request to a BMC',
];
const FEWEST_FAULTS = 10;

describe('chaos', () => {
  test.each([1, 2])('seed %i: no rule is broken, and everything comes to rest', async (seed) => {
    const folder = await mkdtemp(path.join(os.tmpdir(), 'beskar7-chaos-test-'));
    try {
      const json = path.join(folder, 'result.json');
      const { code, output } = await chaos(`--seed=${seed}`, '--minutes=1', '--hosts=12', `--json=${json}`);
      expect({ code, output: code === 0 ? '' : output }).toEqual({ code: 0, output: '' });
      const [outcome] = JSON.parse(await readFile(json, 'utf8')) as [Outcome];
      expect(outcome.violations).toEqual([]);
      // Nothing is shown by a run in which nothing happened.
      expect(outcome.provisioned).toBeGreaterThan(0);
      expect(ALWAYS.filter((check) => !outcome.checks[check])).toEqual([]);
      expect(Object.keys(outcome.faults).length).toBeGreaterThanOrEqual(FEWEST_FAULTS);
    } finally {
      await rm(folder, { recursive: true, force: true });
    }
  });
});
