/** One piece of a test run. */
export interface Job {
  readonly name: string;
  /** How many workers it takes; the sum of what runs at once stays within the capacity. `alone`: nothing runs beside it. */
  readonly weight: number | 'alone';
  /** Jobs that share one of these names never run at the same time. */
  readonly locks?: readonly string[];
  /** Jobs that have to end well before: else this one is not started. Names that are not in the run are ignored. */
  readonly needs?: readonly string[];
  /** Jobs that have to be over before, whatever became of them. Names that are not in the run are ignored. */
  readonly after?: readonly string[];
  /** A lower stage is preferred; jobs of a stage do not wait for those of another one. */
  readonly stage?: number;
  /** Expected duration. Of one stage the longest begins first, so that no long one is left over at the end. */
  readonly seconds?: number;
  /** Resolves with whether it went well. Must not reject: a rejection ends the whole run. */
  run(): Promise<boolean>;
}

/** What became of a job: `blocked`, when one that it needs did not end well. */
export type End = 'passed' | 'failed' | 'blocked';

export interface ScheduleOptions {
  /** How many workers there are. A job that wants more runs when nothing else does. */
  readonly capacity: number;
  /** Called when a job will never be started, because of the one that it needs. */
  readonly onBlocked?: (job: Job, by: string) => void;
  /** Once aborted, nothing more is started. */
  readonly signal?: AbortSignal;
}

/**
 * Runs all jobs, as many at once as the capacity allows, and gives what became of each. Rejects when names are not unique or when jobs wait for each
 * other in a circle.
 */
export async function runJobs(jobs: readonly Job[], options: ScheduleOptions): Promise<Map<string, End>> {
  const names = new Set(jobs.map(({ name }) => name));
  if (names.size < jobs.length) throw new Error(`two jobs have the same name: ${duplicateOf(jobs)}`);
  const waiting = [...jobs].sort(byPreference);
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
    if (options.signal?.aborted !== true)
      for (const job of [...waiting]) {
        const isDue = [...(job.needs ?? []), ...(job.after ?? [])].every(isOver);
        if (isDue && fits(job, [...running.keys()], options.capacity)) begin(job);
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

function fits(job: Job, running: readonly Job[], capacity: number): boolean {
  // One worker does one thing at a time, however light.
  if (running.length === 0 || capacity <= 1) return running.length === 0;
  if (job.weight === 'alone' || running.some(({ weight }) => weight === 'alone')) return false;
  if (running.some(({ locks = [] }) => locks.some((lock) => job.locks?.includes(lock)))) return false;
  const used = running.reduce((sum, { weight }) => sum + (weight === 'alone' ? capacity : weight), 0);
  // Sums of decimal fractions: a little above is not above.
  return used + job.weight <= capacity + 0.001;
}

function byPreference(a: Job, b: Job): number {
  return (
    (a.stage ?? 0) - (b.stage ?? 0) ||
    Number(a.weight === 'alone') - Number(b.weight === 'alone') ||
    (b.seconds ?? 0) - (a.seconds ?? 0)
  );
}

function duplicateOf(jobs: readonly Job[]): string {
  const seen = new Set<string>();
  return jobs.find(({ name }) => seen.has(name) || !seen.add(name))?.name ?? '';
}
