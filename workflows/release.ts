import {
  ActivityFailure,
  ApplicationFailure,
  CancellationScope,
  getExternalWorkflowHandle,
  ParentClosePolicy,
  sleep,
  startChild,
  workflowInfo,
} from '@temporalio/workflow';
import { WorkflowExecutionAlreadyStartedError } from '@temporalio/common';
import type { ClaimRef } from '../contracts/claimRef.ts';
import type { MarkReleasingResult } from '../activities/release/markReleasing.ts';
import type { ReleaseHostInput, UnservedInput } from '../activities/release/releaseHost.ts';
import type { ClaimStage } from '../model/claim.ts';
import { hasAttributes, hostKey, namespaceKey } from './attributes.ts';
import { mayHaveLanded, sortFailure } from './failure.ts';
import { hostChanged } from '../contracts/messages.ts';
import { workflowId, WORKFLOW_TYPES, type ReleaseInput } from '../contracts/names.ts';
import { RELEASE_PRIORITY } from '../contracts/priority.ts';
import { awaitRelease, bmcOrTell, kubernetes, SETTLING_RELEASE } from './proxies.ts';

/** After this long a release goes on in a workflow of its own (rule 4). */
const HERE_MS = 120_000;
/**
 * So long after the mark nothing is sent from here any more, whatever has held this run up: after 5 minutes the host watcher starts
 * `release/<ns>/<host>` (controllers/hostWatcher.ts), since it cannot know whether this run still does it.
 */
const LATEST_MS = 240_000;

export interface Release {
  readonly claim: ClaimRef;
  /** Why, for the operator. */
  readonly reason: string;
  /** In which stages the caller may end a claim (rule 3). */
  readonly stages: readonly ClaimStage[];
  /**
   * An activity on this BMC did not confirm its end. `unlessHandedOver`: it may be so, since a run that comes to its end hands over or
   * releases; one that left the claim in another stage was terminated or lost.
   */
  readonly isUnconfirmed: boolean | 'unlessHandedOver';
}

/**
 * Releases a host (rule 4), in a scope that no cancel reaches. `released`: the host was seen off and is Available, or the claim
 * had ended; `continuing`: it goes on in `release/<ns>/<host>`, the host is Error and still claimed.
 */
export function releaseHere(release: Release): Promise<'released' | 'continuing'> {
  return CancellationScope.nonCancellable(async () => {
    const { claim } = release;
    const summary = `Marks host ${claim.host} as being released: ${release.reason}`;
    const marked = await kubernetes.markReleasing.executeWithOptions({ summary }, [
      { claim, reason: release.reason, stages: release.stages, run: workflowInfo().runId },
    ]);
    if (marked.kind === 'ended') return 'released';
    if (isBegunElsewhere(release, marked)) return leaveToIt(claim);
    const until = Date.now() + HERE_MS;
    const isUnconfirmed = release.isUnconfirmed === 'unlessHandedOver' ? !marked.wasHandedOver : release.isUnconfirmed;
    const notAfter = new Date(Date.parse(marked.since) + LATEST_MS).toISOString();
    const isDone = await tryRelease(
      { claim, isUnconfirmed, notAfter, run: workflowInfo().runId },
      marked,
      (delayMs) => Date.now() + delayMs < until,
    );
    if (isDone) return 'released';
    await goOnElsewhere(claim);
    return 'continuing';
  });
}

/**
 * Another run began this release, and may be at it still, or was lost in the middle of a call. Where the mark does not name its run (an earlier
 * version wrote it), what this run marked itself is told by its reason and its time.
 */
function isBegunElsewhere({ reason }: Release, marked: Exclude<MarkReleasingResult, { kind: 'ended' }>): boolean {
  if (marked.kind !== 'underWay') return false;
  if (marked.isOfAnother === true) return true;
  const isOurs = marked.reason === reason && Date.parse(marked.since) >= workflowInfo().startTime.getTime();
  return !isOurs;
}

/**
 * One run at a time releases a host: of two, one could free it while a call of the other is under way. `release/<ns>/<host>` is started, or
 * woken, and for a while waited for; what a run of before may have sent has settled before it frees the host.
 */
async function leaveToIt(claim: ClaimRef): Promise<'released' | 'continuing'> {
  if (!(await goOnElsewhere(claim))) {
    const id = workflowId('release', { namespace: claim.namespace, name: claim.host });
    await getExternalWorkflowHandle(id)
      .signal(hostChanged, { connectionHash: '' })
      // It has ended meanwhile: with the claim, or the host watcher starts another.
      .catch(() => undefined);
  }
  try {
    await awaitRelease.awaitClaimEnd.executeWithOptions(
      { summary: `Waits until host ${claim.host} is released`, scheduleToCloseTimeout: HERE_MS },
      [claim],
    );
    return 'released';
  } catch {
    return 'continuing';
  }
}

