import { readFileSync } from 'node:fs';
import path from 'node:path';
import { describe, expect, test } from '@jest/globals';
import { problem, problemIn, tableRows } from './namedTests.ts';

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

  const before = "test('another', () => {});\n";
  test.each<[string, RegExp]>([
    ["test.skip('title', () => {});", /leaves "title" out: test\.skip/],
    ["test.todo('title', 1);", /leaves "title" out/],
    ["xtest('title', () => {});", /leaves "title" out/],
    ["it.skip('title', () => {});", /leaves "title" out/],
    ["test.skip.each([\n  ['a'],\n])('title', () => {});", /leaves "title" out/],
    ["test.failing('title', () => {});", /leaves "title" out/],
    ["describe.skip('group', () => {\n  test('title', () => {});\n});", /leaves out tests: describe\.skip/],
    ["describe.each([1])('group', () => {\n  test.skip('title', () => {});\n});", /leaves "title" out/],
    ["test('other title', () => {});", /has no test/],
  ])('a test that is left out is none: %j', (text, why) => expect(problemIn(before + text, 'title')).toMatch(why));

  test.each([
    "test('title', () => {});",
    "describe('title', () => {\n  test('one', () => {});\n});",
    'test.each([1])("title", () => {});',
    "  test.each<[string]>([\n    ['a'],\n  ])('title', () => {});",
    "test.skip('one that is left out', () => {});\ntest('title', () => {});",
    "test.skip('one that is left out', () => {});\ntestWithShell('title', () => {});",
    "  (has('zsh') ? test : test.skip)('title', () => {});",
  ])('one that runs, or runs where it can, is one: %j', (text) => {
    expect(problemIn(before + text, 'title')).toBeUndefined();
  });
});
