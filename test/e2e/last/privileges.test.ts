import { expect, test } from '@jest/globals';
import { ACCOUNTS, testControlPlane } from '../../support/controlPlane.ts';
import { USED_END_TO_END, Uses } from '../../support/privileges.ts';

test.each(ACCOUNTS)('in all tests of this run, nothing was refused to the shipped account %s', (account) => {
  const uses = Uses.read(testControlPlane().auditLog, account);
  // Alone, there is nothing to look at: run it with the others (npm run test:e2e). The webhook asks for little.
  expect(uses.count).toBeGreaterThan(account.endsWith('-webhook') ? 1 : 10);
  expect([...new Set(uses.refused)]).toEqual([]);
});

test('what only these tests use was used', () => {
  const { used } = Uses.read(testControlPlane().auditLog);
  expect(USED_END_TO_END.filter((privilege) => !used.has(privilege))).toEqual([]);
});
