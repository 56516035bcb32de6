import { existsSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { describe, expect, test } from '@jest/globals';
import { problem } from './namedTests.ts';

const ROOT = path.join(__dirname, '..', '..', '..');
const page = readFileSync(path.join(ROOT, 'docs', 'rules.md'), 'utf8');
const rules = page
  .split(/^### /m)
  .slice(1)
  .map((section) => section.split(/^## /m)[0] ?? '')
  .map((text) => ({ title: text.split('\n')[0] ?? '', text }));

/** The text under a heading such as **Where.**, up to the next one. */
function part(text: string, name: string): string {
  const parts = text.split(/^\*\*(What|Why|Where|Test)\.\*\*$/m);
  return parts[parts.indexOf(name) + 1]?.trim() ?? '';
}

describe('docs/rules.md', () => {
  test('has the rules by number, without a gap', () => {
    expect(rules.length).toBeGreaterThanOrEqual(27);
    expect(rules.map(({ title }) => Number.parseInt(title, 10))).toEqual(rules.map((_, index) => index + 1));
  });

  test.each(rules)('$title: says what and why', ({ text }) => {
    expect(part(text, 'What')).not.toBe('');
    expect(part(text, 'Why')).not.toBe('');
  });

  test.each(rules)('$title: the files exist', ({ text }) => {
    const files = [...part(text, 'Where').matchAll(/`([^`]+)`/g)].map(([, file = '']) => file);
    expect(files.length).toBeGreaterThan(0);
    expect(files.filter((file) => !existsSync(path.join(ROOT, file)))).toEqual([]);
  });

  test.each(rules)('$title: the test exists and runs', ({ text }) => {
    const named = part(text, 'Test').replaceAll('\n', ' ');
    expect(problem(named)).toBeUndefined();
  });
});
