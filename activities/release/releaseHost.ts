import { log } from '@temporalio/activity';
import { ApplicationFailure } from '@temporalio/common';
import { claimOf, type Claim } from '../../model/claim.ts';
import { withConditions, type ConditionPatch } from '../../crds/conditions.ts';
import { IN_FLIGHT_MS } from '../../model/deadlines.ts';
import { forceReasonOf } from '../../model/forceRelease.ts';
import { ANNOTATION_CLAIM, ANNOTATION_FORCE_RELEASE, LABEL_CONSUMER_UID } from '../../crds/names.ts';
import type { PhysicalHost } from '../../crds/physicalHost.ts';
import { CONDITIONS, HOST_REASONS } from '../../crds/reasons.ts';
import { deleteBootSecrets } from '../provision/bootSecret.ts';
import type { ClaimRef } from '../../contracts/claimRef.ts';
import { BMC_ACTIVITY_MS, withinMs } from '../activityScope.ts';
import type { Dependencies } from '../dependencies.ts';
import {
  bmcFailure,
  claimLost,
  fromRedfish,
  isBmcFailure,
  isClaimLost,
  isNoWorker,
  isRefusedWrite,
  isReleaseLeft,
  landingOf,
  noWorker,
  refusedWrite,
  type FailureType,
  type Landing,
} from '../failures.ts';
import { refuseMoved, refusePaused } from '../bmc/fence.ts';
import { overrideLeft } from '../bmc/leftOverride.ts';
import { freedStatus } from './freedStatus.ts';
import { patchHost, patchHostStatus, readHost, requireClaim } from '../store/hostStore.ts';
import { isBegunByAnother } from './markReleasing.ts';
import { isReleasedByForce } from './orphan.ts';
import { ON_TAKES_MS } from '../bmc/power.ts';
import { unreachableReason } from '../bmc/reachability.ts';
import { offButNotCleared, switchOffAndClear, type ReleaseProgress } from './releasePower.ts';
import { forceHint } from './releaseTold.ts';
import { refuseRunning } from './runningMachine.ts';
import { serverCondition } from '../bmc/serverCheck.ts';

export interface ReleaseHostInput {
  readonly claim: ClaimRef;
  readonly wasHandedOver: boolean;
  /** The last activity on this BMC did not confirm its end: what it sent may still arrive (rule 4). */
  readonly isUnconfirmed: boolean;
  /** RFC 3339: when `Releasing` was written, or a worker was lost that released. */
  readonly releasingSince: string;
  /**
   * RFC 3339: when another run may take the release over, for want of a word from this one (decision 0015). Nothing is sent later, also
   * where Temporal or the worker's queue was in the way. Absent: this is that other run.
   */
  readonly notAfter?: string;
  /** Run id of the caller where it releases what it has marked itself: a run that was reset has to leave that to `release/<ns>/<host>`. */
  readonly run?: string;
  /** Which try this is, from 1, and when the next one is due if it fails; both are told on the host. */
  readonly attempt: number;
  readonly nextAttemptInMs: number;
}

export type ReleaseHostResult = { readonly kind: 'released' | 'forced' | 'ended' };

/** By so much a timer may be early by another clock. */
const TIMER_MS = 5;

/**
 * Off, see Off, clear the override, revoke the token, and clear the claim in one compare-and-swap (rule 4). A failure is told
 * on the host, which stays claimed, in Error, until it succeeds or an operator forces it.
 */
export async function releaseHost(
  deps: Dependencies,
  input: ReleaseHostInput,
  signal: AbortSignal,
  limitMs = BMC_ACTIVITY_MS + settlingMs(input),
): Promise<ReleaseHostResult> {
  const { claim: ref, notAfter } = input;
  const ownMs = notAfter === undefined ? Infinity : Date.parse(notAfter) - Date.now();
  const until = performance.now() + Math.min(limitMs, ownMs);
  const progress: ReleaseProgress = { isOff: false };
  const late = {
    kind: 'PowerOffNotSeen',
    get message() {
      const what = progress.isOff ? offButNotCleared(ref.host) : `the server of host ${ref.host} was not confirmed off`;
      return `${what} within ${Math.round(limitMs / 1000)} s: its BMC is slow, or does not do what it accepts`;
    },
  };
  const isLeft = (claim: Claim) => ownMs <= 0 || isBegunByAnother(claim, input.run);
  const seeOff = async (host: PhysicalHost): Promise<string | undefined> => {
    try {
      return await withinMs(until - performance.now(), signal, late, (limited) =>
        switchOffAndClear(deps, input, host, limited, progress),
      );
    } catch (error) {
      const isTooLate = ownMs < limitMs && performance.now() >= until - TIMER_MS;
      throw isTooLate && !signal.aborted && isBmcFailure(error) ? releaseLeft(ref.host, landingOf(error) ?? {}) : error;
    }
  };
  return release(deps, input, signal, seeOff, isLeft);
}

