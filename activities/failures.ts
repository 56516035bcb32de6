import { ApplicationFailure } from '@temporalio/common';
import { KubeError } from '../kube/error.ts';
import { RedfishError } from '../redfish/index.ts';
import { storedText } from '../untrusted/stored.ts';

/** How an activity can fail, as workflows see it: `ApplicationFailure.type`. A closed union. */
export type FailureType =
  /** The host is not, or no longer, claimed as the caller believes. Nothing was sent. Never retried. */
  | 'ClaimLost'
  /** The BMC did not do what was asked, for now: unreachable, busy, refused. */
  | 'BmcFailure'
  /** The BMC refused the credentials, or they are missing. */
  | 'BmcCredentials'
  /**
   * Behind the BMC address is another server than the host stands for, or another host is claimed for that server.
   * Nothing was sent. Detail `kind`: `DifferentServer` or `DuplicateServer`.
   */
  | 'DifferentServer'
  /** What the machine asks for cannot be turned into a boot configuration. Never retried. */
  | 'InvalidBootConfiguration'
  /**
   * The stored report is not one for this claim, or does not meet what it was made for: no bootstrap data is opened.
   * Never retried.
   */
  | 'HardwareNotValidated'
  /** The clock of the worker is wrong; another one takes the step, or this one when its clock is right. */
  | 'ClockSkew'
  /** The facts changed meanwhile; the activity is repeated. */
  | 'Superseded'
  /**
   * The run is of another installation that shares the Temporal namespace, or had it before. Nothing was done
   * (docs/decisions/0019).
   */
  | 'OtherInstallation'
  /** The input is not what the activity takes: it was scheduled by a stranger. Nothing was done. Never retried. */
  | 'InvalidInput'
  /** The worker is being shut down; another one takes over. */
  | 'WorkerShutdown';

/** Its message goes into a history, where whoever may read Temporal reads it. */
function failureOf(options: Parameters<typeof ApplicationFailure.create>[0] & { readonly message: string }) {
  return ApplicationFailure.create({ ...options, message: storedText(options.message) });
}

/** The run no longer owns the host. It ends, and compensates nothing (rule 2). */
export function claimLost(message: string): ApplicationFailure {
  return failureOf({ message, type: 'ClaimLost' satisfies FailureType, nonRetryable: true });
}

/** What the workflow has decided on the hardware is not what the host shows. */
export function notValidated(message: string): ApplicationFailure {
  return failureOf({ message, type: 'HardwareNotValidated' satisfies FailureType, nonRetryable: true });
}

/** Something changed under the activity's hands: Temporal repeats it, and it decides again. */
export function retryable(message: string): ApplicationFailure {
  return failureOf({ message, type: 'Superseded' satisfies FailureType });
}

/**
 * Detail of the failure (or of the cancellation) of an activity that gave up a request which changes something, or its
 * task, under way.
 */
export interface Landing {
  readonly mayHaveLanded: true;
}

/** What went wrong at a BMC, with `kind` of the Redfish error as detail. */
export function bmcFailure(message: string, kind: string, landing?: Landing): ApplicationFailure {
  const isOfCredentials = kind === 'Unauthorized' || kind === 'PasswordChangeRequired' || kind.startsWith('Secret');
  const type: FailureType = isOfCredentials ? 'BmcCredentials' : 'BmcFailure';
  return failureOf({ message, type, details: [{ kind, ...landing }] });
}

/** The server is not the host's own, or not its alone; nothing was sent. */
export function differentServer(message: string, kind: 'DifferentServer' | 'DuplicateServer'): ApplicationFailure {
  const type: FailureType = 'DifferentServer';
  return failureOf({ message, type, details: [{ kind }] });
}

/** Failure `DifferentServer`: another server answers, or another host stands for this one. Nothing was sent. */
export function isDifferentServer(error: unknown): error is ApplicationFailure {
  return error instanceof ApplicationFailure && error.type === ('DifferentServer' satisfies FailureType);
}

/** For the details of what a given-up call ends with: what it asked of the BMC may still be done (rule 4). */
export function landingOf(error: unknown): Landing | undefined {
  const isUnderWay =
    error instanceof RedfishError
      ? error.mayHaveLanded && error.kind === 'Aborted'
      : error instanceof ApplicationFailure &&
        (error.details ?? []).some((detail) => (detail as Partial<Landing> | null)?.mayHaveLanded === true);
  return isUnderWay ? { mayHaveLanded: true } : undefined;
}

/** The kind of a failure at a BMC; undefined for other failures. */
export function bmcFailureKind(error: unknown): string | undefined {
  return isBmcFailure(error) ? (error.details?.[0] as { kind?: string } | undefined)?.kind : undefined;
}

/** Failure `ClaimLost`: the claim ended, or the host may not be acted on. Never retried. */
export function isClaimLost(error: unknown): boolean {
  return error instanceof ApplicationFailure && error.type === ('ClaimLost' satisfies FailureType);
}

/** No worker of this pool picked up the task; names the flag to start one with. */
export function noWorker(host: string, pool: string | undefined): ApplicationFailure {
  const flag = pool === undefined ? 'without --worker-pool' : `with --worker-pool=${pool}`;
  const message = `no bmc-worker picked up the task for host ${host} within 1 minute: start one ${flag}, or check why the running ones are saturated`;
  return bmcFailure(message, 'NoWorker');
}

/**
 * Why a call to a BMC did not return: `unconfirmed` is the outcome of an attempt whose end was not confirmed; absent:
 * no worker picked it up.
 */
export function unserved(host: string, pool: string | undefined, unconfirmed: string | undefined): ApplicationFailure {
  return unconfirmed === undefined ? noWorker(host, pool) : bmcFailure(unconfirmed, 'Unconfirmed');
}

/** Whether a call failed because no worker of the host's pool picked it up (`noWorker`). */
export function isNoWorker(error: unknown): boolean {
  return bmcFailureKind(error) === 'NoWorker';
}

/**
 * Whether it was the BMC, the way to it, or the server behind it: not the API server, not a shutdown, not a lost claim.
 */
export function isBmcFailure(error: unknown): error is ApplicationFailure {
  const types: readonly string[] = ['BmcFailure', 'BmcCredentials', 'DifferentServer'] satisfies FailureType[];
  return error instanceof ApplicationFailure && types.includes(error.type ?? '');
}

/** A policy or a missing role: to try again soon is no use, and the operator has to know of it. */
export function isRefusedWrite(error: unknown): error is KubeError {
  return error instanceof KubeError && [403, 422].includes(error.status);
}

/** `what`: what cannot be done because of it, such as `host h cannot be enrolled`. */
export function refusedWrite(what: string, error: KubeError): ApplicationFailure {
  return bmcFailure(`${what}, the API server refuses: ${error.message}`, 'APIServerRefused');
}

/** The failure that a workflow sees for an error of the Redfish client; other errors stay what they are. */
export function fromRedfish(error: unknown, host: string): unknown {
  if (!(error instanceof RedfishError)) return error;
  if (error.cause instanceof ApplicationFailure) return error.cause;
  return bmcFailure(`BMC of host ${host}: ${error.message}`, error.kind, landingOf(error));
}
