import { existsSync, readdirSync } from 'node:fs';
import path from 'node:path';
import { expect, test } from '@jest/globals';
import { PROJECTS } from '../../../../tools/testing/arguments.ts';
import { FILES, isLast, planOf } from '../../../../tools/testing/plan.ts';

const ROOT = process.cwd();

test('each file of the plan is there: one that was moved is run like any other, and nobody would notice', () => {
  expect(Object.keys(FILES).filter((file) => !existsSync(path.join(ROOT, file)))).toEqual([]);
});

test('what has the machine or something else for itself says why', () => {
  for (const [file, plan] of Object.entries(FILES)) {
    const isApart = plan.weight === 'alone' || plan.locks !== undefined;
    expect({ file, because: isApart ? plan.because : 'nothing' }).toEqual({
      file,
      because: expect.stringMatching(/.{20}|nothing/),
    });
  }
});

test('what looks at a whole run is known by its folder', () => {
  expect(isLast('test/e2e/last/secrets.test.ts')).toBe(true);
  expect(isLast('test/e2e/secrets.test.ts')).toBe(false);
});

test('virtual machines do not run beside each other', () => {
  for (const file of readdirSync(path.join(ROOT, 'test', 'vm')))
    expect({ file, locks: planOf('vm', `test/vm/${file}`).locks }).toEqual({ file, locks: ['qemu'] });
});

test('each folder of tests is a project that npm test runs', () => {
  const folders = readdirSync(path.join(ROOT, 'test'), { withFileTypes: true })
    .filter((entry) => entry.isDirectory())
    .map(({ name }) => name)
    .filter((name) =>
      readdirSync(path.join(ROOT, 'test', name), { recursive: true })
        .join()
        .includes('.test.ts'),
    );
  expect(folders.sort()).toEqual([...PROJECTS].sort());
});
