import { Context } from '@temporalio/activity';
import { ApplicationFailure, CancelledFailure } from '@temporalio/common';
import { stopwatch } from './elapsed.ts';
import { bmcFailure, isClaimLost, landingOf, retryable, type FailureType } from './failures.ts';
import { HEARTBEAT_MS, WRITE_BEGINS_WITHIN_MS } from '../model/deadlines.ts';

/**
 * Runs the body of an activity with a heartbeat in the background. The signal aborts calls in flight on a cancel, on a
 * worker's shutdown and at the activity's own deadline. A shutdown of the worker is not an operator's cancel: it ends
 * as the retryable failure `WorkerShutdown`. What of its calls may still arrive stands on the host (`BmcCalls`).
 */
export async function withHeartbeat<T>(body: (signal: AbortSignal) => Promise<T>, everyMs = HEARTBEAT_MS): Promise<T> {
  const context = Context.current();
  const beat = setInterval(() => context.heartbeat(), everyMs);
  try {
    return await body(context.cancellationSignal);
  } catch (error) {
    if (!context.cancellationSignal.aborted) throw error;
    throw endOfAborted(error, context);
  } finally {
    clearInterval(beat);
  }
}

function endOfAborted(error: unknown, context: Context): unknown {
  const details = context.cancellationDetails;
  if (details?.cancelRequested === true || details?.notFound === true)
    return new CancelledFailure('the operation was cancelled');
  if (error instanceof ApplicationFailure && error.nonRetryable === true) return error;
  return ApplicationFailure.create({
    message: 'the worker is shutting down, another one continues',
    type: 'WorkerShutdown' satisfies FailureType,
  });
}

/** Starts its time; what it gives throws `message` as a retryable failure once that is over. */
export function inTimeOr(message: string): () => void {
  const elapsedMs = stopwatch();
  return () => {
    if (elapsedMs() > WRITE_BEGINS_WITHIN_MS) throw retryable(message);
  };
}

/**
 * Runs `body` with a signal that fires also when `limitMs` are over; it fails then with `late` (a failure at the BMC),
 * and with the word that what it sent may still arrive where that is so. A lost claim stays what it is.
 */
export async function withinMs<T>(
  limitMs: number,
  signal: AbortSignal,
  late: { readonly message: string; readonly kind: string },
  body: (signal: AbortSignal) => Promise<T>,
): Promise<T> {
  const limit = AbortSignal.timeout(Math.max(0, Math.round(limitMs)));
  try {
    return await body(AbortSignal.any([signal, limit]));
  } catch (error) {
    if (signal.aborted || !limit.aborted || isClaimLost(error)) throw error;
    throw bmcFailure(late.message, late.kind, landingOf(error));
  }
}

/** Waits, or rejects at once when the signal aborts. */
export function delay(ms: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve, reject) => {
    if (signal.aborted) return reject(abortError(signal));
    const onAbort = () => {
      clearTimeout(timer);
      reject(abortError(signal));
    };
    const timer = setTimeout(() => {
      signal.removeEventListener('abort', onAbort);
      resolve();
    }, ms);
    signal.addEventListener('abort', onAbort, { once: true });
  });
}

/** What the promise gives, or a rejection at once when the signal aborts. Nothing is left waiting afterwards. */
export function orAborted<T>(promise: Promise<T>, signal: AbortSignal): Promise<T> {
  return new Promise((resolve, reject) => {
    if (signal.aborted) {
      // No other one hears of its end, and a rejection that nobody hears ends the process.
      promise.catch(() => undefined);
      return reject(abortError(signal));
    }
    const onAbort = () => reject(abortError(signal));
    signal.addEventListener('abort', onAbort, { once: true });
    promise.finally(() => signal.removeEventListener('abort', onAbort)).then(resolve, reject);
  });
}

function abortError(signal: AbortSignal): Error {
  return signal.reason instanceof Error ? signal.reason : new Error('aborted');
}