/** Tries until it is done; `mayTryAgain` is asked before each wait. Returns whether it is done. */
export async function tryRelease(
  release: Pick<ReleaseHostInput, 'claim' | 'isUnconfirmed' | 'notAfter' | 'run'>,
  marked: { readonly since: string; readonly wasHandedOver: boolean },
  mayTryAgain: (delayMs: number) => boolean,
  wait: (delayMs: number, summary: string) => Promise<unknown> = (delayMs, summary) => sleep(delayMs, { summary }),
): Promise<boolean> {
  const { claim } = release;
  let { isUnconfirmed } = release;
  // What was sent last may arrive until D after its sender was lost or gave it up: that is later than the mark when it was in here.
  let releasingSince = marked.since;
  for (let attempt = 1; ; attempt += 1) {
    const nextAttemptInMs = retryDelayMs(attempt);
    const summary = `Switches host ${claim.host} off, sees it off, and frees it (attempt ${attempt})`;
    const input = { ...release, ...marked, releasingSince, isUnconfirmed, attempt, nextAttemptInMs };
    try {
      await bmcOrTell(
        claim.pool,
        isUnconfirmed ? SETTLING_RELEASE : undefined,
        RELEASE_PRIORITY,
      ).releaseHost.executeWithOptions({ summary }, [input]);
      return true;
    } catch (error) {
      const failed = sortFailure(error);
      if (failed.kind === 'claimLost') return true;
      if (failed.kind === 'cancelled' || failed.kind === 'otherInstallation') throw error;
      if (mayHaveLanded(error)) {
        isUnconfirmed = true;
        releasingSince = new Date(Date.now()).toISOString();
      }
      if (failed.kind === 'shutdown') continue;
      // The activity itself had no time to tell it, or it was lost.
      if (isNotTold(error) || failed.kind === 'unconfirmed') {
        const told = await tell({ ...input, unconfirmed: failed.message }, 'how its release was cut short');
        if (told.kind !== 'pending') return true;
      }
      if (failed.kind === 'noWorker') {
        const told = await tell(input, 'that no worker takes its release');
        if (told.kind !== 'pending') return true;
        if (!mayTryAgain(0)) return false;
        // It was no attempt, and waits in the queue again: the first worker of the pool takes it at once.
        attempt -= 1;
        continue;
      }
      if (!mayTryAgain(nextAttemptInMs)) return false;
      await wait(nextAttemptInMs, `Next attempt to release host ${claim.host}: ${failed.message}`.slice(0, 200));
    }
  }
}

/** The worker refused the step before the activity began: nothing has been written on the host. */
function isNotTold(error: unknown): boolean {
  const cause = error instanceof ActivityFailure ? error.cause : error;
  return cause instanceof ApplicationFailure && ['ClockSkew', 'OtherInstallation'].includes(cause.type ?? '');
}

/** Tells why an attempt came to nothing, where the activity itself could not, and looks for the word to force it. */
async function tell(input: UnservedInput, what: string) {
  try {
    const summary = `Tells on host ${input.claim.host} ${what}`;
    return await kubernetes.releaseHostUnserved.executeWithOptions({ summary }, [input]);
  } catch (error) {
    if (sortFailure(error).kind !== 'claimLost') throw error;
    return { kind: 'ended' } as const;
  }
}

/** 2 s, doubling, at most 5 minutes. */
export function retryDelayMs(attempt: number): number {
  return Math.min(300_000, 2_000 * 2 ** Math.min(attempt - 1, 10));
}

/** Starts `release/<ns>/<host>`; false: there is one already. */
async function goOnElsewhere(claim: ClaimRef): Promise<boolean> {
  const input: ReleaseInput = {
    namespace: claim.namespace,
    name: claim.host,
    uid: claim.hostUid,
    claim: claim.id,
    ...(claim.pool === undefined ? {} : { pool: claim.pool }),
  };
  try {
    await startChild(WORKFLOW_TYPES.release, {
      workflowId: workflowId('release', input),
      args: [input],
      memo: { uid: claim.hostUid },
      parentClosePolicy: ParentClosePolicy.ABANDON,
      staticSummary: `Release host ${claim.namespace}/${claim.host}`,
      // As the watcher starts it, so that the host's runs are found together.
      ...(hasAttributes()
        ? {
            typedSearchAttributes: [
              { key: namespaceKey, value: claim.namespace },
              { key: hostKey, value: claim.host },
            ],
          }
        : {}),
    });
    return true;
  } catch (error) {
    // Somebody is releasing this host already.
    if (!(error instanceof WorkflowExecutionAlreadyStartedError)) throw error;
    return false;
  }
}
