import { request, type Dispatcher } from 'undici';
import type { ClockSkew } from './clockSkew.ts';
import type { Connection, Route } from './connection.ts';
import { pause, startDeadline, type Deadline } from './deadline.ts';
import { errorOfResponse, KubeError, type CallSubject } from './error.ts';
import type { Identified } from './resource.ts';
import { linesOf, parseWatchLine, type WatchEvent } from './watchStream.ts';

/** Told after each request, repeats included; `status` 0 is a transport error. */
export type CallObserver = (call: { verb: string; resource: string; status: number; durationMs: number }) => void;

type Query = Readonly<Record<string, string | number | boolean | undefined>>;

interface Call {
  readonly subject: CallSubject;
  readonly method: Dispatcher.HttpMethod;
  readonly path: string;
  readonly query?: Query;
  readonly body?: object;
  readonly contentType?: string;
  readonly signal?: AbortSignal;
  readonly timeoutMs?: number;
}

/** Deadline of a call to the API server, in ms, where the caller gives none. */
export const DEFAULT_TIMEOUT_MS = 30_000;
const GET_REPEATS = 2;
const THROTTLED_REPEATS = 2;
/** A full list of 500 inspected hosts stays below this. */
const MAX_BODY_BYTES = 256 * 1024 * 1024;
const MAX_ERROR_BYTES = 64 * 1024;
/** How long a watch may take to start. */
const WATCH_START_MS = 30_000;

/** Requests with deadlines and the repeats that are safe. */
export class Transport {
  readonly #connection: Connection;
  readonly #userAgent: string;
  readonly #timeoutMs: number;
  readonly #onCall: CallObserver | undefined;
  readonly #clock: ClockSkew | undefined;
  #closed = false;

  constructor(
    connection: Connection,
    options: { userAgent: string; timeoutMs?: number; onCall?: CallObserver; clock?: ClockSkew },
  ) {
    this.#connection = connection;
    this.#userAgent = options.userAgent;
    this.#timeoutMs = options.timeoutMs ?? DEFAULT_TIMEOUT_MS;
    this.#onCall = options.onCall;
    this.#clock = options.clock;
  }

  /** The parsed body of a 2xx answer. */
  async call<R>(call: Call): Promise<R> {
    this.#requireOpen(call.subject);
    const deadline = startDeadline(call.timeoutMs ?? this.#timeoutMs, call.signal);
    let refresh = false;
    try {
      for (let failures = 0; ; failures += 1) {
        try {
          return await this.#once<R>(call, deadline, refresh);
        } catch (error) {
          const failure = toKubeError(call.subject, error, deadline);
          // A 401 may be a token that was rotated: it is read again, once.
          const isFirst401 = failure.status === 401 && !refresh;
          if (this.#closed) throw failure;
          const delayMs = isFirst401 ? 0 : repeatAfterMs(call.method, failure, failures);
          if (delayMs === undefined || delayMs >= deadline.leftMs()) throw failure;
          refresh = failure.status === 401;
          await pause(delayMs, deadline.signal).catch((reason: unknown) => {
            throw toKubeError(call.subject, reason, deadline);
          });
        }
      }
    } finally {
      deadline.end();
    }
  }

  /** Events of a watch; see `KubeClient.watch`. */
  async *watch<T extends Identified>(watch: {
    subject: CallSubject;
    path: string;
    query: Query;
    signal: AbortSignal;
    onOpen?: () => void;
  }): AsyncGenerator<WatchEvent<T>> {
    this.#requireOpen(watch.subject);
    const start = startDeadline(WATCH_START_MS, watch.signal);
    const stop = new AbortController();
    const onStop = () => stop.abort(start.signal.reason);
    start.signal.addEventListener('abort', onStop, { once: true });
    const onAbort = () => stop.abort(watch.signal.reason);
    watch.signal.addEventListener('abort', onAbort, { once: true });
    try {
      start.signal.throwIfAborted();
      const route = await this.#connection.route();
      const response = await this.#send({ ...watch, method: 'GET' }, route, route.watches, stop.signal);
      if (response.statusCode !== 200) throw await this.#refused(watch.subject, response);
      start.end();
      start.signal.removeEventListener('abort', onStop);
      watch.onOpen?.();
      for await (const line of linesOf(response.body)) yield parseWatchLine<T>(watch.subject, line);
    } catch (error) {
      throw toKubeError(watch.subject, error, start, watch.signal);
    } finally {
      start.end();
      watch.signal.removeEventListener('abort', onAbort);
      // Frees the connection when the consumer stopped early.
      stop.abort(new Error('the watch was left'));
    }
  }

  /** Calls in flight fail, later ones are refused as `Aborted`. */
  close(): Promise<void> {
    this.#closed = true;
    return this.#connection.close();
  }

  #requireOpen(subject: CallSubject): void {
    if (this.#closed) throw new KubeError(subject, { status: 0, reason: 'Aborted', message: 'the client is closed' });
  }

  async #once<R>(call: Call, deadline: Deadline, refresh: boolean): Promise<R> {
    const startedAt = performance.now();
    let status = 0;
    try {
      const route = await this.#connection.route(refresh);
      deadline.signal.throwIfAborted();
      const response = await this.#send(call, route, route.calls, deadline.signal);
      if (response.statusCode < 200 || response.statusCode >= 300) {
        status = response.statusCode;
        throw await this.#refused(call.subject, response);
      }
      const text = await textOf(response.body, MAX_BODY_BYTES);
      status = response.statusCode;
      return parseBody<R>(call.subject, text);
    } finally {
      const { verb, resource } = call.subject;
      this.#onCall?.({ verb, resource, status, durationMs: performance.now() - startedAt });
    }
  }

  async #send(call: Call, route: Route, dispatcher: Dispatcher, signal: AbortSignal): Promise<Dispatcher.ResponseData> {
    const query = new URLSearchParams();
    for (const [name, value] of Object.entries(call.query ?? {}))
      if (value !== undefined) query.set(name, String(value));
    const search = query.size > 0 ? `?${query.toString()}` : '';
    const sentAtMs = Date.now();
    const response = await request(`${this.#connection.origin}${this.#connection.basePath}${call.path}${search}`, {
      dispatcher,
      method: call.method,
      signal,
      headers: {
        ...route.headers,
        accept: 'application/json',
        'user-agent': this.#userAgent,
        ...(call.contentType === undefined ? {} : { 'content-type': call.contentType }),
      },
      body: call.body === undefined ? null : JSON.stringify(call.body),
    });
    this.#clock?.note(sentAtMs, Date.now(), response.headers.date);
    return response;
  }

