import { execFile } from 'node:child_process';
import path from 'node:path';
import { describe, expect, jest, test } from '@jest/globals';
import { SEEDED_BUGS } from '../chaos/bugs.ts';

jest.setTimeout(15 * 60_000);

/** A chaos run in a process and with a control plane of its own. */
function chaos(...args: string[]): Promise<{ code: number; output: string }> {
  return new Promise((resolve) => {
    execFile(
      process.execPath,
      [path.join('test', 'chaos', 'main.ts'), ...args],
      { timeout: 14 * 60_000, maxBuffer: 50_000_000 },
      (error, stdout, stderr) =>
        resolve({ code: error ? (typeof error.code === 'number' ? error.code : -1) : 0, output: stdout + stderr }),
    );
  });
}

describe('chaos', () => {
  test.each([1, 2])('seed %i: no rule is broken, and everything comes to rest', async (seed) => {
    const { code, output } = await chaos(`--seed=${seed}`, '--minutes=1', '--hosts=12');
    expect({ code, output: code === 0 ? '' : output }).toEqual({ code: 0, output: '' });
    expect(output).toContain(`seed ${seed}: 0 violations`);
  });

  test('the suite can fail: each seeded bug is caught', async () => {
    const { code, output } = await chaos('--bugs', '--hosts=6');
    const caught = [...output.matchAll(/^caught (\S+)/gm)].map(([, name]) => name);
    expect({ caught, output: code === 0 ? '' : output }).toEqual({
      caught: SEEDED_BUGS.map(({ name }) => name),
      output: '',
    });
  });
});
