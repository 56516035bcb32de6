import { readFileSync } from 'node:fs';
import path from 'node:path';
import { describe, expect, test } from '@jest/globals';
import { problem, tableRows } from './namedTests.ts';

const page = readFileSync(path.join(__dirname, '..', '..', '..', 'docs', 'contract.md'), 'utf8');

describe('each point of the contract in docs/contract.md has a test', () => {
  test('the tables have rows', () => expect(tableRows(page).length).toBeGreaterThanOrEqual(20));

  test.each(tableRows(page))('$row', ({ cell }) => expect(problem(cell)).toBeUndefined());
});
