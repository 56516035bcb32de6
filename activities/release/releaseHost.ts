import { log } from '@temporalio/activity';
import { claimOf } from '../../model/claim.ts';
import { callsUntil } from '../../model/callsUntil.ts';
import { BMC_ACTIVITY_MS, IN_FLIGHT_MS, REPORT_MS } from '../../model/deadlines.ts';
import { forceReasonOf } from '../../model/forceRelease.ts';
import { isBeingDeleted } from '../../model/stops.ts';
import {
  ANNOTATION_CALLS_UNTIL,
  ANNOTATION_CLAIM,
  ANNOTATION_FORCE_RELEASE,
  LABEL_CONSUMER_UID,
} from '../../crds/names.ts';
import type { PhysicalHost } from '../../crds/physicalHost.ts';
import { HOST_REASONS } from '../../crds/reasons.ts';
import { deleteBootSecrets } from '../provision/bootSecret.ts';
import type { ClaimRef } from '../../contracts/claimRef.ts';
import { withinMs } from '../activityScope.ts';
import type { Dependencies } from '../dependencies.ts';
import {
  claimLost,
  fromRedfish,
  isBmcFailure,
  isClaimLost,
  isNoWorker,
  isRefusedWrite,
  unserved,
  refusedWrite,
  retryable,
} from '../failures.ts';
import { refuseMoved, refusePaused } from '../bmc/fence.ts';
import { overrideLeft } from '../bmc/leftOverride.ts';
import { bmcConditions, writeNotReady } from '../bmc/notReady.ts';
import { freedStatus } from './freedStatus.ts';
import { hasClaim, patchHost, patchHostStatus, readHost, requireClaim } from '../store/hostStore.ts';
import { isReleasedByForce } from './orphan.ts';
import type { ReleaseHostInput } from './releaseInput.ts';
import { offButNotCleared, settlingMs, switchOffAndClear, type ReleaseProgress } from './releasePower.ts';
import { forceHint, releasingText, reportReleasing } from './releaseReport.ts';
import { refuseRunning } from './runningMachine.ts';

/** `released`: power-off confirmed. `forced`: freed by force-release. `ended`: the claim had ended before. */
export type ReleaseHostResult = { readonly kind: 'released' | 'forced' | 'ended' };

/**
 * Off, see Off, clear the override, revoke the token, and clear the claim in one compare-and-swap (rule 4). A failure
 * is reported on the host, which stays claimed, in Error, until it succeeds or an operator forces it.
 */
export async function releaseHost(
  deps: Dependencies,
  input: ReleaseHostInput,
  signal: AbortSignal,
  ownLimitMs?: number,
): Promise<ReleaseHostResult> {
  const { claim: ref } = input;
  const begun = performance.now();
  const seeOff = (host: PhysicalHost): Promise<string | undefined> => {
    const limitMs = ownLimitMs ?? BMC_ACTIVITY_MS + settlingMs(host, ref);
    const progress: ReleaseProgress = { isOff: false };
    const late = {
      kind: 'PowerOffNotSeen',
      get message() {
        const what = progress.isOff
          ? offButNotCleared(ref.host)
          : `the server of host ${ref.host} was not confirmed off`;
        return `${what} within ${Math.round(limitMs / 1000)} s: its BMC is slow, or does not do what it accepts`;
      },
    };
    return withinMs(begun + limitMs - performance.now(), signal, late, (limited) =>
      switchOffAndClear(deps, input, host, limited, limitMs, progress),
    );
  };
  return release(deps, input, signal, seeOff);
}

/** A release that no worker carried out to its end. */
export interface UnservedInput extends ReleaseHostInput {
  /** What became of an attempt whose end was not confirmed; absent: no worker took it. */
  readonly unconfirmed?: string;
}

/**
 * The same when no worker of the host's pool takes it, or when the end of the attempt was not confirmed: that is
 * reported on the host, and an operator may force the release without one. Calls no BMC. `pending`: the host stays
 * claimed.
 */
