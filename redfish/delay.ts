import { setTimeout as sleep } from 'node:timers/promises';
import { abortedError, type RedfishError } from './error.ts';

/**
 * Longest pause that a BMC's Retry-After may ask for, and the first of the growing ones that stand in for `Retry-After:
 * 0`.
 */
const MAX_RETRY_AFTER_MS = 30_000;
const LEAST_PAUSE_MS = 10;
const FIRST_PAUSE_MS = 500;
const MAX_PAUSE_MS = 5_000;

/** Waits; rejects at once with `Aborted` when the signal fires. */
export async function pause(ms: number, signal: AbortSignal | undefined, what: string): Promise<void> {
  try {
    await sleep(ms, undefined, signal === undefined ? {} : { signal });
  } catch {
    throw abortedError(what, signal?.reason);
  }
}

/** What a promise gives. Rejects with `Aborted` when the signal fires before that, and with `late()` after `ms`. */
export async function within<T>(
  result: Promise<T>,
  ms: number,
  signal: AbortSignal | undefined,
  what: string,
  late: () => RedfishError,
): Promise<T> {
  const isThere = new AbortController();
  const either = signal === undefined ? isThere.signal : AbortSignal.any([signal, isThere.signal]);
  const gone = pause(ms, either, what).then(() => {
    throw late();
  });
  try {
    return await Promise.race([result, gone]);
  } finally {
    gone.catch(() => undefined);
    isThere.abort();
  }
}

/** 0.5 s, 1 s, 2 s, 4 s, then 5 s for the attempts 0, 1, 2 … */
export function growingPauseMs(attempt: number): number {
  return Math.min(FIRST_PAUSE_MS * 2 ** Math.min(attempt, 10), MAX_PAUSE_MS);
}

/** What the BMC asked for; but never nothing again and again: at least 10 ms, 20 ms, 40 ms … up to 5 s. */
export function requestedPauseMs(askedMs: number, attempt: number): number {
  return Math.max(askedMs, Math.min(LEAST_PAUSE_MS * 2 ** Math.min(attempt, 10), MAX_PAUSE_MS));
}

/** Retry-After in seconds or as a date (RFC 9110 §10.2.3), bounded to 0…30 s; undefined when there is none. */
export function retryAfterMs(header: string | undefined, now: number = Date.now()): number | undefined {
  if (header === undefined || header.trim() === '') return undefined;
  const ms = /^\s*\d+(\.\d+)?\s*$/.test(header) ? Number(header) * 1000 : Date.parse(header) - now;
  return Number.isNaN(ms) ? undefined : Math.min(Math.max(ms, 0), MAX_RETRY_AFTER_MS);
}
