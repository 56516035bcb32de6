import type { Static, TSchema } from 'typebox';
import type { BadRequest, TooLarge, TooSlow, UnsupportedMediaType } from './answers.ts';

/**
 * An answer other than success. The client sees status, headers and body only; `message` is the true reason and goes to
 * the log (never a secret in it): callers must not learn why they were refused.
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

/** An answer that is all text, with its status. */
export interface AnswerText {
  readonly status: number;
  readonly contentType: string;
  readonly body: string;
  readonly headers?: Readonly<Record<string, string>>;
}

const JSON_TYPE = 'application/json';

/** `T` is the body's schema in the contract: what does not fit it does not compile. */
export function jsonAnswer<T extends TSchema>(
  status: number,
  body: Static<T>,
  headers: Record<string, string> = {},
): AnswerText {
  return { status, contentType: JSON_TYPE, body: JSON.stringify(body), headers };
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
