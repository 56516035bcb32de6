import path from 'node:path';
import { parseTestArguments, PROJECTS, type TestArguments } from '../testing/arguments.ts';
import { changedFiles, planForChanges } from '../testing/changed.ts';
import { listTests } from '../testing/jest.ts';
import { adviceOn, installPackages, missingPackages } from '../testing/packages.ts';
import { ProcessGroups } from '../testing/process.ts';
import { Report } from '../testing/report.ts';
import { runJestAlone, runWanted, type Wanted } from '../testing/run.ts';

/**
 * `npm test`: the checks and all tests, side by side as far as they do not disturb each other. `npm run test:<project>`
 * runs one project, `npm run lint` the checks only, `npm test -- --changed` what the changes of a branch can affect.
 */

const ROOT = path.join(import.meta.dirname, '..', '..');
/**
 * Projects whose files Jest runs as a whole, with workers of its own: many small files. The others are run file by
 * file.
 */
const WHOLE = [['unit'], ['workflow', 'replay']] as const;
const BY_FILE = ['web', 'integration', 'e2e', 'vm', 'capi'];
const PARENT_POLL_MS = 500;

// What Node has compiled once is not compiled again by the hundreds of processes of a run.
process.env.NODE_COMPILE_CACHE ??= path.join(ROOT, 'node_modules', '.cache', 'beskar7', 'compiled');
const groups = new ProcessGroups();
const report = new Report();
const interrupted = new AbortController();
endWithUs();
const common = { root: ROOT, groups, report, signal: interrupted.signal };
const args = parseTestArguments(process.argv.slice(2));

await main();

async function main(): Promise<void> {
  const isAll = args.projects.length === 0 && args.patterns.length + args.forJest.length === 0;
  if (args.isLintOnly) await runWanted({ ...common, checks: ['.'], whole: [], files: [] });
  else if (args.changed) await runChanged(args.changed.base);
  else if (args.forJest.length > 0) await runAsJest(args);
  else if (isAll) {
    // The only thing that needs more than Node and npm.
    await installPackages(ROOT, groups);
    await runWanted({ ...common, checks: ['.'], ...(await wantedOf(args)) });
  } else await runSome(await wantedOf(args));
  if (interrupted.signal.aborted) return;
  finish();
}

/**
 * With words that only Jest understands: one run of it after the other, for the projects that share what their set-up
 * starts.
 */
async function runAsJest({ forJest }: TestArguments): Promise<void> {
  for (const group of [...WHOLE, ['web'], ['integration', 'e2e', 'vm'], ['capi']]) {
    const due = group.filter((name) => projectsOf(args).includes(name));
    if (due.length > 0 && !interrupted.signal.aborted) await runJestAlone(common, due, forJest);
  }
}

/** The output of one job is shown as it comes; that of parallel jobs when they are over. */
async function runSome({ whole, files }: Pick<Wanted, 'whole' | 'files'>): Promise<void> {
  const [file] = files;
  if (file && files.length === 1 && whole.length === 0)
    await runJestAlone(common, [file.project], ['--runTestsByPath', file.file]);
  else await runWanted({ ...common, whole, files, isShown: whole.length === 1 && files.length === 0 });
}

function projectsOf({ projects }: TestArguments): readonly string[] {
  return projects.length > 0 ? projects : PROJECTS;
}

async function wantedOf({ projects: named, patterns }: TestArguments): Promise<Pick<Wanted, 'whole' | 'files'>> {
  const projects = projectsOf({ ...args, projects: named });
  const whole = WHOLE.map((group) => group.filter((name) => projects.includes(name)))
    .filter((group) => group.length > 0)
    .map((group) => ({ projects: group, args: patterns }));
  return {
    whole,
    files: await filesOf(
      projects.filter((name) => BY_FILE.includes(name)),
      patterns,
    ),
  };
}

async function filesOf(projects: readonly string[], patterns: readonly string[]): Promise<Wanted['files']> {
  if (projects.length === 0) return [];
  const files = await listTests(ROOT, groups, projects, patterns);
  return files.map((file) => ({ file, project: file.split('/')[1] ?? '' }));
}

/** What the changes of a branch can affect. */
async function runChanged(from: string | undefined): Promise<void> {
  const { files, base } = changedFiles(ROOT, from);
  if (files.length === 0) {
    process.stderr.write(`beskar7: nothing was changed since ${base.slice(0, 12)}: nothing is run\n`);
    process.exit(0);
  }
  const plan = planForChanges(ROOT, files);
  process.stderr.write(`beskar7: ${files.length} files were changed since ${base.slice(0, 12)}\n`);
  const related = plan.unit === 'all' ? [] : ['--findRelatedTests', ...plan.unit];
  const whole = WHOLE.map((group) => group.filter((name) => name === 'unit' || plan.projects.includes(name)))
    .filter((group) => group.length > 0)
    .map((group) => ({ projects: group, args: group.some((name) => name === 'unit') ? related : [] }));
  const web = plan.projects.includes('web') ? await filesOf(['web'], []) : [];
  const own = plan.tests.map((file) => ({ file, project: file.split('/')[1] ?? '' }));
  await runWanted({ ...common, checks: plan.files, whole, files: [...web, ...own] });
  process.stderr.write(`\nnot run:\n${plan.leftOut.map((line) => `  ${line}\n`).join('')}`);
}

/** Durations, what was skipped and why, and as the last line the sums. Ends the process. */
function finish(): never {
  const isNothingRun = report.passed === 0 && !args.isLintOnly;
  process.stderr.write(`\n${report.durations()}all durations: ${report.write()}\n`);
  if (report.skipped > 0) {
    const advice = adviceOn(missingPackages(ROOT));
    process.stderr.write(`\nskipped tests, by file:\n${report.skips()}${advice}`);
  }
  if (args.isLintOnly) process.exit(report.failed > 0 ? 1 : 0);
  process.stdout.write(`${report.passed} passed, ${report.failed} failed, ${report.skipped} skipped\n`);
  process.exit(report.failed > 0 || isNothingRun ? 1 : 0);
}

/**
 * A signal, and the end of the process that started this one, end all that was started. A second one does not wait for
 * it.
 */
function endWithUs(): void {
  const end = () => {
    if (interrupted.signal.aborted) process.exit(130);
    interrupted.abort();
    process.stderr.write('\nbeskar7: interrupted; stopping what was started ...\n');
    void groups.endAll().finally(() => process.exit(130));
  };
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(signal, end);
  const parent = process.ppid;
  setInterval(() => {
    if (process.ppid !== parent && !interrupted.signal.aborted) end();
  }, PARENT_POLL_MS).unref();
}