  async #refused(subject: CallSubject, response: Dispatcher.ResponseData): Promise<KubeError> {
    const text = await textOf(response.body, MAX_ERROR_BYTES).catch(() => '');
    const retryAfter = response.headers['retry-after'];
    return errorOfResponse(subject, response.statusCode, text, Array.isArray(retryAfter) ? retryAfter[0] : retryAfter);
  }
}

/** After how long a call may be sent again; undefined: not at all. */
function repeatAfterMs(method: string, failure: KubeError, failures: number): number | undefined {
  const jitter = 0.75 + Math.random() / 2;
  if (failure.status === 429 && failures < THROTTLED_REPEATS)
    return (failure.retryAfterMs ?? 1000) * Math.max(1, jitter);
  const isSafe = method === 'GET' && failure.retryable && failure.reason !== 'InvalidResponse';
  // A deadline that is over has nothing left, see the caller.
  if (isSafe && failures < GET_REPEATS) return Math.max(failure.retryAfterMs ?? 0, 100 * 4 ** failures * jitter);
  return undefined;
}

async function textOf(body: AsyncIterable<Uint8Array>, maxBytes: number): Promise<string> {
  const chunks: Uint8Array[] = [];
  let size = 0;
  for await (const chunk of body) {
    size += chunk.length;
    if (size > maxBytes) throw new Error(`the answer is longer than ${maxBytes} bytes`);
    chunks.push(chunk);
  }
  return Buffer.concat(chunks).toString('utf8');
}

function parseBody<R>(subject: CallSubject, text: string): R {
  try {
    return JSON.parse(text) as R;
  } catch {
    throw new KubeError(subject, {
      status: 0,
      reason: 'InvalidResponse',
      message: `the answer is not JSON: is this the address of a Kubernetes API server? (${text.length} bytes)`,
    });
  }
}

function toKubeError(subject: CallSubject, error: unknown, deadline: Deadline, signal?: AbortSignal): KubeError {
  if (error instanceof KubeError) return error;
  const message = describe(error);
  const failure = (reason: string, text: string) =>
    new KubeError(subject, { status: 0, reason, message: text, cause: error });
  if (deadline.isOver()) return failure('Timeout', 'the API server did not answer in time');
  if (deadline.signal.aborted || signal?.aborted) return failure('Aborted', 'the call was given up by its caller');
  return failure('Unreachable', `no usable answer from the API server: ${message}`);
}

/** Node hides the interesting part of a connection error in codes and causes. */
function describe(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  if (error instanceof AggregateError && error.errors.length > 0) return describe(error.errors[0]);
  const code = (error as NodeJS.ErrnoException).code;
  const text = error.message === '' ? error.name : error.message;
  return code !== undefined && !text.includes(code) ? `${text} (${code})` : text;
}
