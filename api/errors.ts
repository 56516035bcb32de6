import { ApiError, jsonAnswer } from '../http/errors.ts';
import type { Conflict, TooManyRequests, TryAgain, Unauthorized } from './contract/schemas.ts';

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

/** 429 with the wait after which the next request is taken. */
export function tooManyRequests(waitMs: number, whose: string): ApiError {
  return new ApiError(
    jsonAnswer<typeof TooManyRequests>(429, { error: 'too many requests' }, { 'Retry-After': retryAfter(waitMs) }),
    `too many requests ${whose}`,
  );
}

/** 429: too many rejected reports of one claim; the next one is not read before `waitMs` have passed. */
export function tooManyRefused(waitMs: number): ApiError {
  const reason =
    'Too many reports of this claim were refused, each with what was wrong with it: correct that first. One more is read a minute.';
  const answer = jsonAnswer<typeof TooManyRequests>(
    429,
    { error: 'too many requests', reason },
    { 'Retry-After': retryAfter(waitMs) },
  );
  return new ApiError(answer, 'too many reports of this claim were refused');
}

/** 409: the claim is in a stage that can no longer get there. */
export function conflict(why: string): ApiError {
  return new ApiError(jsonAnswer<typeof Conflict>(409, { error: 'conflict', reason: why }), why);
}

/** 503: the call is too early; the same call succeeds later (rule 22). */
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
