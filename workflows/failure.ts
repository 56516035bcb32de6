import { ActivityFailure, ApplicationFailure, TimeoutFailure, isCancellation } from '@temporalio/workflow';
import type { FailureType } from '../activities/failures.ts';

/** What became of an activity that did not succeed, as far as a workflow decides on it. */
export interface Failed {
  readonly kind:
    | 'cancelled'
    | 'claimLost'
    | 'differentServer'
    | 'otherInstallation'
    | 'permanent'
    | 'shutdown'
    | 'unconfirmed'
    | 'noWorker'
    | 'failed';
  /** For the operator. */
  readonly message: string;
}

const UNCONFIRMED: Readonly<Record<string, string>> = {
  SCHEDULE_TO_CLOSE:
    'nothing came back until its deadline: the worker that made the call was lost, or none took it (is a bmc-worker of its pool running?)',
  START_TO_CLOSE: 'the call did not come to its end in time, and was given up: the BMC or the API server is very slow',
};

/**
 * Sorts a failure. `unconfirmed`: the worker was lost or silent, what the activity sent stands on the host (rule 4);
 * `otherInstallation`: the run is not of the installation that the Temporal namespace belongs to, it ends without a
 * further step; `noWorker`: nobody took the call, nothing was sent; `shutdown`: another worker takes over at once;
 * `permanent`: trying again cannot help.
 */
export function sortFailure(error: unknown): Failed {
  if (isCancellation(error)) return { kind: 'cancelled', message: 'cancelled' };
  const cause = error instanceof ActivityFailure ? error.cause : error;
  if (cause instanceof TimeoutFailure) {
    const neverStarted = cause.timeoutType === 'SCHEDULE_TO_START';
    return neverStarted
      ? { kind: 'noWorker', message: 'no worker took the call: is a bmc-worker for this pool running?' }
      : {
          kind: 'unconfirmed',
          message:
            UNCONFIRMED[cause.timeoutType ?? ''] ??
            `the worker that made the call was lost (${cause.timeoutType ?? 'timeout'})`,
        };
  }
  const message = cause instanceof Error ? cause.message : String(cause);
  if (!(cause instanceof ApplicationFailure)) return { kind: 'failed', message };
  switch (cause.type as FailureType) {
    case 'ClaimLost':
      return { kind: 'claimLost', message };
    case 'DifferentServer':
      return { kind: 'differentServer', message };
    case 'InvalidBootConfiguration':
      return { kind: 'permanent', message };
    case 'OtherInstallation':
      return { kind: cause.nonRetryable === true ? 'otherInstallation' : 'failed', message };
    case 'WorkerShutdown':
      return { kind: 'shutdown', message };
    case 'BmcFailure':
    case 'BmcCredentials':
      return { kind: 'failed', message };
    default:
      return { kind: cause.nonRetryable === true ? 'permanent' : 'failed', message };
  }
}
