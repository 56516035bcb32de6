import os from 'node:os';
import { ensureTools, ToolMissing, type ToolName } from '../toolchain/index.ts';
import { checks } from './checks.ts';
import { rememberDurations, rememberedDurations, type Took } from './durations.ts';
import { runJest, type JestResult, type JestRun } from './jest.ts';
import { isLast, planOf, PLANE_OF, WHOLE } from './plan.ts';
import { HeldPlane, type PlaneName } from './planes.ts';
import type { ProcessGroups } from './process.ts';
import type { Report } from './report.ts';
import { runJobs, type Job } from './scheduler.ts';

/** What is to be run. */
export interface Wanted {
  readonly root: string;
  readonly groups: ProcessGroups;
  readonly report: Report;
  /** Of formatting and lint only these files; absent: no checks. */
  readonly checks?: readonly string[];
  /** Projects that Jest runs as a whole, with further words. */
  readonly whole: readonly { readonly projects: readonly string[]; readonly args?: readonly string[] }[];
  /** Test files that are planned one by one, with their project; relative to the root. */
  readonly files: readonly { readonly project: string; readonly file: string }[];
  /** What Jest says is shown as it comes: only one job is wanted. */
  readonly isShown?: boolean;
  readonly signal?: AbortSignal;
}

const TOOLS_OF: Readonly<Record<string, readonly ToolName[]>> = {
  workflow: ['temporal-test-server'],
  replay: ['temporal-test-server'],
};
const PLANE_TOOLS: Readonly<Record<PlaneName, readonly ToolName[]>> = {
  shared: ['etcd', 'kube-apiserver', 'kubectl', 'temporal'],
  capi: ['etcd', 'kube-apiserver', 'kubectl', 'temporal', 'cluster-api-manager'],
};
/** Names how many cores the tests may keep busy, where it is not as many as there are. 1: one file after the other. */
const WORKERS = 'BESKAR7_TEST_WORKERS';
/** More than these at once is not what the tests were written for, whatever the machine has. */
const MAX_WORKERS = 4;
/** More files than that for each core are too much memory, however little they do. */
const FILES_PER_CORE = 3;
/** Load above this for each core is not that of a test run. */
const BUSY_PER_CORE = 3;
/** Stages: what is quick and needs no control plane; then all the rest; what has the machine for itself comes last. */
const [EARLY, MAIN, ALONE] = [0, 1, 2];

/** Runs it all, as much at once as the machine bears, and reports on each piece as soon as it is over. */
export async function runWanted(wanted: Wanted): Promise<void> {
  const { report } = wanted;
  const workers = Number(process.env[WORKERS]) || Math.min(os.availableParallelism(), MAX_WORKERS);
  const remembered = rememberedDurations();
  const ended = await runJobs(
    [...checkJobs(wanted), ...wholeJobs(wanted, workers, remembered), ...fileJobs(wanted, remembered)],
    {
      capacity: workers,
      most: workers * FILES_PER_CORE,
      onBlocked: ({ name }, by) => {
        say(`FAILED  ${name}: not run, since this failed: ${by}`);
        report.add({ name, isGood: false, seconds: 0, cpuSeconds: undefined, ...NOTHING, failed: 1 });
      },
      ...(wanted.signal ? { signal: wanted.signal } : {}),
    },
  );
  if (wanted.signal?.aborted !== true && !isBusyWithOthers())
    rememberDurations(report.jobs.filter(({ name }) => ended.get(name) === 'passed'));
}

/** Durations measured on a busy machine are not representative. */
function isBusyWithOthers(): boolean {
  const [, ofFiveMinutes = 0] = os.loadavg();
  return ofFiveMinutes > BUSY_PER_CORE * os.availableParallelism();
}

const NOTHING = { passed: 0, failed: 0, skipped: 0, files: [] } as const;

