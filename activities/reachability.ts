import type { ApplicationFailure } from '@temporalio/common';
import { HOST_REASONS, type HostReason } from '../crds/reasons.ts';
import { bmcFailureKind, isBmcFailure } from './failures.ts';

/** Kinds of failure that say nothing of the BMC: it was not asked, or answered as it should. */
const NOT_OF_THE_BMC: ReadonlySet<string> = new Set([
  'APIServerRefused',
  'FenceExpired',
  'FenceRefused',
  'NoWorker',
  'Unconfirmed',
]);

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
    case 'SecretMissing':
      return HOST_REASONS.secretMissing;
    case 'SecretInvalid':
      return HOST_REASONS.secretInvalid;
    case 'SystemAmbiguous':
      return HOST_REASONS.systemAmbiguous;
    case 'SystemNotFound':
      return HOST_REASONS.systemNotFound;
    case 'APIServerRefused':
      return HOST_REASONS.apiServerRefused;
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
