import { existsSync } from 'node:fs';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { spawn } from 'node:child_process';
import os from 'node:os';
import path from 'node:path';
import { staleFiles } from '../../crds/generate.ts';
import { staleDocs } from '../../docs/generate.ts';
import { staleMonitoringFiles } from '../monitoring/files.ts';
import { staleChartFiles } from '../release/chartFiles.ts';
import { ensureTools, ToolMissing, type ToolName } from '../toolchain/index.ts';

/** `npm test`: the checks, then all Jest projects. `npm run test:<project>` runs one; `npm run lint` the checks only. */

const ROOT = path.join(import.meta.dirname, '..', '..');
const BIN = path.join(ROOT, 'node_modules', '.bin');
const PROJECTS = ['unit', 'workflow', 'replay', 'web', 'integration', 'e2e', 'vm', 'capi'];
/** Passed on to what is running; nothing more is begun then. */
const SIGNALS = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const;

interface Sums {
  passed: number;
  failed: number;
  skipped: number;
}

const args = process.argv.slice(2);
const isLintOnly = args.includes('--lint');
const named = args.filter((arg) => PROJECTS.includes(arg));
const rest = args.filter((arg) => !PROJECTS.includes(arg) && arg !== '--lint');
const sums: Sums = { passed: 0, failed: 0, skipped: 0 };

if (named.length === 0) await runChecks();
if (!isLintOnly) await runTests(named.length > 0 ? named : PROJECTS);
if (isLintOnly) process.exit(sums.failed > 0 ? 1 : 0);
process.stdout.write(`${sums.passed} passed, ${sums.failed} failed, ${sums.skipped} skipped\n`);
process.exit(sums.failed > 0 || sums.passed === 0 ? 1 : 0);

/** A failed check counts as a failed test; a good one is no test, and is not counted. */
async function runChecks(): Promise<void> {
  await check('formatting (mend it with: npm run format)', () => run('prettier', ['--check', '--log-level=warn', '.']));
  await check('lint', () => run('eslint', ['.']));
  await check('import rules', () => run('depcruise', ['--config', '.dependency-cruiser.cjs', ...sourceFolders()]));
  await check('types', () => run('tsc', ['--noEmit', '-p', '.']));
  await check('types of the web page', () => run('tsc', ['--noEmit', '-p', 'web/page']));
  await check('types of its tests', () => run('tsc', ['--noEmit', '-p', 'test/web']));
  await check('generated files (mend it with: npm run generate)', async () => {
    const stale = [
      ...(await staleFiles()),
      ...(await staleDocs()),
      ...(await staleMonitoringFiles()),
      ...(await staleChartFiles()),
    ];
    if (stale.length > 0) process.stderr.write(`stale: ${stale.join(', ')}\n`);
    return stale.length === 0;
  });
}

function sourceFolders(): string[] {
  const all = [
    'activities',
    'api',
    'bench',
    'controllers',
    'crds',
    'docs',
    'kube',
    'redfish',
    'simulator',
    'inspector',
    'tools',
    'web',
    'webhooks',
    'workers',
    'workflows',
    'test',
  ];
  return all.filter((folder) => existsSync(path.join(ROOT, folder)));
}

async function check(what: string, work: () => Promise<boolean>): Promise<void> {
  const began = Date.now();
  const isGood = await work().catch((error: Error) => {
    process.stderr.write(`${error.stack ?? error.message}\n`);
    return false;
  });
  process.stderr.write(`${isGood ? 'good  ' : 'FAILED'} ${what} (${Math.round((Date.now() - began) / 1000)} s)\n`);
  if (!isGood) sums.failed += 1;
}

async function runTests(projects: readonly string[]): Promise<void> {
  // Many of them wait for a timer or a socket: one worker more than there are cores, where Jest would take one less.
  await runGroup(projects, ['unit'], [], [`--maxWorkers=${os.availableParallelism() + 1}`]);
  await runGroup(projects, ['workflow', 'replay'], ['temporal-test-server']);
  // A browser that is measured has the machine for itself.
  await runGroup(projects, ['web'], [], ['--runInBand']);
  // These run one file after the other: each has the machine, and the control plane, for itself.
  await runGroup(
    projects,
    ['integration', 'e2e', 'vm'],
    ['etcd', 'kube-apiserver', 'kubectl', 'temporal'],
    ['--runInBand', '--forceExit'],
  );
  // Cluster API's own controllers, on a control plane of their own: the other tests show Beskar7 without Cluster API.
  await runGroup(
    projects,
    ['capi'],
    ['etcd', 'kube-apiserver', 'kubectl', 'temporal', 'cluster-api-manager'],
    ['--runInBand', '--forceExit'],
  );
}

/** Runs those of `group` that were asked for. A tool that cannot be had is one failure, and does not stop the other groups. */
async function runGroup(
  projects: readonly string[],
  group: readonly string[],
  tools: readonly ToolName[],
  words: readonly string[] = [],
): Promise<void> {
  const due = group.filter((name) => projects.includes(name));
  if (due.length === 0) return;
  try {
    const { 'temporal-test-server': server } = await ensureTools(tools);
    if (server) process.env.BESKAR7_TEMPORAL_TEST_SERVER = server;
    await jest(due, words);
  } catch (error) {
    if (!(error instanceof ToolMissing)) throw error;
    process.stderr.write(`${error.message}\n`);
    sums.failed += 1;
  }
}

async function jest(projects: readonly string[], words: readonly string[]): Promise<void> {
  const folder = await mkdtemp(path.join(os.tmpdir(), 'beskar7-jest-'));
  const file = path.join(folder, 'result.json');
  const isGood = await run('jest', [
    '--selectProjects',
    ...projects,
    '--passWithNoTests',
    '--json',
    `--outputFile=${file}`,
    ...words,
    ...rest,
  ]);
  const result = JSON.parse(await readFile(file, 'utf8').catch(() => '{}')) as {
    numPassedTests?: number;
    numFailedTests?: number;
    numPendingTests?: number;
    numTodoTests?: number;
    numRuntimeErrorTestSuites?: number;
  };
  await rm(folder, { recursive: true, force: true });
  const failed = (result.numFailedTests ?? 0) + (result.numRuntimeErrorTestSuites ?? 0);
  sums.passed += result.numPassedTests ?? 0;
  sums.failed += isGood ? failed : Math.max(1, failed);
  sums.skipped += (result.numPendingTests ?? 0) + (result.numTodoTests ?? 0);
}

function run(command: string, words: readonly string[]): Promise<boolean> {
  return new Promise((resolve, reject) => {
    // The report goes to standard error; Jest's JSON, which it also prints, nowhere: it is read from the file.
    const child = spawn(path.join(BIN, command), words, {
      cwd: ROOT,
      stdio: ['ignore', command === 'jest' ? 'ignore' : 2, 2],
    });
    let isInterrupted = false;
    const pass = (signal: NodeJS.Signals) => {
      isInterrupted = true;
      child.kill(signal);
    };
    for (const signal of SIGNALS) process.on(signal, pass);
    child.on('error', reject);
    child.on('close', (code) => {
      for (const signal of SIGNALS) process.off(signal, pass);
      if (isInterrupted) process.exit(130);
      resolve(code === 0);
    });
  });
}
