import { gunzipSync, inflateRawSync, inflateSync } from 'node:zlib';
import type { Connection, ConnectionListener } from './connection.ts';
import { connectionError } from './connectionError.ts';
import { abortedError, RedfishError } from './error.ts';
import { HttpResponseError, ResponseReader } from './httpResponse.ts';
import { parseObject } from './json.ts';

/** What is read of one body; more is an error (spec: "Bodies"). */
export const MAX_BODY_BYTES = 4 * 1024 * 1024;
const MAX_HEAD_BYTES = 64 * 1024;
/** The status of a refusal is known: its body is waited for no longer than this. */
const REFUSAL_BODY_MS = 5_000;

/** One HTTP request as it goes on the wire, to the BMC's own origin. */
export interface WireRequest {
  readonly method: 'GET' | 'POST' | 'PATCH' | 'DELETE';
  readonly path: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly body?: string | undefined;
}

/** One HTTP answer. */
export interface WireReply {
  readonly status: number;
  /** Names in lower case; of a repeated header the first, `www-authenticate` joined by commas. */
  readonly headers: Readonly<Record<string, string>>;
  /** May be cut where the status counts without it. */
  readonly body: string;
}

/** Bounds of one exchange, and the last look before the write. */
export interface WireLimits {
  /** From the write to the last byte of the body. */
  readonly timeoutMs: number;
  readonly signal?: AbortSignal | undefined;
  /**
   * Runs in the tick that writes the request to the connected socket, immediately before; when it throws, nothing is
   * written.
   */
  readonly beforeWrite?: (() => void) | undefined;
}

/**
 * One request on an open connection: written at most once, and settled exactly once, at the latest at its deadline.
 * Whatever ends it before its answer was read to the end resets the connection, so that nothing of it is sent any more.
 *
 * A status whose body breaks off is still a status: it is the answer of a change and of every refusal. Only what a read
 * has asked for has to be whole.
 */
export class Exchange implements ConnectionListener {
  /** The reply, or a `RedfishError`. */
  readonly result: Promise<WireReply>;
  readonly #connection: Connection;
  readonly #request: WireRequest;
  readonly #limits: WireLimits;
  readonly #what: string;
  readonly #reader = new ResponseReader({ headBytes: MAX_HEAD_BYTES, bodyBytes: MAX_BODY_BYTES });
  readonly #timer: NodeJS.Timeout;
  #bodyTimer: NodeJS.Timeout | undefined;
  #isWritten = false;
  #isSettled = false;
  #resolve: (reply: WireReply) => void = () => undefined;
  #reject: (error: RedfishError) => void = () => undefined;