/** A failed check counts as a failed test; a good one is no test, and is not counted. */
function checkJobs({ root, groups, report, checks: files }: Wanted): Job[] {
  if (files === undefined) return [];
  return checks(root, groups, files).map(({ name, seconds, run }) => ({
    name,
    weight: 1,
    stage: EARLY,
    seconds,
    run: async () => {
      const result = await run();
      tell(name, result.isGood, result.seconds, result.output);
      report.add({ ...NOTHING, ...result, name, failed: result.isGood ? 0 : 1 });
      return result.isGood;
    },
  }));
}

function wholeJobs(wanted: Wanted, workers: number, remembered: ReadonlyMap<string, Took>): Job[] {
  const isBeside = wanted.files.length > 0;
  const cores = os.availableParallelism();
  return wanted.whole.map(({ projects, args = [] }) => {
    const name = projects.join(' and ');
    const plan = { seconds: 0, weight: 1, ...WHOLE[name] };
    return {
      name,
      // Jest has workers of its own for them. Where there is nothing else to do, what they leave is not filled.
      weight: isBeside ? Math.min(workers, plan.weight * cores) : workers,
      stage: EARLY,
      seconds: remembered.get(name)?.seconds ?? plan.seconds,
      run: () =>
        jestJob(wanted, name, {
          projects,
          args: [`--maxWorkers=${cores + (isWaiting(projects) ? 1 : 0)}`, ...args],
          tools: projects.flatMap((project) => TOOLS_OF[project] ?? []),
          isShown: wanted.isShown ?? false,
        }),
    };
  });
}

/**
 * Many unit tests wait for a timer or a socket: one worker more than there are cores. Those of workflows keep a test
 * server busy.
 */
function isWaiting(projects: readonly string[]): boolean {
  return projects.includes('unit');
}

function fileJobs(wanted: Wanted, remembered: ReadonlyMap<string, Took>): Job[] {
  const { files } = wanted;
  const planes = new Set(files.flatMap(({ project }) => PLANE_OF[project] ?? []));
  return [...planes]
    .flatMap((plane) => planeJobs(wanted, plane, remembered))
    .concat(
      files
        .filter(({ project }) => PLANE_OF[project] === undefined)
        .map(({ project, file }) => fileJob(wanted, project, file, remembered)),
    );
}

/** The start of a control plane, the files that use it, those that look at it afterwards, and its end. */
function planeJobs(wanted: Wanted, name: PlaneName, remembered: ReadonlyMap<string, Took>): Job[] {
  const { root, groups, report, files } = wanted;
  const plane = new HeldPlane(name, groups, root);
  const [start, stop] = [`start of the control plane (${name})`, `end of the control plane (${name})`];
  const own = files.filter(({ project }) => PLANE_OF[project] === name);
  const jobs = own.map(({ project, file }) => ({
    ...fileJob(wanted, project, file, remembered, plane),
    needs: [start],
  }));
  const seconds = jobs.reduce((sum, job) => sum + (job.seconds ?? 0), 0);
  const [firsts, lasts] = [jobs.filter((job) => !isLast(job.name)), jobs.filter((job) => isLast(job.name))];
  return [
    {
      name: start,
      weight: 1,
      // Most files wait for the common one. Each minute that the other one runs costs, whether a file uses it or not.
      stage: name === 'shared' ? EARLY : MAIN,
      seconds,
      run: async () => {
        const began = performance.now();
        const failure = await withTools(PLANE_TOOLS[name], () => plane.start());
        const took = (performance.now() - began) / 1000;
        const isGood = failure === undefined;
        tell(start, isGood, took, failure ?? '');
        report.add({ ...NOTHING, name: start, isGood, seconds: took, cpuSeconds: undefined, failed: isGood ? 0 : 1 });
        return isGood;
      },
    },
    ...firsts,
    ...lasts.map((job) => ({ ...job, after: firsts.map((first) => first.name) })),
    {
      name: stop,
      weight: 0,
      stage: MAIN,
      after: [start, ...jobs.map((job) => job.name)],
      run: async () => {
        const ended = await plane.stop();
        report.add({
          ...NOTHING,
          name: `control plane (${name})`,
          isGood: true,
          seconds: ended?.seconds ?? 0,
          cpuSeconds: ended?.cpuSeconds,
        });
        return true;
      },
    },
  ];
}

