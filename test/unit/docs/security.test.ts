import { readFileSync } from 'node:fs';
import path from 'node:path';
import { describe, expect, test } from '@jest/globals';
import { problem, tableRows } from './namedTests.ts';

const page = readFileSync(path.join(__dirname, '..', '..', '..', 'docs', 'security.md'), 'utf8');
const rows = tableRows(page.split('## Threats')[1]?.split('\n## ')[0] ?? '');

const abilities = tableRows(page.split('## What each can do, and what not')[1]?.split('\n## ')[0] ?? '');

describe('what nobody can do is tried by a test of ours', () => {
  test('the table has rows', () => expect(abilities.length).toBeGreaterThanOrEqual(15));

  test.each(abilities)('$row', ({ cell }) => expect(problem(cell)).toBeUndefined());
});

describe('each threat that docs/security.md tells has a test of ours', () => {
  test('the table has rows', () => expect(rows.length).toBeGreaterThanOrEqual(25));

  test.each(rows)('$row', ({ cell }) => expect(problem(cell)).toBeUndefined());
});