  /** `what` names the request in messages. Looks (`beforeWrite`) and writes at once. */
  constructor(connection: Connection, request: WireRequest, limits: WireLimits, what: string) {
    this.#connection = connection;
    this.#request = request;
    this.#limits = limits;
    this.#what = what;
    this.result = new Promise((resolve, reject) => {
      this.#resolve = resolve;
      this.#reject = reject;
    });
    this.#timer = setTimeout(this.#onDeadline, Math.max(0, limits.timeoutMs));
    limits.signal?.addEventListener('abort', this.#onAbort, { once: true });
    this.#begin();
  }

  /** Whether the next request may go over the same connection. */
  get keepsAlive(): boolean {
    return this.#reader.keepsAlive;
  }

  onData(bytes: Buffer): void {
    const wasUnknown = this.#reader.status === 0;
    try {
      this.#reader.push(bytes);
    } catch (error) {
      return this.#breakOff(this.#parseError(error));
    }
    if (this.#reader.isDone) this.#finish();
    else if (wasUnknown && this.#reader.status >= 300) {
      this.#bodyTimer = setTimeout(() => this.#breakOff(this.#lost('ECONNRESET')), REFUSAL_BODY_MS);
    }
  }

  onEnd(): void {
    if (this.#reader.end()) this.#finish();
    else this.#breakOff(this.#lost('ECONNRESET'));
  }

  onError(error: Error & { readonly code?: unknown }): void {
    if (error.code === 'ECONNABORTED') return this.#giveUp(this.#abandoned());
    this.#breakOff(connectionError(this.#what, error, this.#mayHaveLanded));
  }

  #begin(): void {
    const { signal, beforeWrite } = this.#limits;
    if (signal?.aborted === true) return this.#fail(abortedError(this.#what, signal.reason));
    const bytes = serialize(this.#request);
    if (bytes === undefined) {
      const message = `${this.#what} cannot be sent: its path or a header has characters that HTTP does not allow`;
      return this.#fail(new RedfishError('Protocol', message));
    }
    try {
      beforeWrite?.();
    } catch (cause) {
      return this.#fail(fenceRefusal(this.#what, cause));
    }
    this.#isWritten = true;
    this.#connection.listen(this);
    this.#connection.write(bytes);
  }

  get #changes(): boolean {
    return this.#request.method !== 'GET';
  }

  get #mayHaveLanded(): boolean {
    return this.#isWritten && this.#changes;
  }

  /** The answer is whole. */
  #finish(): void {
    if (this.#isSettled) return;
    const { status, headers } = this.#reader;
    try {
      const body = decode(this.#reader.body, headers['content-encoding']);
      this.#settle();
      this.#resolve({ status, headers, body: body.toString('utf8') });
    } catch {
      this.#breakOff(this.#tooLarge());
    }
  }

  /** The answer ends here, whole or not: it is taken where its status says enough, else `error` is the end. */
  #breakOff(error: RedfishError): void {
    if (this.#isSettled) return;
    const { status, headers } = this.#reader;
    const body = status === 0 ? '' : decodeOrNothing(this.#reader.body, headers['content-encoding']);
    const isEnough = status >= 300 || (status > 0 && (this.#changes || parseObject(body) !== undefined));
    if (!isEnough) return this.#giveUp(error);
    this.#settle();
    this.#connection.reset();
    this.#resolve({ status, headers, body });
  }

  #parseError(error: unknown): RedfishError {
    const code = error instanceof HttpResponseError ? error.code : 'UNKNOWN';
    if (code === 'BODY_TOO_LARGE') return this.#tooLarge();
    return new RedfishError('Protocol', `${this.#what} failed: the answer is not proper HTTP (${code})`, {
      mayHaveLanded: this.#mayHaveLanded,
      retryable: true,
    });
  }

  #lost(code: string): RedfishError {
    return connectionError(this.#what, Object.assign(new Error('closed'), { code }), this.#mayHaveLanded);
  }

  #abandoned(): RedfishError {
    const message = `${this.#what} was given up: its client was closed`;
    return new RedfishError('Aborted', message, { mayHaveLanded: this.#mayHaveLanded });
  }

  #tooLarge(): RedfishError {
    const message = `the answer to ${this.#what} is larger than ${MAX_BODY_BYTES / 1024 / 1024} MiB or cannot be unpacked`;
    return new RedfishError('Protocol', message, {
      status: this.#reader.status,
      mayHaveLanded: this.#mayHaveLanded,
    });
  }

  readonly #onDeadline = (): void => {
    const outcome = this.#mayHaveLanded ? '; whether it took effect is not known' : '';
    const message = `${this.#what} was not answered within ${Math.round(this.#limits.timeoutMs)} ms${outcome}`;
    this.#breakOff(new RedfishError('Timeout', message, { mayHaveLanded: this.#mayHaveLanded }));
  };

  readonly #onAbort = (): void => {
    this.#giveUp(abortedError(this.#what, this.#limits.signal?.reason, this.#mayHaveLanded));
  };

  #giveUp(error: RedfishError): void {
    this.#fail(error);
    this.#connection.reset();
  }

  #fail(error: RedfishError): void {
    if (this.#isSettled) return;
    this.#settle();
    this.#reject(error);
  }

  #settle(): void {
    this.#isSettled = true;
    this.#connection.listen(undefined);
    clearTimeout(this.#timer);
    clearTimeout(this.#bodyTimer);
    this.#limits.signal?.removeEventListener('abort', this.#onAbort);
  }
}

/** The error of a request that its fence refused; keeps the fence's own error as `cause`. */
export function fenceRefusal(what: string, cause: unknown): RedfishError {
  const why = cause instanceof Error ? cause.message : 'the fence refused it';
  const retryable = typeof cause === 'object' && cause !== null && 'retryable' in cause && cause.retryable === true;
  return new RedfishError('FenceRefused', `${what} was not sent: ${why}`, { cause, retryable });
}

/** Head and body in one piece; undefined where a part of it would be read as another request. */
function serialize({ method, path, headers, body }: WireRequest): Buffer | undefined {
  if (!/^\/[\x21-\x7e]*$/.test(path)) return undefined;
  const lines = Object.entries(headers).map(([name, value]) => `${name}: ${value}`);
  if (!lines.every((line) => /^[\t\x20-\x7e\x80-\xff]*$/.test(line))) return undefined;
  const content = body === undefined ? undefined : Buffer.from(body, 'utf8');
  if (content !== undefined) lines.push(`content-length: ${content.length}`);
  const head = Buffer.from(`${method} ${path} HTTP/1.1\r\n${lines.join('\r\n')}\r\n\r\n`, 'latin1');
  return content === undefined ? head : Buffer.concat([head, content]);
}

/** Some BMCs pack although `identity` was asked for. */
function decode(body: Buffer, encoding: string | undefined): Buffer {
  switch (encoding?.trim().toLowerCase()) {
    case 'gzip':
    case 'x-gzip':
      return gunzipSync(body, { maxOutputLength: MAX_BODY_BYTES });
    case 'deflate':
      return inflate(body);
    default:
      return body;
  }
}

/** With the zlib header that RFC 9110 asks for, or without, as some send it. */
function inflate(body: Buffer): Buffer {
  const bounds = { maxOutputLength: MAX_BODY_BYTES };
  const hasHeader = body.length >= 2 && (body.readUInt8(0) & 0x0f) === 8 && body.readUInt16BE(0) % 31 === 0;
  return hasHeader ? inflateSync(body, bounds) : inflateRawSync(body, bounds);
}

function decodeOrNothing(body: Buffer, encoding: string | undefined): string {
  try {
    return decode(body, encoding).toString('utf8');
  } catch {
    return '';
  }
}
