import { expect, test } from '@jest/globals';
import { ACCOUNTS, accountOf, testControlPlane } from '../../support/controlPlane.ts';
import { USED_END_TO_END, Uses } from '../../support/privileges.ts';

/** The account of the webhook is used by test/integration/conversion.test.ts, which looks at it itself. */
const USED = ACCOUNTS.filter((account) => account !== accountOf('webhook'));

test.each(USED)('in all tests of this run, nothing was refused to the shipped account %s', (account) => {
  const uses = Uses.read(testControlPlane().auditLog, account);
  // Alone, there is nothing to look at: run it with the others (npm run test:e2e).
  expect(uses.count).toBeGreaterThan(10);
  expect([...new Set(uses.refused)]).toEqual([]);
});

test('what only these tests use was used', () => {
  const { used } = Uses.read(testControlPlane().auditLog);
  expect(USED_END_TO_END.filter((privilege) => !used.has(privilege))).toEqual([]);
});
