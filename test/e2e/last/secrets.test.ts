import { expect, jest, test } from '@jest/globals';
import { leaksOfTheRun } from '../../support/wholeRun.ts';

jest.setTimeout(300_000);

test('after all tests of this run: no secret of any stands in a log, status, event, error body, metric or history', async () => {
  // Alone, there is nothing to look at: run it with the others (npm run test:e2e).
  const { secrets, worlds, places, leaks } = await leaksOfTheRun();
  expect(leaks).toEqual([]);
  expect(secrets).toBeGreaterThanOrEqual(3);
  expect(places).toBeGreaterThan(worlds + 3);
});
