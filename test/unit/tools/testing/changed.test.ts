import { execFileSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { parseTestArguments } from '../../../../tools/testing/arguments.ts';
import { changedFiles, planForChanges } from '../../../../tools/testing/changed.ts';

const root = mkdtempSync(path.join(os.tmpdir(), 'beskar7-changed-'));
const git = (...words: string[]) =>
  execFileSync('git', ['-c', 'user.name=t', '-c', 'user.email=t@example.com', ...words], { cwd: root, stdio: 'pipe' });
const write = (file: string, text: string) => {
  mkdirSync(path.dirname(path.join(root, file)), { recursive: true });
  writeFileSync(path.join(root, file), text);
};

beforeAll(() => {
  git('init', '-q', '-b', 'main');
  for (const file of ['cli/a.ts', 'cli/b.ts', 'docs/page.md']) write(file, 'one\n');
  git('add', '.');
  git('commit', '-q', '-m', 'one');
  git('checkout', '-q', '-b', 'topic');
});
afterAll(() => rmSync(root, { recursive: true, force: true }));

describe('what was changed', () => {
  test('since the branch left main: committed, not committed, and not known to git', () => {
    write('cli/a.ts', 'two\n');
    git('commit', '-q', '-a', '-m', 'two');
    write('cli/b.ts', 'two\n');
    write('cli/new.ts', 'two\n');
    expect(changedFiles(root, undefined).files).toEqual(['cli/a.ts', 'cli/b.ts', 'cli/new.ts']);
  });

  test('since a commit that is named', () => {
    expect(changedFiles(root, 'HEAD').files).toEqual(['cli/b.ts', 'cli/new.ts']);
  });
});

describe('what is run for it', () => {
  const plan = (...files: string[]) => {
    for (const file of files) write(file, 'x\n');
    return planForChanges(root, files);
  };

  test('a source: the unit tests that import it', () => {
    expect(plan('cli/a.ts')).toMatchObject({ unit: ['cli/a.ts'], projects: [], tests: [] });
  });

  test.each([
    ['docs/page.md'],
    ['deploy/chart/values.yaml'],
    ['package.json'],
    ['test/unit/inspector/recorded/x'],
    ['.ci/packages'],
  ])('%s, which a test may read: all unit tests', (file) => {
    expect(plan(file, 'cli/a.ts').unit).toBe('all');
  });

  test('a file that is gone: all unit tests, for who imported it', () => {
    expect(planForChanges(root, ['cli/a.ts', 'cli/gone.ts'])).toMatchObject({ unit: 'all', files: ['cli/a.ts'] });
  });

  test.each([
    ['workflows/provision.ts'],
    ['model/claim.ts'],
    ['model/claim.ts'],
    ['activities/x.ts'],
    ['package-lock.json'],
  ])('%s, which workflow code may import: workflow and replay tests', (file) => {
    expect(plan(file).projects).toEqual(['workflow', 'replay']);
  });

  test('a part of the web page: its tests in a browser', () => {
    expect(plan('web/page/src/a.ts').projects).toEqual(['web']);
  });

  test('a test on a control plane that was changed is run, and it says that the others are not', () => {
    const { tests, leftOut } = plan('test/e2e/x.test.ts', 'test/support/y.ts');
    expect(tests).toEqual(['test/e2e/x.test.ts']);
    expect(leftOut.join('\n')).toMatch(/integration, e2e, vm and capi/);
  });
});

describe('words of the command line', () => {
  test('projects and paths are ours', () => {
    expect(parseTestArguments(['e2e', 'test/e2e/x.test.ts'])).toEqual({
      isLintOnly: false,
      projects: ['e2e'],
      patterns: ['test/e2e/x.test.ts'],
      forJest: [],
    });
  });

  test('with a flag of Jest all that is not ours is for Jest', () => {
    expect(parseTestArguments(['unit', '-t', 'a name', 'x.test.ts'])).toMatchObject({
      projects: ['unit'],
      patterns: [],
      forJest: ['-t', 'a name', 'x.test.ts'],
    });
  });

  test('--changed, with or without a commit', () => {
    expect(parseTestArguments(['--changed'])).toMatchObject({
      changed: { base: undefined },
      patterns: [],
      forJest: [],
    });
    expect(parseTestArguments(['--changed=HEAD~3'])).toMatchObject({ changed: { base: 'HEAD~3' } });
  });
});
