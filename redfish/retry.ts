import { growingPauseMs, requestedPauseMs } from './delay.ts';
import { RedfishError } from './error.ts';

/**
 * How long to wait before the same request is sent again, in ms; undefined when it must not be: after what may have
 * taken effect, and where waiting does not help. `isAccepted`: the BMC is known to take the credentials.
 */
export function pauseBeforeRetry(error: unknown, attempt: number, isAccepted: boolean): number | undefined {
  if (!(error instanceof RedfishError) || error.mayHaveLanded) return undefined;
  // A BMC that starts, or stumbles, answers 500 or an odd page: once.
  if (isOddAnswer(error)) return attempt === 0 ? growingPauseMs(0) : undefined;
  if (error.kind !== 'Busy' && !error.lostConnection) return undefined;
  // A BMC may break the connection in place of a 401: credentials that it never accepted are not sent again and again.
  if (error.lostConnection && attempt > 0 && !isAccepted) return undefined;
  if (error.retryAfterMs !== undefined) return requestedPauseMs(error.retryAfterMs, attempt);
  // A kept connection that the BMC closed in the meantime is no sign of trouble: the first repeat comes soon.
  if (error.lostConnection && attempt === 0) return requestedPauseMs(0, 0);
  return growingPauseMs(attempt);
}

/** To a GET: a change that is refused is `Refused`. */
function isOddAnswer({ kind, status, retryable }: RedfishError): boolean {
  return kind === 'Protocol' && status !== undefined && retryable;
}
