import { expect, jest, test } from '@jest/globals';
import { SEEDED_BUGS } from '../chaos/bugs.ts';
import { chaos } from '../support/chaos.ts';

// Twenty-three rounds of about a minute, while other tests run beside them.
jest.setTimeout(40 * 60_000);

test('chaos: the suite can fail: each seeded bug is caught', async () => {
  const { code, output } = await chaos('--bugs', '--hosts=6');
  const caught = [...output.matchAll(/^caught (\S+)/gm)].map(([, name]) => name);
  expect({ caught, output: code === 0 ? '' : output }).toEqual({
    caught: SEEDED_BUGS.map(({ name }) => name),
    output: '',
  });
});
