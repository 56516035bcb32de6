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
