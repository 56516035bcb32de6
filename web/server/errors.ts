import { ApiError } from '../../http/errors.ts';
import { KubeError } from '../../kube/error.ts';

/** What the page's server refuses: a status of HTTP and one sentence for the person at the page. */
export class WebError extends Error {
  override readonly name = 'WebError';
  readonly status: number;
  readonly headers: Readonly<Record<string, string>>;

  constructor(
    status: number,
    message: string,
    options: { headers?: Readonly<Record<string, string>>; cause?: unknown } = {},
  ) {
    super(message, options.cause === undefined ? {} : { cause: options.cause });
    this.status = status;
    this.headers = options.headers ?? {};
  }
}

/** 429, with the wait after which it is taken. */
export function tooMany(what: string, waitMs: number): WebError {
  const seconds = Math.max(1, Math.ceil(waitMs / 1000));
  return new WebError(429, `${what} Try again in ${seconds} s.`, { headers: { 'Retry-After': String(seconds) } });
}

/** An unexpected error tells the visitor nothing: its text is in the log. */
export function asWebError(error: unknown): WebError {
  if (error instanceof WebError) return error;
  if (error instanceof ApiError) return new WebError(error.status, `Not taken: ${error.message}.`);
  if (error instanceof KubeError) {
    const { status, message, retryable } = error;
    if (status === 404) return new WebError(404, 'It does not exist (any more).');
    if ([401, 403, 409, 422].includes(status)) return new WebError(status === 401 ? 403 : status, message);
    return new WebError(
      503,
      retryable ? 'The Kubernetes API server is not available now. Try again in a moment.' : message,
    );
  }
  if (isGrpcError(error) && isRefused(error))
    return new WebError(
      502,
      'Temporal refuses that: the API key of the page has no right to it in this namespace (docs/security.md, Temporal). ' +
        'To show runs it needs read, to cancel one write.',
    );
  if (isGrpcError(error)) return new WebError(503, 'Temporal is not available now. Try again in a moment.');
  return new WebError(500, 'Internal error; the log of Beskar7 has the details.');
}

/** PERMISSION_DENIED and UNAUTHENTICATED. */
function isRefused(error: unknown): boolean {
  const { code, cause } = error as { code?: unknown; cause?: { code?: unknown } };
  return [code, cause?.code].some((one) => one === 7 || one === 16);
}

function isGrpcError(error: unknown): boolean {
  const { code, cause } = (error ?? {}) as { code?: unknown; cause?: { code?: unknown } };
  return typeof code === 'number' || typeof cause?.code === 'number';
}
