import { beforeAll, describe, expect, jest, test } from '@jest/globals';
import { SEEDED_BUGS } from '../chaos/bugs.ts';
import { chaos } from '../support/chaos.ts';

// Each round ends when its bug is caught: this is for a machine that is slow and busy.
jest.setTimeout(40 * 60_000);

describe('chaos: the suite can fail', () => {
  let run: { code: number; output: string };

  beforeAll(async () => {
    run = await chaos('--bugs', '--hosts=4', '--worlds=4');
  });

  test('nothing is found without a bug, and the run ends as it says', () => {
    expect(run.output).toMatch(/^nothing found without a bug$/m);
    expect(run).toMatchObject({ code: 0 });
  });

  test.each(SEEDED_BUGS.map(({ name, about }) => ({ name, about })))('$name is caught: $about', ({ name }) => {
    const said = run.output.split('\n').filter((line) => line.includes(` ${name} (`));
    expect(said).toEqual([expect.stringMatching(/^caught /)]);
  });
});
