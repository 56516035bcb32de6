/**
 * Why a call to a BMC did not succeed.
 *
 * - `Unauthorized`: the BMC refuses the credentials, or the account lacks a privilege (401, 403).
 * - `PasswordChangeRequired`: the credentials are good, but the BMC wants another password before it does anything
 *   (403).
 * - `Unreachable`: no connection, or it broke.
 * - `Timeout`: the deadline of the call passed.
 * - `Busy`: the BMC says "later" (503, 504, 429, or a MessageId that means it), or its queue in this process is full.
 * - `SystemAmbiguous`, `SystemNotFound`: which of the BMC's systems is meant is not clear.
 * - `Refused`: the BMC answered and will not do it, or did not do what it accepted.
 * - `Protocol`: the answer is not Redfish, or the address is not usable.
 * - `Tls`: no trusted TLS connection.
 * - `AddressRefused`: the BMC's address is not in a network where BMCs may be; nothing was sent.
 * - `PlainHttp`: its address starts with http://, and that is forbidden; nothing was sent.
 * - `FenceRefused`: the caller's fence refused the request; nothing was sent. The fence's error is the `cause`.
 * - `Aborted`: the caller's signal fired, or the client was closed.
 */
export type RedfishErrorKind =
  | 'Unauthorized'
  | 'PasswordChangeRequired'
  | 'Unreachable'
  | 'Timeout'
  | 'Busy'
  | 'SystemAmbiguous'
  | 'SystemNotFound'
  | 'Refused'
  | 'Protocol'
  | 'Tls'
  | 'AddressRefused'
  | 'PlainHttp'
  | 'FenceRefused'
  | 'Aborted';

/** What else is known about a failure; all of it optional. */
export interface RedfishErrorDetails {
  status?: number | undefined;
  retryable?: boolean | undefined;
  retryAfterMs?: number | undefined;
  messageIds?: readonly string[] | undefined;
  mayHaveLanded?: boolean | undefined;
  lostConnection?: boolean | undefined;
  cause?: unknown;
}

const RETRYABLE_KINDS: ReadonlySet<RedfishErrorKind> = new Set(['Unreachable', 'Timeout', 'Busy', 'Aborted']);

/**
 * The only error that the Redfish client throws. The message is written for an operator, carries the BMC's own
 * `@Message.ExtendedInfo` text, and never holds a credential.
 */
export class RedfishError extends Error {
  readonly kind: RedfishErrorKind;
  /** HTTP status of the answer, when there was one. */
  readonly status?: number;
  /** The same call may succeed later without a change. */
  readonly retryable: boolean;
  /** When the BMC asked to be left alone for this long. */
  readonly retryAfterMs?: number;
  /** MessageIds of the answer, such as `Base.1.8.PropertyUnknown`. */
  readonly messageIds: string[];
  /** A changing request was written and its outcome is unknown: read the state before sending it again. */
  readonly mayHaveLanded: boolean;
  /** The connection existed and broke, as BMCs do when they are busy or restart. */
  readonly lostConnection: boolean;

  constructor(kind: RedfishErrorKind, message: string, details: RedfishErrorDetails = {}) {
    super(message, details.cause === undefined ? undefined : { cause: details.cause });
    this.name = 'RedfishError';
    this.kind = kind;
    if (details.status !== undefined) this.status = details.status;
    this.retryable = details.retryable ?? RETRYABLE_KINDS.has(kind);
    if (details.retryAfterMs !== undefined) this.retryAfterMs = details.retryAfterMs;
    this.messageIds = [...(details.messageIds ?? [])];
    this.mayHaveLanded = details.mayHaveLanded ?? false;
    this.lostConnection = details.lostConnection ?? false;
  }
}

/** The error of a call whose signal fired before or while it ran; `what` is such as `GET /redfish/v1/ at 10.0.0.1`. */
export function abortedError(what: string, cause?: unknown, mayHaveLanded = false): RedfishError {
  return new RedfishError('Aborted', `${what} was cancelled by the caller`, { cause, mayHaveLanded });
}
