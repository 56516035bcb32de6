import type { Kind } from './history.ts';

/** A way that a run can take: steps of `stepsOf` that follow each other, others between them. */
export interface Path {
  readonly kind: Kind;
  readonly steps: readonly string[];
  /** A step that a run on this way has not. */
  readonly never?: string;
}

/** Whether the steps of a run take a path. */
export function takes(steps: readonly string[], path: Path): boolean {
  if (path.never !== undefined && steps.includes(path.never)) return false;
  let from = 0;
  for (const wanted of path.steps) {
    const at = steps.indexOf(wanted, from);
    if (at < 0) return false;
    from = at + 1;
  }
  return true;
}

const path = (kind: Kind, ...steps: string[]): Path => ({ kind, steps });

/** What the histories of each version have to show. */
export const PATHS: Readonly<Record<string, Path>> = {
  'a provisioning': path('provision', 'claimHost: claimed', 'settleHandover: provisioned', 'COMPLETED'),
  'one that waits for the final OS': path('provision', 'signal osReported', 'settleHandover: provisioned', 'COMPLETED'),
  'a second attempt, on another host': path(
    'provision',
    'claimHost: claimed',
    'markReleasing: releasing',
    'signal claimEnded',
    'markReleasing: ended',
    'reportProgress: done',
    'claimHost: claimed',
    'COMPLETED',
  ),
  'no attempt left': path('provision', 'claimHost: claimed', 'claimHost: claimed', 'failMachine: done', 'FAILED'),
  'a wait for a host, and its wake-up': path(
    'provision',
    'claimHost: noMatchingHost',
    'signal hostAvailable',
    'claimHost: claimed',
    'COMPLETED',
  ),
  'a cancel while it waits for a host': path('provision', 'claimHost: noMatchingHost', 'CANCEL_REQUESTED', 'CANCELED'),
  'a boot that is tried again': path(
    'provision',
    'prepareBoot failed: BmcFailure',
    'reportProgress: done',
    'timer fired',
    'bootInspector: done',
    'COMPLETED',
  ),
  'a boot that does not come about, and a release that goes on elsewhere': path(
    'provision',
    'prepareBoot failed: BmcFailure',
    'markReleasing: releasing',
    'requestRelease: done',
    'timer fired',
    'FAILED',
  ),
  'a worker that is lost while it boots': path('provision', 'prepareBoot timed out: SCHEDULE_TO_CLOSE', 'FAILED'),
  'no report in time': path('provision', 'takeReport: timedOut', 'markReleasing: ended', 'FAILED'),
  'no hand-over in time': path('provision', 'takeReport: reported', 'settleHandover: timedOut', 'FAILED'),
  'an inspection image that gives up': path('provision', 'takeReport: reported', 'settleHandover: failed', 'FAILED'),
  'a cancel while the server boots': path(
    'provision',
    'bootInspector: done',
    'CANCEL_REQUESTED',
    'signal claimEnded',
    'markReleasing: ended',
    'CANCELED',
  ),
  'a fresh history while it waits': path('provision', 'claimHost: noMatchingHost', 'CONTINUED_AS_NEW'),
  'a fresh history while it waits in a later attempt': path(
    'provision',
    'markReleasing: ended',
    'reportProgress: done',
    'claimHost: noMatchingHost',
    'signal hostAvailable',
    'CONTINUED_AS_NEW',
  ),
  'a claim that is refused, and tried again': path(
    'provision',
    'claimHost: claimRefused',
    'timer fired',
    'claimHost: claimed',
    'COMPLETED',
  ),
  'a release that another run began, then another host': path(
    'provision',
    'claimHost: claimed',
    'markReleasing: releasing',
    'markReleasing: ended',
    'reportProgress: done',
    'claimHost: claimed',
    'COMPLETED',
  ),
  'a boot that no worker takes for a while': path(
    'provision',
    'prepareBoot timed out: SCHEDULE_TO_START',
    'reportProgress: done',
    'bootInspector: done',
  ),
  'a deprovisioning': path('deprovision', 'markReleasing: ended', 'removeMachineFinalizer: done', 'COMPLETED'),
  'a release that no worker takes': path('release', 'releaseHost timed out: SCHEDULE_TO_START', 'releaseHostUnserved'),
  'one that waits for a release elsewhere': path(
    'deprovision',
    'requestRelease: done',
    'timer fired',
    'markReleasing: ended',
    'COMPLETED',
  ),
  'one of two hosts': path('deprovision', 'findClaims: done', 'markReleasing', 'markReleasing', 'COMPLETED'),
  'one whose worker is lost': path('release', 'releaseHost timed out: HEARTBEAT', 'releaseHost: released'),
  'an enrolment': path('enroll', 'enrollHost: enrolled', 'COMPLETED'),
  'one that is tried again when the host changes': path(
    'enroll',
    'enrollHost: failed',
    'signal hostChanged',
    'enrollHost: enrolled',
  ),
  'an enrolment that no worker takes': path(
    'enroll',
    'enrollHost timed out: SCHEDULE_TO_START',
    'enrollHostUnserved: pending',
  ),
  'an enrolment that goes on in a fresh history': path('enroll', 'enrollHost: failed', 'CONTINUED_AS_NEW'),
  'a release that another run began': {
    ...path('release', 'findReleasing: done', 'releaseHost: released', 'COMPLETED'),
    never: 'lookForConsumer',
  },
  'the release of an orphan': path('release', 'lookForConsumer: missing', 'timer fired', 'releaseHost: released'),
  'a release that goes on in a fresh history': path('release', 'releaseHost failed: BmcFailure', 'CONTINUED_AS_NEW'),
  'a retirement': path('retire', 'retireHost: off', 'removeHostFinalizer: gone', 'COMPLETED'),
  'a retirement whose worker is lost': path(
    'retire',
    'retireHost timed out: HEARTBEAT',
    'timer fired',
    'retireHost: off',
  ),
  'a retirement that no worker takes': path('retire', 'retireHost timed out: SCHEDULE_TO_START', 'retireHostUnserved'),
  'a retirement that goes on in a fresh history': path('retire', 'retireHost failed: BmcFailure', 'CONTINUED_AS_NEW'),
  'a monitor whose pool is gone': path('monitor', 'monitorShard: noHosts', 'COMPLETED'),
  'a monitor whose settings change': path('monitor', 'signal monitorSettings', 'CONTINUED_AS_NEW'),
  'a monitor whose shard is gone': path('monitor', 'signal monitorSettings', 'COMPLETED'),
  'a provisioning that adopts a release': path('provision', 'claimHost: claimed', 'markReleasing: releasing'),
  'a deprovision of two hosts': path('deprovision', 'findClaims: done', 'markReleasing', 'markReleasing'),
  'a later attempt that waits for a host and goes on in a fresh history': path(
    'provision',
    'markReleasing: ended',
    'reportProgress: done',
    'claimHost: noMatchingHost',
    'signal hostAvailable',
    'fresh history suggested',
  ),
};

/**
 * For each id of `patched` in the workflow code, the way by which a run comes to its line. None before the first
 * release.
 */
export const PATCHED_LINES: Readonly<Record<string, Path>> = {};
