import { readFileSync } from 'node:fs';
import path from 'node:path';
import { expect, test } from '@jest/globals';

const ROOT = path.join(__dirname, '..', '..', '..');
const MAIN = 'workers/main.ts';
const IMPORT = /^(?:import|export)\b(?! type\b)[^;]*?\bfrom '([^']+)'|\bimport\('([^']+)'\)|^import '([^']+)'/gm;

/** What a file loads when it runs, as written there. */
function importsOf(file: string): string[] {
  const text = readFileSync(path.join(ROOT, file), 'utf8');
  return [...text.matchAll(IMPORT)].map(([, from, dynamic, bare]) => from ?? dynamic ?? bare ?? '');
}

/** The project's files that the process loads, and the packages that they name. */
function reached(): { files: Set<string>; packages: Set<string> } {
  const files = new Set([MAIN]);
  const packages = new Set<string>();
  for (const file of files) {
    for (const name of importsOf(file)) {
      if (name.startsWith('.')) files.add(path.join(path.dirname(file), name));
      else if (!name.startsWith('node:'))
        packages.add(
          name
            .split('/')
            .slice(0, name.startsWith('@') ? 2 : 1)
            .join('/'),
        );
    }
  }
  return { files, packages };
}

test('the image has every folder that the process loads', () => {
  const lines = readFileSync(path.join(ROOT, 'Dockerfile'), 'utf8').split('\n');
  const last = lines.slice(lines.findLastIndex((line) => line.startsWith('FROM ')));
  const copied = last.flatMap((line) => /^COPY (\S+) \1$/.exec(line)?.[1] ?? []);
  const loaded = [...reached().files];
  expect(loaded.length).toBeGreaterThan(50);
  expect(loaded.filter((file) => !copied.some((folder) => file.startsWith(`${folder}/`)))).toEqual([]);
});

test('the process loads no development dependency: the image has none', () => {
  const { dependencies } = JSON.parse(readFileSync(path.join(ROOT, 'package.json'), 'utf8')) as {
    dependencies: Record<string, string>;
  };
  const { packages } = reached();
  expect(packages).toContain('@temporalio/worker');
  expect([...packages].filter((name) => !Object.hasOwn(dependencies, name))).toEqual([]);
});

test('the image of the product has no simulator in it, and no install script ran for any', () => {
  const text = readFileSync(path.join(ROOT, 'Dockerfile'), 'utf8');
  const product = text.slice(text.lastIndexOf('\nFROM '));
  expect(product).not.toContain('simulator');
  expect(text).toMatch(/^FROM \S+ AS simulator$/m);
  const installs = [...text.matchAll(/npm ci[^\n]*/g)].map(([line]) => line);
  expect(installs.length).toBeGreaterThan(2);
  for (const line of installs) expect(line).toContain('--ignore-scripts');
});