export async function releaseHostUnserved(
  deps: Dependencies,
  input: UnservedInput,
): Promise<ReleaseHostResult | { readonly kind: 'pending' }> {
  const { claim, unconfirmed } = input;
  const why = unserved(claim.host, claim.pool, unconfirmed);
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
): Promise<ReleaseHostResult> {
  const { claim: ref } = input;
  const found = await readHost(deps.kube, ref.namespace, ref.host, signal);
  if (!hasClaim(found, ref)) return { kind: 'ended' };
  const { host, claim } = requireClaim(found, ref, ['Releasing']);
  refuseMoved(host);
  await refuseRunning(deps, ref, host, signal);
  const forced = forceReasonOf(host);
  // Force-release is for a BMC that does not do its part: written before, the BMC is tried first.
  const isTried = host.status?.state === 'Error' || isReleasedByForce(claim);
  if (forced !== undefined && isTried) return forceRelease(deps, input, host, forced);
  let left: string | undefined;
  try {
    refusePaused(host);
    left = await seeOff(host);
  } catch (error) {
    const failure = fromRedfish(error, ref.host);
    if (signal.aborted || isClaimLost(failure)) throw failure;
    const word = isBmcFailure(failure) ? (forced ?? (await forceReasonWrittenMeanwhile(deps, ref, signal))) : undefined;
    if (word !== undefined) return forceRelease(deps, input, host, word);
    await reportFailure(deps, input, failure);
    throw failure;
  }
  await endClaim(deps, input, host, 'Available', left);
  if (left !== undefined) deps.recorder.event(host, 'Warning', 'BootOverrideLeft', overrideLeft(left).message);
  deps.recorder.event(
    host,
    'Normal',
    'HostReleased',
    `Released by Beskar7Machine ${ref.machine.name}: powered off, power-off confirmed`,
  );
  log.info('host released', { namespace: ref.namespace, host: ref.host, claim: ref.id });
  return { kind: 'released' };
}

/** The force-release annotation, written while the BMC was tried: an attempt may take more than a minute. */
async function forceReasonWrittenMeanwhile(
  deps: Dependencies,
  ref: ClaimRef,
  signal: AbortSignal,
): Promise<string | undefined> {
  try {
    const live = await readHost(deps.kube, ref.namespace, ref.host, signal);
    return live && claimOf(live)?.id === ref.id ? forceReasonOf(live) : undefined;
  } catch {
    // What the BMC said counts for more; the next attempt looks again.
    return undefined;
  }
}

/**
 * Clears consumerRef, label and claim in one write; then the status, and what is left of the token. The request to
 * release by force was said of this claim: left standing, it would free the next one without a look at its server.
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
    await reportFailure(deps, input, failure);
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
  const claim = claimOf(host);
  await deleteBootSecrets(deps.kube, ref, claim?.bootSecret);
  const cleared = await patchHost(
    deps.kube,
    ref,
    (live) => {
      requireClaim(live, ref, ['Releasing']);
      // Also a late attempt, whose worker was taken for lost, frees no host that another one calls.
      if (state === 'Available' && callsUntil(live, IN_FLIGHT_MS) !== undefined)
        throw retryable(`something may still arrive at the BMC of host ${ref.host}: it is not free yet`);
      return {
        metadata: {
          labels: { [LABEL_CONSUMER_UID]: null },
          annotations: {
            [ANNOTATION_CLAIM]: null,
            // Waited for where the server was confirmed off; a release by force waits for nothing.
            ...(state === 'Available' ? { [ANNOTATION_CALLS_UNTIL]: null } : {}),
            // A host that is being deleted has no next claim, and its retirement would meet the same BMC.
            ...(isBeingDeleted(live) ? {} : { [ANNOTATION_FORCE_RELEASE]: null }),
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
      claimOf(live) === undefined && live.spec.consumerRef === undefined
        ? freedStatus(live, state, left, claim)
        : undefined,
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
    `Released by force, power-off not confirmed: "${reason.slice(0, 200)}". Its server may still run.`,
  );
  return { kind: 'forced' };
}

async function reportFailure(deps: Dependencies, input: ReleaseHostInput, failure: unknown): Promise<void> {
  const { claim: ref } = input;
  const message = failure instanceof Error ? failure.message : String(failure);
  const isUnserved = isNoWorker(failure);
  const next = isUnserved
    ? 'it continues as soon as one picks it up'
    : `next attempt at ${new Date(Date.now() + input.nextAttemptInMs).toISOString()}`;
  const text =
    `Release, attempt ${input.attempt}: ${message}. The host stays claimed until power-off is confirmed; ${next}. ` +
    forceHint(ref);
  const isDue = (live: PhysicalHost) => {
    if (claimOf(live)?.id !== ref.id) throw claimLost(`host ${ref.namespace}/${ref.host}: the claim has ended`);
    return true;
  };
  const why = { reason: HOST_REASONS.releasePending, message: text, conditions: bmcConditions(failure) };
  const told = await writeNotReady(deps.kube, ref, why, { isDue });
  await reportReleasing(deps, ref, releasingText(told, ref), AbortSignal.timeout(REPORT_MS));
}
