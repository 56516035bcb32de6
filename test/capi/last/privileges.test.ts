import { readFileSync } from 'node:fs';
import path from 'node:path';
import { describe, expect, test } from '@jest/globals';
import { ROLES } from '../../../workers/config.ts';
import { testControlPlane } from '../../support/controlPlane.ts';
import { grantsOf, USED_END_TO_END, Uses } from '../../support/privileges.ts';

const MANIFEST = path.join(__dirname, '..', '..', '..', 'deploy', 'manifests', 'rbac.yaml');

describe('in all tests of this run', () => {
  test('nothing was refused to the shipped account', () => {
    const uses = Uses.read(testControlPlane().auditLog);
    // Alone, there is nothing to look at: run it with the others (npm run test:capi).
    expect(uses.count).toBeGreaterThan(100);
    expect([...new Set(uses.refused)]).toEqual([]);
  });

  test('each verb that the shipped roles grant was used, here or in the end-to-end tests', () => {
    const roles = ROLES.map((role) => `beskar7-${role}`);
    const grants = grantsOf(readFileSync(MANIFEST, 'utf8'), ...roles);
    expect(grants.size).toBeGreaterThan(20);
    const unused = Uses.read(testControlPlane().auditLog).unused(grants);
    // test/e2e/last/privileges.test.ts sees to these.
    expect(unused.filter((grant) => !USED_END_TO_END.includes(grant))).toEqual([]);
  });
});
