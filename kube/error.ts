/** What a call was about, for the message of its error. */
export interface CallSubject {
  readonly verb: string;
  readonly resource: string;
  readonly namespace?: string | undefined;
  readonly name?: string | undefined;
}

/**
 * A failed call to the Kubernetes API. `status` is the HTTP status, 0 when there was no answer. `reason` is the API
 * server's (`NotFound`, `Conflict`, `AlreadyExists`, `Forbidden`, `Expired`, ...) or one of ours: `KindNotServed` (404
 * without a Status: the kind itself is not there, which says nothing about the object), `Unreachable`, `Timeout`,
 * `Aborted`, `InvalidResponse`.
 */
export class KubeError extends Error {
  override readonly name = 'KubeError';
  readonly status: number;
  readonly reason: string;
  readonly retryAfterMs?: number;

  constructor(
    subject: CallSubject,
    failure: { status: number; reason: string; message: string; retryAfterMs?: number | undefined; cause?: unknown },
  ) {
    const { verb, resource, namespace, name } = subject;
    const object = [namespace, name].filter((part) => part !== undefined && part !== '').join('/');
    const what = `${verb} ${resource}${object === '' ? '' : ` ${object}`}`;
    const code = failure.status === 0 ? failure.reason : `${failure.status} ${failure.reason}`;
    super(
      `Kubernetes API: ${what}: ${code}: ${failure.message}`,
      failure.cause === undefined ? {} : { cause: failure.cause },
    );
    this.status = failure.status;
    this.reason = failure.reason;
    if (failure.retryAfterMs !== undefined) this.retryAfterMs = failure.retryAfterMs;
  }

  /** The same call may succeed later without intervention. */
  get retryable(): boolean {
    if (this.status === 0) return this.reason !== 'Aborted';
    return this.status === 408 || this.status === 429 || this.status >= 500;
  }
}

/** The object does not exist. Not true when the kind itself is absent: see `isKindAbsent`. */
export function isNotFound(error: unknown): error is KubeError {
  return error instanceof KubeError && error.status === 404 && error.reason !== 'KindNotServed';
}

/** The API server does not serve the kind: its CustomResourceDefinition is not installed. */
export function isKindAbsent(error: unknown): error is KubeError {
  return error instanceof KubeError && error.status === 404 && error.reason === 'KindNotServed';
}

/** The object has changed since it was read (resourceVersion), or is another one of the same name (uid). */
export function isConflict(error: unknown): error is KubeError {
  return error instanceof KubeError && error.status === 409 && error.reason !== 'AlreadyExists';
}

/** 409 on a create: an object of this name exists. */
export function isAlreadyExists(error: unknown): error is KubeError {
  return error instanceof KubeError && error.status === 409 && error.reason === 'AlreadyExists';
}

/** 403: a missing role, an admission policy, or a namespace that is being deleted. */
export function isForbidden(error: unknown): error is KubeError {
  return error instanceof KubeError && error.status === 403;
}

/** 410: the resourceVersion or the continue token is too old; list again. */
export function isExpired(error: unknown): error is KubeError {
  return error instanceof KubeError && error.status === 410;
}

const REASONS: Readonly<Record<number, string>> = {
  400: 'BadRequest',
  401: 'Unauthorized',
  403: 'Forbidden',
  404: 'KindNotServed',
  409: 'Conflict',
  410: 'Expired',
  422: 'Invalid',
  429: 'TooManyRequests',
  500: 'InternalError',
  503: 'ServiceUnavailable',
  504: 'Timeout',
};

/** The error of an answer that is not 2xx. `body` is the answer's text: a Status object, or what a proxy wrote. */
export function errorOfResponse(subject: CallSubject, status: number, body: string, retryAfter?: string): KubeError {
  const parsed = parseStatus(body);
  // API servers say Gone for a watch and Expired for a list.
  const reason = status === 410 ? 'Expired' : (parsed?.reason ?? REASONS[status] ?? 'UnexpectedStatus');
  // A patch for another uid, without a resourceVersion: the API server calls it invalid.
  if (status === 422 && parsed?.message?.includes('metadata.uid: Invalid value')) {
    return new KubeError(subject, { status: 409, reason: 'Conflict', message: parsed.message });
  }
  const message = (parsed?.message ?? body.trim().slice(0, 500)) || 'no explanation was given';
  return new KubeError(subject, { status, reason, message, retryAfterMs: parseRetryAfter(retryAfter) });
}

function parseStatus(body: string): { reason?: string; message?: string } | undefined {
  try {
    const value = JSON.parse(body) as { kind?: unknown; reason?: unknown; message?: unknown } | null;
    if (value?.kind !== 'Status') return undefined;
    return {
      ...(typeof value.reason === 'string' && value.reason !== '' ? { reason: value.reason } : {}),
      ...(typeof value.message === 'string' ? { message: value.message.slice(0, 2000) } : {}),
    };
  } catch {
    return undefined;
  }
}

/** `Retry-After` in seconds or as a date (RFC 9110 §10.2.3), in milliseconds. */
function parseRetryAfter(text: string | undefined): number | undefined {
  if (text === undefined) return undefined;
  const seconds = Number(text);
  const delayMs = Number.isFinite(seconds) ? seconds * 1000 : Date.parse(text) - Date.now();
  return Number.isFinite(delayMs) ? Math.max(0, delayMs) : undefined;
}
