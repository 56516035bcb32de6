/** One piece of a test run. */
export interface Job {
  readonly name: string;
  /**
   * How many cores it keeps busy on average; the sum of what runs at once stays within the capacity. `alone`: nothing
   * runs beside it.
   */
  readonly weight: number | 'alone';
  /** Jobs that share one of these names never run at the same time. */
  readonly locks?: readonly string[];
  /** Jobs that have to end well before: else this one is not started. Names that are not in the run are ignored. */
  readonly needs?: readonly string[];
  /** Jobs that have to be over before, whatever became of them. Names that are not in the run are ignored. */
  readonly after?: readonly string[];
  /** A lower stage is preferred; jobs of a stage do not wait for those of another one. */
  readonly stage?: number;
  /**
   * Expected duration. Of one stage the longest starts first, so that no long one is left over at the end; jobs with a
   * lock count for as long as all of that lock take.
   */
  readonly seconds?: number;
  /** Resolves with whether it went well. Must not reject: a rejection ends the whole run. */
  run(): Promise<boolean>;
}

/** What became of a job: `blocked`, when one that it needs did not end well. */
export type End = 'passed' | 'failed' | 'blocked';

export interface ScheduleOptions {
  /** How many cores there are. A job that wants more runs when nothing else does. */
  readonly capacity: number;
  /** How many jobs run at once at most, however little each does; default: as many as fit. */
  readonly most?: number;
  /** Called when a job will never be started, because of the one that it needs. */
  readonly onBlocked?: (job: Job, by: string) => void;
  /** Once aborted, nothing more is started. */
  readonly signal?: AbortSignal;
}

/** A job that mostly waits: it is started past one that has no room yet, which it hardly delays. */
const LIGHT = 0.25;

/**
 * Runs all jobs, as many at once as the capacity allows, and gives what became of each. Rejects when names are not
 * unique or when jobs wait for each other in a circle.
 */
export async function runJobs(jobs: readonly Job[], options: ScheduleOptions): Promise<Map<string, End>> {
  const names = new Set(jobs.map(({ name }) => name));
  if (names.size < jobs.length) throw new Error(`two jobs have the same name: ${duplicateOf(jobs)}`);
  const waiting = byPreference(jobs);
  const running = new Map<Job, Promise<unknown>>();
  const ended = new Map<string, End>();
  const isOver = (name: string) => !names.has(name) || ended.has(name);

  const begin = (job: Job) => {
    waiting.splice(waiting.indexOf(job), 1);
    const run = job.run().then((isGood) => {
      ended.set(job.name, isGood ? 'passed' : 'failed');
      running.delete(job);
    });
    running.set(job, run);
  };

  while (waiting.length > 0 || running.size > 0) {
    // What is blocked blocks what needs it.
    for (let next = blockedOf(waiting, names, ended); next !== undefined; next = blockedOf(waiting, names, ended)) {
      waiting.splice(waiting.indexOf(next.job), 1);
      ended.set(next.job.name, 'blocked');
      options.onBlocked?.(next.job, next.by);
    }
    let isOneHeldBack = false;
    for (const job of options.signal?.aborted === true ? [] : [...waiting]) {
      const beside = [...running.keys()];
      const isDue = [...(job.needs ?? []), ...(job.after ?? [])].every(isOver);
      if (!isDue || sharesLock(job, beside)) continue;
      // Else a large one would wait for as long as there are small ones that fit into its room.
      if (isOneHeldBack && (job.weight === 'alone' || job.weight > LIGHT)) continue;
      if (fits(job, beside, options)) begin(job);
      else isOneHeldBack = true;
    }
    if (running.size === 0) {
      if (options.signal?.aborted === true || waiting.length === 0) break;
      throw new Error(`these jobs wait for each other: ${waiting.map(({ name }) => name).join(', ')}`);
    }
    await Promise.race(running.values());
  }
  return ended;
}

/** A job that needs one that did not end well, with that one's name. */
function blockedOf(
  waiting: readonly Job[],
  names: ReadonlySet<string>,
  ended: ReadonlyMap<string, End>,
): { job: Job; by: string } | undefined {
  for (const job of waiting) {
    const by = job.needs?.find((name) => names.has(name) && ['failed', 'blocked'].includes(ended.get(name) ?? ''));
    if (by !== undefined) return { job, by };
  }
  return undefined;
}

function fits(
  job: Job,
  running: readonly Job[],
  { capacity, most = Number.POSITIVE_INFINITY }: ScheduleOptions,
): boolean {
  // One worker does one thing at a time, however light.
  if (running.length === 0 || capacity <= 1) return running.length === 0;
  if (job.weight === 'alone' || running.some(({ weight }) => weight === 'alone')) return false;
  const used = running.reduce((sum, { weight }) => sum + (weight === 'alone' ? capacity : weight), 0);
  // Sums of decimal fractions: a little above is not above.
  return running.length < most && used + job.weight <= capacity + 0.001;
}

function sharesLock(job: Job, running: readonly Job[]): boolean {
  return running.some(({ locks = [] }) => locks.some((lock) => job.locks?.includes(lock)));
}

/** What is alone comes last; then by stage, by the time that all of a lock take, and by their own. */
function byPreference(jobs: readonly Job[]): Job[] {
  const ofLock = new Map<string, number>();
  for (const { locks = [], seconds = 0 } of jobs)
    for (const lock of locks) ofLock.set(lock, (ofLock.get(lock) ?? 0) + seconds);
  const chain = ({ locks = [], seconds = 0 }: Job) => Math.max(seconds, ...locks.map((lock) => ofLock.get(lock) ?? 0));
  return [...jobs].sort(
    (a, b) =>
      (a.stage ?? 0) - (b.stage ?? 0) ||
      Number(a.weight === 'alone') - Number(b.weight === 'alone') ||
      chain(b) - chain(a) ||
      (b.seconds ?? 0) - (a.seconds ?? 0),
  );
}

function duplicateOf(jobs: readonly Job[]): string {
  const seen = new Set<string>();
  return jobs.find(({ name }) => seen.has(name) || !seen.add(name))?.name ?? '';
}
