import { execFileSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import path from 'node:path';

/** What `npm test -- --changed` runs, and what it leaves out. */
export interface ChangedPlan {
  /** Relative to the root, with slashes; what still exists. */
  readonly files: readonly string[];
  /** Files whose importers among the unit tests are run; `all`: every unit test. */
  readonly unit: readonly string[] | 'all';
  /** Whole projects. */
  readonly projects: readonly string[];
  /** Test files of integration, e2e, vm and capi that were changed themselves. */
  readonly tests: readonly string[];
  /** For the reader, a sentence each. */
  readonly leftOut: readonly string[];
}

/**
 * Of these, unit tests know what they import. What else is changed (pages, charts, scripts, recorded data) they may
 * read as a file.
 */
const IMPORTED = /^(?!\.)[^/]+\/.*\.tsx?$/;
/** Workflow code, which is bundled by its path, imports nothing of these; and its tests do not either. */
const NOT_OF_WORKFLOWS =
  /^(api|bench|cli|controllers|deploy|docs|examples|inspector|simulator|tools|view|web|webhooks|\.[^/]+|test\/(unit|web|integration|e2e|vm|capi|chaos))\/|^[^/]+\.md$/;
const ON_A_CONTROL_PLANE = /^test\/(integration|e2e|vm|capi)\/.*\.test\.ts$/;

/**
 * The files that differ from `base`, committed or not, with those that git does not know yet. Throws when git cannot
 * tell.
 */
export function changedFiles(root: string, base: string | undefined): { files: string[]; base: string } {
  const git = (...words: string[]) => execFileSync('git', words, { cwd: root, encoding: 'utf8' }).trim();
  const lines = (text: string) => text.split('\n').filter((line) => line !== '');
  const from = base ?? forkOf(git);
  const known = lines(git('diff', '--name-only', '--no-renames', from));
  const unknown = lines(git('ls-files', '--others', '--exclude-standard'));
  return { files: [...new Set([...known, ...unknown])].sort(), base: from };
}

/** Where the branch left main; on main itself: its last commit, so that what is not committed is what changed. */
function forkOf(git: (...words: string[]) => string): string {
  try {
    return git('merge-base', 'main', 'HEAD');
  } catch {
    return 'HEAD';
  }
}

/** Which tests can be affected by changes of these files. */
export function planForChanges(root: string, changed: readonly string[]): ChangedPlan {
  const files = changed.filter((file) => existsSync(path.join(root, file)));
  const isGone = files.length < changed.length;
  const isUnitWhole = isGone || changed.some((file) => !IMPORTED.test(file));
  const projects = [
    ...(changed.some((file) => !NOT_OF_WORKFLOWS.test(file)) ? ['workflow', 'replay'] : []),
    ...(changed.some((file) => /^(web|test\/web)\//.test(file)) ? ['web'] : []),
  ];
  return {
    files,
    unit: isUnitWhole ? 'all' : files,
    projects,
    tests: files.filter((file) => ON_A_CONTROL_PLANE.test(file)),
    leftOut: [
      ...(isUnitWhole ? [] : ['unit tests that import none of the changed files']),
      ...['workflow', 'replay', 'web']
        .filter((name) => !projects.includes(name))
        .map((name) => `${name}: nothing that it is about was changed`),
      'integration, e2e, vm and capi, but for the test files that were changed: npm test runs them all',
      'lint of files that were not changed: a type that changed can make them bad',
    ],
  };
}
