import { readFileSync } from 'node:fs';
import path from 'node:path';
import { describe, expect, test } from '@jest/globals';
import { problem, tableRows } from './namedTests.ts';

const ROOT = path.join(__dirname, '..', '..', '..');
const page = readFileSync(path.join(ROOT, 'docs', 'reliability.md'), 'utf8');

/** The rows of the table of what went wrong elsewhere. */
const rows = tableRows(page.split('## What went wrong elsewhere')[1]?.split('\n## ')[0] ?? '');

describe('each failure of others that docs/reliability.md tells has a test of ours', () => {
  test('the table has rows', () => expect(rows.length).toBeGreaterThanOrEqual(24));

  test.each(rows)('$row', ({ cell }) => expect(problem(cell)).toBeUndefined());

  test.each([
    ['', /not of the form/],
    ['the test suite', /not of the form/],
    ['`test/e2e/nowhere.test.ts` › a test', /does not exist/],
    ['`test/e2e/latency.test.ts` › a test that nobody wrote', /has no test/],
  ])('the check can fail: %j', (cell, why) => expect(problem(cell)).toMatch(why));
});
