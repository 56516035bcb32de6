import { readFileSync } from 'node:fs';
import path from 'node:path';
import { expect, test } from '@jest/globals';

interface Manifest {
  readonly dependencies: Record<string, string>;
  readonly overrides: Record<string, string>;
  readonly '//overrides': Record<string, string>;
}
const read = (file: string) => readFileSync(path.join(import.meta.dirname, '../../..', file), 'utf8');
const manifest = JSON.parse(read('package.json')) as Manifest;

test('each override of a version has its reason beside it, and no reason is left over', () => {
  expect(Object.keys(manifest['//overrides'])).toEqual(Object.keys(manifest.overrides));
  for (const reason of Object.values(manifest['//overrides'])) expect(reason.length).toBeGreaterThan(20);
});

test("Temporal's interceptors have the version of its SDK (docs/decisions/0025)", () => {
  const { dependencies } = manifest;
  const temporal = Object.keys(dependencies).filter((name) => name.startsWith('@temporalio/'));
  expect(new Set(temporal.map((name) => dependencies[name])).size).toBe(1);
});
