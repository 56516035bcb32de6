import type { Static, TSchema } from '@sinclair/typebox';
import type {
  BadRequest,
  Conflict,
  TooLarge,
  TooManyRequests,
  TooSlow,
  TryAgain,
  Unauthorized,
  UnsupportedMediaType,
} from './contract/schemas.ts';

/**
 * An answer other than success. The client sees status, headers and body only; `message` is the true reason and goes to the log
 * (never a secret in it): callers must not learn why they were refused.
 */
export class ApiError extends Error {
  override readonly name = 'ApiError';
  readonly status: number;
  readonly contentType: string;
  readonly body: string;
  readonly headers: Readonly<Record<string, string>>;
  /** Expected while everything is well (a poll that comes early): logged at level debug. */
  readonly isRoutine: boolean;

  constructor(answer: AnswerText, why: string, options: { isRoutine?: boolean; cause?: unknown } = {}) {
    super(why, options.cause === undefined ? {} : { cause: options.cause });
    this.status = answer.status;
    this.contentType = answer.contentType;
    this.body = answer.body;
    this.headers = answer.headers ?? {};
    this.isRoutine = options.isRoutine ?? false;
  }
}

interface AnswerText {
  readonly status: number;
  readonly contentType: string;
  readonly body: string;
  readonly headers?: Readonly<Record<string, string>>;
}

const JSON_TYPE = 'application/json';

/** `T` is the body's schema in the contract: what does not fit it does not compile. */
function jsonAnswer<T extends TSchema>(
  status: number,
  body: Static<T>,
  headers: Record<string, string> = {},
): AnswerText {
  return { status, contentType: JSON_TYPE, body: JSON.stringify(body), headers };
}

/** The one 404: the same bytes whatever was not found, closed or wrong. */
export function notFound(why: string, options: { isRoutine?: boolean } = {}): ApiError {
  return new ApiError({ status: 404, contentType: 'text/plain; charset=utf-8', body: 'not found' }, why, options);
}

/** The one 401: the same bytes whatever was wrong. `WWW-Authenticate` as RFC 9110 §11.6.1 asks. */
export function unauthorized(why: string): ApiError {
  return new ApiError(
    jsonAnswer<typeof Unauthorized>(401, { error: 'unauthorized' }, { 'WWW-Authenticate': 'Bearer' }),
    why,
  );
}

/** 400 with everything that is wrong with what was sent, each with its path. */
export function badRequest(error: Static<typeof BadRequest>['error'], problems: readonly string[]): ApiError {
  return new ApiError(
    jsonAnswer<typeof BadRequest>(400, { error, problems: [...problems] }),
    `${error}: ${problems.join('; ')}`,
  );
}

/** 413: the body is larger than this route takes. */
export function tooLarge(limitBytes: number): ApiError {
  return new ApiError(
    jsonAnswer<typeof TooLarge>(413, { error: 'too large', limitBytes }),
    `the body has more than ${limitBytes} bytes`,
  );
}

/** 415: only JSON is taken. */
export function unsupportedMediaType(): ApiError {
  return new ApiError(
    jsonAnswer<typeof UnsupportedMediaType>(415, { error: 'send application/json' }),
    'the content type is not application/json',
  );
}

/** 408: the body did not arrive in time; the connection is closed. */
export function tooSlow(timeoutMs: number): ApiError {
  return new ApiError(
    jsonAnswer<typeof TooSlow>(408, { error: 'too slow' }, { Connection: 'close' }),
    `the body did not arrive within ${timeoutMs} ms`,
  );
}

/** 429 with the wait after which the next request is taken. */
export function tooManyRequests(waitMs: number, whose: string): ApiError {
  return new ApiError(
    jsonAnswer<typeof TooManyRequests>(429, { error: 'too many requests' }, { 'Retry-After': retryAfter(waitMs) }),
    `too many requests ${whose}`,
  );
}

/** 409: the claim is in a stage that can no longer get there. */
export function conflict(why: string): ApiError {
  return new ApiError(jsonAnswer<typeof Conflict>(409, { error: 'conflict', reason: why }), why);
}

/** 503: what is told is not due yet; the same call succeeds later (rule 22). */
export function tooEarly(why: string): ApiError {
  return new ApiError(jsonAnswer<typeof TryAgain>(503, { error: 'not ready yet' }, { 'Retry-After': '2' }), why, {
    isRoutine: true,
  });
}

/** 503: nothing is wrong with the call; it could not be stored or answered now. */
export function unavailable(why: string, options: { cause?: unknown; waitMs?: number | undefined } = {}): ApiError {
  const { cause, waitMs = 2000 } = options;
  const headers = { 'Retry-After': retryAfter(waitMs) };
  return new ApiError(jsonAnswer<typeof TryAgain>(503, { error: 'temporarily unavailable' }, headers), why, { cause });
}

/** Whole seconds from 1 to 30 (RFC 9110 §10.2.3). */
function retryAfter(waitMs: number): string {
  return String(Math.min(30, Math.max(1, Math.ceil(waitMs / 1000))));
}
