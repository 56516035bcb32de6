import { gunzipSync, inflateSync } from 'node:zlib';
import type { Dispatcher } from 'undici';
import { abortedError, RedfishError } from './error.ts';
import { connectionError } from './connectionError.ts';

/** What is read of one body; more is an error (spec: "Bodies"). */
export const MAX_BODY_BYTES = 4 * 1024 * 1024;

/** One HTTP request as it goes on the wire, to the BMC's own origin. */
export interface WireRequest {
  readonly method: 'GET' | 'POST' | 'PATCH' | 'DELETE';
  readonly path: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly body?: string | undefined;
}

/** One HTTP answer with its whole body. */
export interface WireReply {
  readonly status: number;
  /** Names in lower case; of a repeated header the first. */
  readonly headers: Readonly<Record<string, string>>;
  readonly body: string;
}

/** Bounds of one exchange, and the last look before the write. */
export interface WireLimits {
  /** From now to the last byte of the body. */
  readonly timeoutMs: number;
  readonly signal?: AbortSignal | undefined;
  /** Runs in the tick that writes the request to the connected socket, immediately before; when it throws, nothing is written. */
  readonly beforeWrite?: (() => void) | undefined;
}

/**
 * One request on an undici client: settles exactly once, at the latest at its deadline. A changing request is written at
 * most once, whatever the client would do with it.
 *
 * undici calls `onRequestStart` synchronously before `socket.write`, on the connected socket. That makes it the place
 * for the fence's last look: `dispatch` itself is not, since undici looks at an idle socket for one turn of the event loop
 * (or opens a new one) between `dispatch` and the write.
 */
export class Exchange implements Dispatcher.DispatchHandler {
  /** The reply, or a `RedfishError`. */
  readonly result: Promise<WireReply>;
  readonly #request: WireRequest;
  readonly #limits: WireLimits;
  readonly #what: string;
  readonly #onLost: () => void;
  readonly #timer: NodeJS.Timeout;
  readonly #chunks: Buffer[] = [];
  #size = 0;
  #status = 0;
  #headers: Record<string, string> = {};
  #written = false;
  #settled = false;
  #resolve: (reply: WireReply) => void = () => undefined;
  #reject: (error: RedfishError) => void = () => undefined;

  /** `what` names the request in messages; `onLost` is called when it is given up while on its way: close the connection. */
  constructor(request: WireRequest, limits: WireLimits, what: string, onLost: () => void) {
    this.#request = request;
    this.#limits = limits;
    this.#what = what;
    this.#onLost = onLost;
    this.result = new Promise((resolve, reject) => {
      this.#resolve = resolve;
      this.#reject = reject;
    });
    this.#timer = setTimeout(this.#onDeadline, Math.max(0, limits.timeoutMs));
    limits.signal?.addEventListener('abort', this.#onAbort, { once: true });
    if (limits.signal?.aborted === true) this.#fail(abortedError(what, limits.signal.reason));
  }

  /** Whether the exchange ended before it was handed to the client. */
  get settled(): boolean {
    return this.#settled;
  }

  onRequestStart(): void {
    if (this.#settled) throw new Error('the request was given up before it was written');
    if (this.#written && this.#changes) throw new Error('a changing request is never written twice');
    try {
      this.#limits.beforeWrite?.();
    } catch (cause) {
      this.#fail(fenceRefusal(this.#what, cause));
      throw cause;
    }
    this.#written = true;
  }

  onResponseStart(_controller: unknown, status: number, headers: Record<string, string | string[] | undefined>): void {
    if (status < 200) return;
    this.#status = status;
    for (const [name, value] of Object.entries(headers)) {
      const first = Array.isArray(value) ? value[0] : value;
      if (first !== undefined) this.#headers[name.toLowerCase()] = first;
    }
  }

  onResponseData(_controller: unknown, chunk: Buffer): void {
    if (this.#settled) return;
    this.#size += chunk.length;
    if (this.#size > MAX_BODY_BYTES) this.#failLost(this.#tooLarge());
    else this.#chunks.push(chunk);
  }

  onResponseEnd(): void {
    if (this.#settled) return;
    try {
      const body = decode(Buffer.concat(this.#chunks), this.#headers['content-encoding']);
      this.#settle();
      this.#resolve({ status: this.#status, headers: this.#headers, body: body.toString('utf8') });
    } catch {
      this.#fail(this.#tooLarge());
    }
  }

  onResponseError(_controller: unknown, error: Error): void {
    this.#fail(connectionError(this.#what, error, this.#mayHaveLanded));
  }

  get #changes(): boolean {
    return this.#request.method !== 'GET';
  }

  get #mayHaveLanded(): boolean {
    return this.#written && this.#changes;
  }

  #tooLarge(): RedfishError {
    const message = `the answer to ${this.#what} is larger than ${MAX_BODY_BYTES / 1024 / 1024} MiB or cannot be unpacked`;
    return new RedfishError('Protocol', message, { status: this.#status, mayHaveLanded: this.#mayHaveLanded });
  }

  readonly #onDeadline = (): void => {
    const outcome = this.#mayHaveLanded ? '; whether it took effect is not known' : '';
    const message = `${this.#what} was not answered within ${Math.round(this.#limits.timeoutMs)} ms${outcome}`;
    this.#failLost(new RedfishError('Timeout', message, { mayHaveLanded: this.#mayHaveLanded }));
  };

  readonly #onAbort = (): void => {
    this.#failLost(abortedError(this.#what, this.#limits.signal?.reason, this.#mayHaveLanded));
  };

  #failLost(error: RedfishError): void {
    if (this.#settled) return;
    this.#fail(error);
    this.#onLost();
  }

  #fail(error: RedfishError): void {
    if (this.#settled) return;
    this.#settle();
    this.#reject(error);
  }

  #settle(): void {
    this.#settled = true;
    clearTimeout(this.#timer);
    this.#limits.signal?.removeEventListener('abort', this.#onAbort);
  }
}

/** The error of a request that its fence refused; keeps the fence's own error as `cause`. */
export function fenceRefusal(what: string, cause: unknown): RedfishError {
  const why = cause instanceof Error ? cause.message : 'the fence refused it';
  const retryable = typeof cause === 'object' && cause !== null && 'retryable' in cause && cause.retryable === true;
  return new RedfishError('FenceRefused', `${what} was not sent: ${why}`, { cause, retryable });
}

/** Some BMCs pack although `identity` was asked for. */
function decode(body: Buffer, encoding: string | undefined): Buffer {
  switch (encoding?.trim().toLowerCase()) {
    case 'gzip':
    case 'x-gzip':
      return gunzipSync(body, { maxOutputLength: MAX_BODY_BYTES });
    case 'deflate':
      return inflateSync(body, { maxOutputLength: MAX_BODY_BYTES });
    default:
      return body;
  }
}