/** What the release has to wait for, beside its own calls, before it may clear the claim (at most 137 s; Temporal gives the activity 270 s). */
function settlingMs({ isUnconfirmed, releasingSince }: ReleaseHostInput): number {
  if (!isUnconfirmed) return 0;
  const mostMs = IN_FLIGHT_MS + ON_TAKES_MS;
  return Math.min(mostMs, Math.max(0, Date.parse(releasingSince) + mostMs - Date.now()));
}

/** Nothing is told on the host: whoever does it from here on tells what comes of it. `landing`: something was sent before. */
function releaseLeft(host: string, landing?: Partial<Landing>): ApplicationFailure {
  const message = `it is too late for this run to release host ${host}, or the work of another: release/<namespace>/${host} does it`;
  const type: FailureType = 'ReleaseLeft';
  return ApplicationFailure.create({ message, type, ...(landing ? { details: [landing] } : {}) });
}

export interface UnservedInput extends ReleaseHostInput {
  /** What became of an attempt whose end nobody confirmed; absent: no worker took it. */
  readonly unconfirmed?: string;
}

/**
 * The same when no worker of the host's pool takes it, or when nobody confirmed the end of the attempt: that is told on the host, and an
 * operator may force the release without one. Calls no BMC. `pending`: the host stays claimed.
 */
export async function releaseHostUnserved(
  deps: Dependencies,
  input: UnservedInput,
): Promise<ReleaseHostResult | { readonly kind: 'pending' }> {
  const { claim, unconfirmed } = input;
  const why = unconfirmed === undefined ? noWorker(claim.host, claim.pool) : bmcFailure(unconfirmed, 'Unconfirmed');
  try {
    return await release(deps, input, new AbortController().signal, () => Promise.reject(why));
  } catch (error) {
    if (isBmcFailure(error)) return { kind: 'pending' };
    throw error;
  }
}

async function release(
  deps: Dependencies,
  input: ReleaseHostInput,
  signal: AbortSignal,
  seeOff: (host: PhysicalHost) => Promise<string | undefined>,
  isLeft: (claim: Claim) => boolean = () => false,
): Promise<ReleaseHostResult> {
  const { claim: ref } = input;
  const host = await readHost(deps.kube, ref.namespace, ref.host, signal);
  if (host === undefined || host.metadata.uid !== ref.hostUid || claimOf(host)?.id !== ref.id) return { kind: 'ended' };
  const claim = requireClaim(host, ref, ['Releasing']);
  refuseMoved(host);
  if (isLeft(claim)) throw releaseLeft(ref.host);
  await refuseRunning(deps, ref, host, signal);
  const forced = forceReasonOf(host);
  // The word is for a BMC that does not do its part: said beforehand, it is tried first.
  const isTried = host.status?.state === 'Error' || isReleasedByForce(claim);
  if (forced !== undefined && isTried) return forceRelease(deps, input, host, forced);
  let left: string | undefined;
  try {
    refusePaused(host);
    left = await seeOff(host);
  } catch (error) {
    const failure = fromRedfish(error, ref.host);
    if (signal.aborted || isClaimLost(failure) || isReleaseLeft(failure)) throw failure;
    const word = isBmcFailure(failure) ? (forced ?? (await wordSaidMeanwhile(deps, ref, signal))) : undefined;
    if (word !== undefined) return forceRelease(deps, input, host, word);
    await tellFailure(deps, input, failure);
    throw failure;
  }
  await endClaim(deps, input, host, 'Available', left);
  if (left !== undefined) deps.recorder.event(host, 'Warning', 'BootOverrideLeft', overrideLeft(left).message);
  deps.recorder.event(
    host,
    'Normal',
    'HostReleased',
    `Released by Beskar7Machine ${ref.machine.name}: switched off, seen off`,
  );
  log.info('host released', { namespace: ref.namespace, host: ref.host, claim: ref.id });
  return { kind: 'released' };
}

