import type { Failures } from '../shared/api.ts';
import type { Sees } from './feed.ts';
import type { EndedRun, Failed, Runs, Timed } from './runs.ts';

const HOUR_MS = 3_600_000;
const HOURS = 24;
/** Runs that are looked at: the newest of the time. */
const MAX_FAILED = 1_000;
const MAX_TIMED = 200;
/** How long the figures are cached. */
const FRESH_MS = 10_000;

interface Figures {
  readonly failed: readonly Failed[];
  readonly completed: readonly EndedRun[];
  readonly timed: readonly Timed[];
  /** There were more than are looked at. */
  readonly isCut: boolean;
}

/**
 * How provisionings failed, and how long their steps took, over the last day; asked of Temporal at most every 10 s for
 * all visitors together.
 */
export class FailureBoard {
  readonly #runs: Runs;
  readonly #now: () => number;
  #figures: { readonly at: number; readonly found: Promise<Figures> } | undefined;

  constructor(runs: Runs, now: () => number = Date.now) {
    this.#runs = runs;
    this.#now = now;
  }

  /** What one person may see of it. Rejects when Temporal cannot be reached. */
  async of(sees: Sees): Promise<Failures> {
    const now = this.#now();
    const figures = await this.#find(now);
    const mine = <T extends EndedRun>(runs: readonly T[]) =>
      runs.filter(({ machine }) => sees('machines', machine.namespace));
    const failed = mine(figures.failed);
    const count = failed.length + mine(figures.completed).length;
    const cut = figures.isCut ? ', the newest ones only' : '';
    return {
      bucketMs: HOUR_MS,
      buckets: bucketsOf(failed, now),
      reasons: reasonsOf(failed),
      durations: durationsOf(mine(figures.timed)),
      covers: `the last ${HOURS} hours, ${count} provisioning${count === 1 ? '' : 's'}${cut}`,
    };
  }

  #find(now: number): Promise<Figures> {
    if (this.#figures === undefined || now - this.#figures.at > FRESH_MS) {
      const found = this.#ask(now);
      this.#figures = { at: now, found };
      // What could not be asked is asked again.
      found.catch(() => (this.#figures = undefined));
    }
    return this.#figures.found;
  }

  async #ask(now: number): Promise<Figures> {
    const since = new Date(now - HOURS * HOUR_MS);
    const [failures, completed] = await Promise.all([
      this.#runs.ended('Failed', since, MAX_FAILED),
      this.#runs.ended('Completed', since, MAX_FAILED),
    ]);
    const [failed, timed] = await Promise.all([
      this.#runs.failuresOf(failures),
      this.#runs.timesOf([...completed.slice(0, MAX_TIMED), ...failures.slice(0, MAX_TIMED)]),
    ]);
    return { failed, completed, timed, isCut: failures.length >= MAX_FAILED || completed.length >= MAX_FAILED };
  }
}

/** Whole hours, the last of them not yet over. */
function bucketsOf(failed: readonly Failed[], now: number): Failures['buckets'] {
  const first = Math.floor(now / HOUR_MS) - HOURS + 1;
  const buckets = Array.from({ length: HOURS }, (_, index) => ({
    at: new Date((first + index) * HOUR_MS).toISOString(),
    byReason: {} as Record<string, number>,
  }));
  for (const { endedAt, reason } of failed) {
    const bucket = buckets[Math.floor(Date.parse(endedAt) / HOUR_MS) - first];
    if (bucket) bucket.byReason[reason] = (bucket.byReason[reason] ?? 0) + 1;
  }
  return buckets;
}

/** Most frequent first. */
function reasonsOf(failed: readonly Failed[]): Failures['reasons'] {
  const byReason = Map.groupBy(failed, ({ reason }) => reason);
  return [...byReason]
    .flatMap(([reason, runs]) => {
      const last = runs.reduce((one, other) => (one.endedAt >= other.endedAt ? one : other));
      const { endedAt, message, machine } = last;
      return [{ reason, count: runs.length, lastAt: endedAt, lastMessage: message, lastMachine: machine }];
    })
    .sort((one, other) => other.count - one.count || (one.reason < other.reason ? -1 : 1));
}

/** In the order in which runs go through them. */
function durationsOf(timed: readonly Timed[]): Failures['durations'] {
  const byStep = new Map<string, number[]>();
  const longest = [...timed].sort((one, other) => other.steps.length - one.steps.length);
  for (const { steps } of longest)
    for (const { name, ms } of steps) {
      const known = byStep.get(name);
      if (known) known.push(ms);
      else byStep.set(name, [ms]);
    }
  return [...byStep].map(([step, times]) => {
    const sorted = times.sort((one, other) => one - other);
    const at = (share: number) => sorted[Math.max(0, Math.ceil(sorted.length * share) - 1)] ?? 0;
    return { step, count: sorted.length, p50Ms: at(0.5), p95Ms: at(0.95), maxMs: at(1) };
  });
}
