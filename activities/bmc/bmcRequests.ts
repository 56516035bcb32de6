import { AsyncLocalStorage } from 'node:async_hooks';
import { ApplicationFailure } from '@temporalio/common';
import type { ObservedRequest } from '../../redfish/index.ts';

/**
 * What an activity asked of a BMC, oldest first: `2026-11-23T08:00:00.123Z POST /redfish/v1/… 204 in 12 ms`. It stands
 * in the history of the run.
 */
export interface BmcRequests {
  readonly bmcRequests?: readonly string[];
}

/** The first ones and the last ones stay: a history is no log. */
const FIRST = 16;
const LAST = 16;
const MAX_PATH = 160;

class Recorded {
  readonly #first: string[] = [];
  readonly #last: string[] = [];
  #leftOut = 0;

  add(line: string): void {
    if (this.#first.length < FIRST) return void this.#first.push(line);
    this.#last.push(line);
    if (this.#last.length <= LAST) return;
    this.#last.shift();
    this.#leftOut += 1;
  }

  lines(): string[] {
    const leftOut = this.#leftOut > 0 ? [`(${this.#leftOut} more)`] : [];
    return [...this.#first, ...leftOut, ...this.#last];
  }
}

const current = new AsyncLocalStorage<Recorded>();

/** Notes a request for the activity in whose course it was made; elsewhere it does nothing. */
export function noteBmcRequest({ method, path, outcome, seconds }: ObservedRequest): void {
  const recorded = current.getStore();
  if (recorded === undefined) return;
  const at = new Date(Date.now() - seconds * 1000).toISOString();
  recorded.add(`${at} ${method} ${shown(path)} ${outcome} in ${Math.round(seconds * 1000)} ms`);
}

/**
 * Puts the requests of an activity into its result (`BmcRequests`, which no workflow reads), or into the details of its
 * failure.
 */
export async function withBmcRequests<T extends object | void>(body: () => Promise<T>): Promise<T> {
  const recorded = new Recorded();
  try {
    const result = await current.run(recorded, body);
    const lines = recorded.lines();
    // Nothing to tell: the result stays as it is.
    return (lines.length === 0 ? result : { ...result, bmcRequests: lines }) as T;
  } catch (error) {
    throw withDetails(error, recorded.lines());
  }
}

function withDetails(error: unknown, lines: readonly string[]): unknown {
  if (!(error instanceof ApplicationFailure) || lines.length === 0) return error;
  const { message, type, nonRetryable, details, cause, nextRetryDelay, category, stack } = error;
  const told = ApplicationFailure.create({
    message,
    details: [...(details ?? []), { bmcRequests: lines } satisfies BmcRequests],
    ...(type ? { type } : {}),
    ...(nonRetryable ? { nonRetryable } : {}),
    ...(cause ? { cause } : {}),
    ...(nextRetryDelay ? { nextRetryDelay } : {}),
    ...(category ? { category } : {}),
  });
  if (stack !== undefined) told.stack = stack;
  return told;
}

/** Some BMCs give sessions ids that open them. */
function shown(path: string): string {
  return path.replace(/(\/Sessions\/)[^/]+/i, '$1...').slice(0, MAX_PATH);
}