function fileJob(
  wanted: Wanted,
  project: string,
  file: string,
  remembered: ReadonlyMap<string, Took>,
  plane?: HeldPlane,
): Job {
  const { weight, locks = [], seconds } = planOf(project, file);
  const took = remembered.get(file);
  return {
    name: file,
    weight: weight === 'alone' || took === undefined ? weight : (coresOf(took) ?? weight),
    locks,
    stage: weight === 'alone' ? ALONE : MAIN,
    seconds: took?.seconds ?? seconds,
    run: () =>
      jestJob(wanted, file, {
        projects: [project],
        files: [file],
        args: ['--runInBand', '--forceExit'],
        ...(plane ? { env: plane.env } : {}),
      }),
  };
}

/** How many cores it kept busy on average. */
function coresOf({ seconds, cpuSeconds }: Took): number | undefined {
  return cpuSeconds === undefined || seconds < 1 ? undefined : cpuSeconds / seconds;
}

async function jestJob(
  { root, groups, report }: Pick<Wanted, 'root' | 'groups' | 'report'>,
  name: string,
  { tools = [], ...run }: JestRun & { readonly tools?: readonly ToolName[] },
): Promise<boolean> {
  let result: JestResult | undefined;
  const failure = await withTools(tools, async (paths) => {
    const server = paths['temporal-test-server'];
    const env = { ...(run.env ?? process.env), ...(server ? { BESKAR7_TEMPORAL_TEST_SERVER: server } : {}) };
    result = await runJest(root, groups, { ...run, env });
    return undefined;
  });
  if (result === undefined) {
    tell(name, false, 0, failure ?? '');
    report.add({ ...NOTHING, name, isGood: false, seconds: 0, cpuSeconds: undefined, failed: 1 });
    return false;
  }
  const { isGood, seconds, output } = result;
  if (run.isShown !== true) tell(name, isGood, seconds, output);
  report.add({ ...result, name });
  return isGood;
}

/**
 * One run of Jest as people call it, with words of their own: what it says is shown as it comes, and its set-up starts
 * what it needs.
 */
export async function runJestAlone(
  wanted: Pick<Wanted, 'root' | 'groups' | 'report'>,
  projects: readonly string[],
  args: readonly string[],
): Promise<void> {
  const planes = projects.flatMap((name) => PLANE_OF[name] ?? []);
  await jestJob(wanted, projects.join(' and '), {
    projects,
    args: [...(planes.length > 0 ? ['--runInBand', '--forceExit'] : []), ...args],
    tools: [...projects.flatMap((name) => TOOLS_OF[name] ?? []), ...planes.flatMap((name) => PLANE_TOOLS[name])],
    isShown: true,
  });
}

/**
 * Does something with tools. Gives what it gives; the reason when a tool cannot be had: that fails one job, and no
 * other.
 */
async function withTools(
  names: readonly ToolName[],
  work: (paths: Partial<Record<ToolName, string>>) => Promise<string | undefined>,
): Promise<string | undefined> {
  try {
    return await work(await ensureTools(names));
  } catch (error) {
    if (!(error instanceof ToolMissing)) throw error;
    return `${error.message}\n`;
  }
}

function tell(name: string, isGood: boolean, seconds: number, output: string): void {
  process.stderr.write(output.trim() === '' ? '' : `\n${output.trimEnd()}\n`);
  say(`${isGood ? 'good  ' : 'FAILED'}  ${name} (${seconds.toFixed(1)} s)`);
}

function say(line: string): void {
  process.stderr.write(`${line}\n`);
}
