import { existsSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { describe, expect, test } from '@jest/globals';

const ROOT = path.join(__dirname, '..', '..', '..');
const page = readFileSync(path.join(ROOT, 'docs', 'reliability.md'), 'utf8');

/** The rows of the table of what went wrong elsewhere: their text and the cell that names the test. */
function rows(text: string): { row: string; cell: string }[] {
  const section = text.split('## What went wrong elsewhere')[1]?.split('\n## ')[0] ?? '';
  return section
    .split('\n')
    .filter((line) => line.startsWith('| '))
    .slice(1)
    .map((line) => ({ row: line, cell: line.split('|').at(-2)?.trim() ?? '' }));
}

/** Why a cell names no test that exists; undefined when it does. A test is named by the title that stands in its file. */
function problem(cell: string): string | undefined {
  const [, file = '', title = ''] = /^`(test\/[^`]+\.test\.ts)` › (.+)$/.exec(cell) ?? [];
  if (file === '' || title === '') return `"${cell}" is not of the form: file › test name`;
  if (!existsSync(path.join(ROOT, file))) return `${file} does not exist`;
  const text = readFileSync(path.join(ROOT, file), 'utf8');
  const isThere = ["'", '"', '`'].some((quote) => text.includes(`(${quote}${title}${quote},`));
  return isThere ? undefined : `${file} has no test "${title}"`;
}

describe('each failure of others that docs/reliability.md tells has a test of ours', () => {
  test('the table has rows', () => expect(rows(page).length).toBeGreaterThanOrEqual(24));

  test.each(rows(page))('$row', ({ cell }) => expect(problem(cell)).toBeUndefined());

  test.each([
    ['', /not of the form/],
    ['the test suite', /not of the form/],
    ['`test/e2e/nowhere.test.ts` › a test', /does not exist/],
    ['`test/e2e/latency.test.ts` › a test that nobody wrote', /has no test/],
  ])('the check can fail: %j', (cell, why) => expect(problem(cell)).toMatch(why));
});
