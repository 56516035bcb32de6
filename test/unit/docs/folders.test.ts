import { existsSync, readdirSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { expect, test } from '@jest/globals';

const ROOT = path.resolve(import.meta.dirname, '../../..');
/** Folders at the top that hold no code of the product. */
const OTHERS = ['bench', 'coverage', 'deploy', 'dist', 'docs', 'examples', 'node_modules', 'test'];
const FOLDERS = readdirSync(ROOT, { withFileTypes: true })
  .filter((entry) => entry.isDirectory() && !entry.name.startsWith('.') && !OTHERS.includes(entry.name))
  .map(({ name }) => name);

test('there are folders of code', () => {
  expect(FOLDERS).toEqual(expect.arrayContaining(['activities', 'contracts', 'crds', 'model', 'redfish', 'workflows']));
});

test.each(FOLDERS)('%s has a README that is short, and names what is there', (folder) => {
  const readme = readFileSync(path.join(ROOT, folder, 'README.md'), 'utf8');
  const lines = readme.trimEnd().split('\n');
  expect(lines[0]).toBe(`# ${folder}`);
  expect(lines.length).toBeLessThanOrEqual(20);
  expect(readme).toContain('Begin reading at');
  const named = [...readme.matchAll(/`([a-z][\w/]*(?:\.ts|\.mjs|\/))`/gi)].map(([, name]) => name as string);
  const missing = named.filter(
    (name) => !existsSync(path.join(ROOT, folder, name)) && !existsSync(path.join(ROOT, name)),
  );
  expect(missing).toEqual([]);
});