/** The word to force, said while the BMC was tried: an attempt may take more than a minute. */
async function wordSaidMeanwhile(deps: Dependencies, ref: ClaimRef, signal: AbortSignal): Promise<string | undefined> {
  try {
    const live = await readHost(deps.kube, ref.namespace, ref.host, signal);
    return live && claimOf(live)?.id === ref.id ? forceReasonOf(live) : undefined;
  } catch {
    // What the BMC said counts for more; the next attempt looks again.
    return undefined;
  }
}

/**
 * Clears consumerRef, label and claim in one write; then the status, and what is left of the token. The word to release by force was
 * said of this claim: left standing, it would free the next one without a look at its server.
 */
async function endClaim(
  deps: Dependencies,
  input: ReleaseHostInput,
  host: PhysicalHost,
  state: 'Available' | 'Enrolling',
  left?: string,
): Promise<void> {
  const { claim: ref } = input;
  try {
    await writeEnd(deps, ref, host, state, left);
  } catch (error) {
    if (!isRefusedWrite(error)) throw error;
    const failure = refusedWrite(`host ${ref.host} cannot be freed`, error);
    await tellFailure(deps, input, failure);
    throw failure;
  }
}

async function writeEnd(
  deps: Dependencies,
  ref: ClaimRef,
  host: PhysicalHost,
  state: 'Available' | 'Enrolling',
  left: string | undefined,
): Promise<void> {
  await deleteBootSecrets(deps.kube, ref, claimOf(host)?.bootSecret);
  const cleared = await patchHost(
    deps.kube,
    ref,
    (live) => {
      requireClaim(live, ref, ['Releasing']);
      return {
        metadata: {
          labels: { [LABEL_CONSUMER_UID]: null },
          annotations: {
            [ANNOTATION_CLAIM]: null,
            // A host that is being deleted has no next claim, and its retirement would meet the same BMC.
            ...(live.metadata.deletionTimestamp === undefined ? { [ANNOTATION_FORCE_RELEASE]: null } : {}),
          },
        },
        spec: { consumerRef: null },
      };
    },
    host,
  );
  await patchHostStatus(
    deps.kube,
    ref,
    (live) =>
      claimOf(live) === undefined && live.spec.consumerRef === undefined ? freedStatus(live, state, left) : undefined,
    cleared,
  );
}

async function forceRelease(
  deps: Dependencies,
  input: ReleaseHostInput,
  host: PhysicalHost,
  reason: string,
): Promise<ReleaseHostResult> {
  await endClaim(deps, input, host, 'Enrolling');
  deps.recorder.event(
    host,
    'Warning',
    'ForceReleased',
    `Released by force, not seen off: "${reason.slice(0, 200)}". Its server may still run.`,
  );
  return { kind: 'forced' };
}

async function tellFailure(deps: Dependencies, input: ReleaseHostInput, failure: unknown): Promise<void> {
  const { claim: ref } = input;
  const message = failure instanceof Error ? failure.message : String(failure);
  const isUnserved = isNoWorker(failure);
  const next = isUnserved
    ? 'it goes on as soon as one takes it'
    : `next attempt at ${new Date(Date.now() + input.nextAttemptInMs).toISOString()}`;
  await patchHostStatus(deps.kube, ref, (live) => {
    if (claimOf(live)?.id !== ref.id) throw claimLost(`host ${ref.namespace}/${ref.host}: the claim has ended`);
    const text =
      `Release, attempt ${input.attempt}: ${message}. The host stays claimed until it is seen off; ${next}. ` +
      forceHint(ref);
    const patches: ConditionPatch[] = [
      { type: CONDITIONS.ready, status: 'False', reason: HOST_REASONS.releasePending, message: text },
    ];
    const reason = unreachableReason(failure);
    if (reason !== undefined) patches.push({ type: CONDITIONS.redfishReachable, status: 'False', reason, message });
    patches.push(...serverCondition(failure));
    return {
      state: 'Error',
      ready: false,
      conditions: withConditions(live.status?.conditions, patches, new Date().toISOString(), live.metadata.generation),
    };
  });
}
