import { log } from '@temporalio/activity';
import type { ApplicationFailure } from '@temporalio/common';
import { claimIn } from '../../model/claim.ts';
import { findCondition, isUpToDate, withConditions, type ConditionPatch } from '../../crds/conditions.ts';
import type { PhysicalHost } from '../../crds/physicalHost.ts';
import { CONDITIONS, HOST_REASONS, type HostReason } from '../../crds/reasons.ts';
import { orAborted } from '../activityScope.ts';
import type { ClaimRef } from '../../contracts/claimRef.ts';
import type { Dependencies } from '../dependencies.ts';
import { bmcFailureKind, fromRedfish, isBmcFailure } from '../failures.ts';
import { patchHostStatus } from '../store/hostStore.ts';
import { serverCondition } from './serverCheck.ts';

/** Kinds of failure that say nothing of the BMC: it was not asked, or answered as it should. */
const NOT_OF_THE_BMC: ReadonlySet<string> = new Set([
  'APIServerRefused',
  'Aborted',
  'DifferentServer',
  'DuplicateServer',
  'FenceExpired',
  'FenceRefused',
  'HostPaused',
  'NoWorker',
  'NotOff',
  'Unconfirmed',
]);

/** What is said of a BMC that did what it was asked. */
export const REACHABLE: ConditionPatch = {
  type: CONDITIONS.redfishReachable,
  status: 'True',
  reason: HOST_REASONS.reachable,
  message: 'The BMC answers.',
};

/** How long a step of a run waits until its word on the BMC is written. */
const TELL_MS = 3_000;

/** The reason for RedfishReachable=False; undefined when the failure was not the BMC's, nor its Secret's. */
export function unreachableReason(failure: unknown): HostReason | undefined {
  if (!isBmcFailure(failure) || NOT_OF_THE_BMC.has(bmcFailureKind(failure) ?? '')) return undefined;
  return reachabilityReason(failure);
}

/** The reason of the condition RedfishReachable for what went wrong at a BMC, or with its Secret. */
export function reachabilityReason(failure: ApplicationFailure): HostReason {
  const detail = failure.details?.[0] as { kind?: string } | undefined;
  switch (detail?.kind) {
    case 'Unauthorized':
      return HOST_REASONS.unauthorized;
    case 'PasswordChangeRequired':
      return HOST_REASONS.passwordChangeRequired;
    case 'SecretMissing':
      return HOST_REASONS.secretMissing;
    case 'SecretInvalid':
      return HOST_REASONS.secretInvalid;
    case 'SystemAmbiguous':
      return HOST_REASONS.systemAmbiguous;
    case 'SystemNotFound':
      return HOST_REASONS.systemNotFound;
    case 'DifferentServer':
      return HOST_REASONS.differentServer;
    case 'DuplicateServer':
      return HOST_REASONS.duplicateServer;
    case 'APIServerRefused':
      return HOST_REASONS.apiServerRefused;
    case 'AddressRefused':
      return HOST_REASONS.addressRefused;
    case 'PlainHttp':
      return HOST_REASONS.plainHttp;
    case 'Tls':
      return HOST_REASONS.tls;
    case 'Unreachable':
    case 'Timeout':
    case 'Busy':
      return HOST_REASONS.unreachable;
    default:
      return HOST_REASONS.redfishError;
  }
}

/**
 * Runs a step that boots the server of a claimed host; when its BMC (or the BMC's Secret) is what made it fail, that is
 * said in the host's condition RedfishReachable, and nothing else of the host changes. The step comes to the same
 * whether that can be written or not.
 */
export async function reportingReachability<T>(
  deps: Pick<Dependencies, 'kube'>,
  ref: ClaimRef,
  signal: AbortSignal,
  step: () => Promise<T>,
): Promise<T> {
  try {
    return await step();
  } catch (error) {
    const failure = fromRedfish(error, ref.host);
    const reason = unreachableReason(failure);
    if (reason !== undefined && !signal.aborted) {
      const message = `${(failure as Error).message}. Beskar7Machine ${ref.machine.name} says when it is tried again.`;
      const patch: ConditionPatch = { type: CONDITIONS.redfishReachable, status: 'False', reason, message };
      await reportReachability(deps, ref, patch, signal);
    }
    const [different] = serverCondition(failure);
    if (different !== undefined && !signal.aborted) await reportReachability(deps, ref, different, signal);
    throw error;
  }
}

/**
 * Says in the condition RedfishReachable how the BMC of a claimed host answered, while its server is being booted. Does
 * not fail, and takes seconds at most.
 */
export async function reportReachability(
  deps: Pick<Dependencies, 'kube'>,
  ref: ClaimRef,
  patch: ConditionPatch,
  signal: AbortSignal,
): Promise<void> {
  const limit = AbortSignal.any([signal, AbortSignal.timeout(TELL_MS)]);
  const written = patchHostStatus(deps.kube, ref, (live) => {
    // Given up meanwhile: a later step knows better. A write under way is held off by its resourceVersion.
    limit.throwIfAborted();
    const { conditions } = live.status ?? {};
    if (isUpToDate(findCondition(conditions, patch.type), patch) || !isBeingBooted(live, ref)) return undefined;
    return { conditions: withConditions(conditions, [patch], new Date().toISOString(), live.metadata.generation) };
  });
  await orAborted(written, limit).catch((error: unknown) => {
    if (!signal.aborted)
      log.warn('the outcome of a BMC call could not be written to its host', { host: ref.host, err: error });
  });
}

/** Before and after that, someone else says how its BMC is: the monitor, or the release. */
function isBeingBooted(host: PhysicalHost, ref: ClaimRef): boolean {
  if (host.metadata.uid !== ref.hostUid || claimIn(host, 'Claimed', 'Armed')?.id !== ref.id) return false;
  return seenOnUntil(host, ref) === undefined;
}

/** RFC 3339: when the report is due of a server that was confirmed on for this claim; undefined before that. */
export function seenOnUntil(host: PhysicalHost | undefined, ref: Pick<ClaimRef, 'id'>): string | undefined {
  const inspection = host?.status?.inspection;
  return inspection?.claim === ref.id ? inspection.deadline : undefined;
}
