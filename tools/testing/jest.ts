import { mkdtemp, readFile, rm } from 'node:fs/promises';
import os from 'node:os';
import path from 'node:path';
import type { ProcessGroups } from './process.ts';

/** What came of one test file. */
export interface FileResult {
  /** Relative to the root of the repository, with slashes. */
  readonly file: string;
  readonly passed: number;
  readonly failed: number;
  /** Names of the tests that were skipped. */
  readonly skipped: readonly string[];
  readonly seconds: number;
}

/** What came of one run of Jest. */
export interface JestResult {
  readonly isGood: boolean;
  readonly files: readonly FileResult[];
  readonly passed: number;
  /** At least 1 when the run did not end well. */
  readonly failed: number;
  readonly skipped: number;
  readonly seconds: number;
  readonly cpuSeconds: number | undefined;
  readonly output: string;
}

export interface JestRun {
  /** Names of projects in jest.config.mjs. */
  readonly projects: readonly string[];
  /** Only these; absolute, or relative to the root. */
  readonly files?: readonly string[];
  readonly args?: readonly string[];
  readonly env?: NodeJS.ProcessEnv;
  readonly isShown?: boolean;
}

/** What Jest writes with --json, as far as it is looked at. */
interface Written {
  readonly numPassedTests?: number;
  readonly numFailedTests?: number;
  readonly numPendingTests?: number;
  readonly numTodoTests?: number;
  readonly numRuntimeErrorTestSuites?: number;
  readonly testResults?: readonly {
    readonly name: string;
    readonly startTime: number;
    readonly endTime: number;
    readonly assertionResults: readonly { readonly status: string; readonly fullName: string }[];
  }[];
}

/** No run of Jest takes longer: the limit is that of CI. */
const LIMIT_MS = 85 * 60_000;

/** Runs Jest in a process of its own. Does not reject. */
export async function runJest(root: string, groups: ProcessGroups, run: JestRun): Promise<JestResult> {
  const folder = await mkdtemp(path.join(os.tmpdir(), 'beskar7-jest-'));
  try {
    const file = path.join(folder, 'result.json');
    const words = [
      path.join(root, 'node_modules', 'jest', 'bin', 'jest.js'),
      ...['--selectProjects', ...run.projects],
      ...['--passWithNoTests', '--json', `--outputFile=${file}`],
      ...(run.args ?? []),
      ...(run.files === undefined ? [] : ['--runTestsByPath', ...run.files]),
    ];
    // Jest prints its JSON to standard output, too: it is read from the file.
    const options = { cwd: root, isQuiet: true, isShown: run.isShown ?? false, limitMs: LIMIT_MS };
    const ended = await groups.run(process.execPath, words, { ...options, ...(run.env ? { env: run.env } : {}) });
    const written = JSON.parse(await readFile(file, 'utf8').catch(() => '{}')) as Written;
    const failed = (written.numFailedTests ?? 0) + (written.numRuntimeErrorTestSuites ?? 0);
    const isGood = ended.code === 0;
    return {
      isGood,
      files: (written.testResults ?? []).map((result) => fileResult(root, result)),
      passed: written.numPassedTests ?? 0,
      failed: isGood ? failed : Math.max(1, failed),
      skipped: (written.numPendingTests ?? 0) + (written.numTodoTests ?? 0),
      seconds: ended.seconds,
      cpuSeconds: ended.cpuSeconds,
      output: ended.isLate ? `${ended.output}\nended after ${LIMIT_MS / 60_000} minutes\n` : ended.output,
    };
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

/** The test files of projects that patterns choose as Jest understands them, relative to the root. */
export async function listTests(
  root: string,
  groups: ProcessGroups,
  projects: readonly string[],
  patterns: readonly string[],
): Promise<string[]> {
  const jest = path.join(root, 'node_modules', 'jest', 'bin', 'jest.js');
  // The list of projects ends with the next flag.
  const words = [jest, '--selectProjects', ...projects, '--listTests', ...patterns];
  const { output } = await groups.run(process.execPath, words, {
    cwd: root,
    limitMs: 120_000,
  });
  return output
    .split('\n')
    .filter((line) => /\.test\.tsx?$/.test(line))
    .map((line) => relative(root, line))
    .sort();
}

function fileResult(root: string, result: NonNullable<Written['testResults']>[number]): FileResult {
  const count = (status: string) => result.assertionResults.filter((one) => one.status === status).length;
  return {
    file: relative(root, result.name),
    passed: count('passed'),
    failed: count('failed'),
    skipped: result.assertionResults
      .filter(({ status }) => ['pending', 'skipped', 'todo', 'disabled'].includes(status))
      .map(({ fullName }) => fullName),
    seconds: (result.endTime - result.startTime) / 1000,
  };
}

function relative(root: string, file: string): string {
  return path.relative(root, file).split(path.sep).join('/');
}
