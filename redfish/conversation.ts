import { Authentication } from './authentication.ts';
import { visibleLine } from '../untrusted/text.ts';
import { redactor } from './bmcMessage.ts';
import type { ConnectionConfig } from './connectionOptions.ts';
import type { CredentialRecord } from './credentials.ts';
import { pause, within } from './delay.ts';
import { RedfishError } from './error.ts';
import type { MutateOptions } from './fence.ts';
import { pathOfLink, resolveLink } from './links.ts';
import { withBmcLock, type LockRequest } from './lock.ts';
import { observed } from './observe.ts';
import { passFence } from './passFence.ts';
import { isRedirect, isSuccess, parseReply, refusalOf, resourceOf, type Reply, type Resource } from './reply.ts';
import type { BmcRequest, Held, Reader, ReadOptions } from './requests.ts';
import { noRefusals } from './refusals.ts';
import { pauseBeforeRetry } from './retry.ts';
import type { Means, RawSend } from './session.ts';
import { traced } from './tracing.ts';
import { Transport } from './transport.ts';

const MAX_REDIRECTS = 3;
/** How often a connection that ended while the fence was read is opened again. */
const MAX_REOPENINGS = 3;
const LOGOUT_TIMEOUT_MS = 5_000;
/** All of a log-in, its redirects included, has its own deadlines within this. */
const LONGEST_LOGIN_MS = 10 * 60_000;

interface Sending {
  readonly signal?: AbortSignal | undefined;
  readonly deadlineMs?: number;
  readonly mutate?: MutateOptions;
}

/** Of a path in messages; a BMC chooses its links. */
const MAX_PATH = 256;

/** Talks to one BMC as one user: the lock, authentication, redirects, `Accept-Encoding`, and retries of reads. */
export class Conversation implements Reader {
  readonly config: ConnectionConfig;
  readonly redact: (text: string) => string;
  readonly #transport: Transport;
  readonly #authentication: Authentication;
  #asksForIdentity = true;

  constructor(config: ConnectionConfig) {
    this.config = config;
    this.#transport = new Transport(config);
    this.redact = redactor(() => this.#authentication.secrets);
    this.#authentication = new Authentication(config, this, this.redact);
  }

  /** What is known of the credentials. */
  get credentials(): CredentialRecord {
    return this.#authentication.record;
  }

  /** The connection is open and answered a moment ago: a fenced request would be written at once. */
  get warm(): boolean {
    return this.#transport.warm;
  }

  /** Names a request in messages. */
  what(request: { method: string; path: string }): string {
    return `${request.method} ${visibleLine(this.redact(request.path)).slice(0, MAX_PATH)} at ${this.config.host}`;
  }

  /** The path of a link of this BMC. Throws `Protocol` when it names another host. */
  resolve(link: string): string {
    return resolveLink(this.config, link, this.redact);
  }

  /**
   * The path of what the BMC has made for us (a session, a task), at the address that we have. Undefined when it is no
   * link.
   */
  pathOf(link: string): string | undefined {
    return pathOfLink(this.config, link);
  }

  /**
   * Reads a resource. 429, 503, 504 and broken connections are tried again within the deadline, as the BMC's
   * Retry-After or a growing pause says, and once 500 and what is no JSON; the lock is free meanwhile. Throws the error
   * of the last attempt.
   */
  get(path: string, options: ReadOptions = {}): Promise<Resource> {
    return this.#readRepeatedly(path, options, (reply) => this.#resource(reply, path));
  }

  /** As `get`, but gives the answer whatever its status, unless that says "busy". */
  look(path: string, options: ReadOptions = {}): Promise<Reply> {
    return this.#readRepeatedly(path, options, (reply) => reply);
  }

  /**
   * Runs `step`, which reads the state and then changes it when that is due, while holding the BMC's lock. When the BMC
   * is busy and certainly did nothing, the lock is given up for a pause and the step runs again, for at most
   * `callTimeoutMs`.
   */
  async change<T>(what: string, options: MutateOptions, step: (held: Held) => Promise<T>): Promise<T> {
    const startedMs = performance.now();
    const { signal } = options;
    const held: Held = {
      get: async (path) => this.#resource(await this.#read(path, signal), path),
      send: (request, mutate) => this.#converse(request, { signal: mutate.signal, mutate }),
    };
    for (let attempt = 0; ; attempt += 1) {
      try {
        const lock = { signal, urgent: options.urgent, timeoutMs: this.config.callTimeoutMs };
        return await this.#locked(what, lock, () => step(held));
      } catch (error) {
        const pauseMs = this.#pauseBeforeRetry(error, attempt);
        if (pauseMs === undefined || performance.now() - startedMs + pauseMs > this.config.callTimeoutMs) throw error;
        await pause(pauseMs, signal, `${what} at ${this.config.host}`);
      }
    }
  }

  /** The error of an answer that refuses a request. */
  refusal(reply: Reply, request: BmcRequest): RedfishError {
    return refusalOf(reply, this.what(request), request.method !== 'GET', this.redact);
  }

  /** Logs out (at most 5 s) and closes the connection. Never throws. */
  async close(): Promise<void> {
    const timeoutMs = Math.min(LOGOUT_TIMEOUT_MS, this.config.callTimeoutMs);
    try {
      const request = { timeoutMs, what: `logout at ${this.config.host}` };
      await withBmcLock(this.config.origin, request, () =>
        this.#authentication.logout(this.#rawSend({ deadlineMs: performance.now() + timeoutMs })),
      );
    } catch {
      // The BMC ends idle sessions itself.
    }
    this.#transport.close();
  }

  /** Closes the connection at once; what is in flight fails. */
  abandon(): void {
    this.#transport.close();
  }

  /** The lock is kept until a log-in that its caller has given up is over: nothing else is on the connection then. */
  #locked<T>(what: string, lock: Omit<LockRequest, 'what'>, task: () => Promise<T>): Promise<T> {
    return new Promise<T>((resolve, reject) => {
      withBmcLock(this.config.origin, { ...lock, what: `${what} at ${this.config.host}` }, async () => {
        await task().then(resolve, reject);
        await this.#authentication.settled;
      }).catch(reject);
    });
  }

  async #readRepeatedly<T>(path: string, options: ReadOptions, judge: (reply: Reply) => T): Promise<T> {
    const { signal } = options;
    const timeoutMs = options.timeoutMs ?? this.config.callTimeoutMs;
    const lock = { signal, timeoutMs: Math.min(timeoutMs, this.config.callTimeoutMs) };
    let deadlineMs = Number.POSITIVE_INFINITY;
    for (let attempt = 0; ; attempt += 1) {
      try {
        return await this.#locked(`GET ${path}`, lock, async () => {
          deadlineMs = Math.min(deadlineMs, performance.now() + timeoutMs);
          return judge(await this.#read(path, signal, deadlineMs));
        });
      } catch (error) {
        const pauseMs = this.#pauseBeforeRetry(error, attempt);
        // Without a deadline yet, the lock was never had: its queue is the reason, and waiting again would not end.
        const late = deadlineMs === Number.POSITIVE_INFINITY || performance.now() + (pauseMs ?? 0) >= deadlineMs;
        if (pauseMs === undefined || late) throw error;
        await pause(pauseMs, signal, this.what({ method: 'GET', path }));
      }
    }
  }

  async #read(path: string, signal: AbortSignal | undefined, deadlineMs?: number): Promise<Reply> {
    const request: BmcRequest = { method: 'GET', path };
    const latestMs = deadlineMs ?? performance.now() + this.config.callTimeoutMs;
    const reply = await this.#converse(request, { signal, deadlineMs: latestMs });
    if (isSuccess(reply)) return reply;
    const refusal = this.refusal(reply, request);
    if (refusal.kind === 'Busy') throw refusal;
    return reply;
  }

  #resource(reply: Reply, path: string): Resource {
    const request: BmcRequest = { method: 'GET', path };
    if (!isSuccess(reply)) throw this.refusal(reply, request);
    return resourceOf(reply, path, this.what(request));
  }

  /**
   * One request to its final answer: through a login, a redirect and a 406. A changing one passes its fence each time,
   * after the log-in and the handshakes, so that nothing stands between the fence and the write.
   */
  async #converse(request: BmcRequest, sending: Sending): Promise<Reply> {
    const means = this.#means(request, sending);
    const refusals = noRefusals();
    let path = request.path;
    let closed = 0;
    for (let redirects = 0; ;) {
      await this.#authentication.prepare(means);
      await this.#connect(request, sending);
      const headers = this.#authentication.headers();
      const beforeWrite =
        sending.mutate && (await passFence(this.what(request), sending.mutate, this.config.callTimeoutMs));
      // Some BMCs close a connection a moment after their answer, without announcing it: the write goes over a new one,
      // behind a new fence.
      if (beforeWrite !== undefined && !this.#transport.isOpen && (closed += 1) <= MAX_REOPENINGS) continue;
      const at = { ...request, path };
      const reply = await this.#exchange(at, headers, { ...sending, beforeWrite });
      this.#authentication.learn(reply, at);
      if (reply.status === 401 || reply.status === 403) {
        const refused = { reply, request: at, what: this.what(request), refusals };
        if (!(await this.#authentication.retries(refused, means))) return reply;
      } else if (reply.status === 406 && this.#asksForIdentity) {
        this.#asksForIdentity = false;
      } else if (isRedirect(reply, request.method)) {
        redirects += 1;
        if (redirects > MAX_REDIRECTS)
          throw new RedfishError('Protocol', `${this.what(request)} is redirected in circles`);
        path = this.resolve(reply.headers['location'] ?? '');
      } else {
        return reply;
      }
    }
  }

  /** How the authentication acts on behalf of a request. */
  #means(request: BmcRequest, sending: Sending): Means {
    return {
      send: this.#rawSend(sending),
      sendToEnd: (login, headers) => {
        const deadlineMs = performance.now() + this.config.callTimeoutMs;
        return this.#rawSend({ deadlineMs })(login, headers);
      },
      within: (result) => {
        const what = this.what(request);
        const leftMs = Math.min((sending.deadlineMs ?? Number.POSITIVE_INFINITY) - performance.now(), LONGEST_LOGIN_MS);
        const message = `${what} was not sent: its time is over, and its log-in is not answered yet`;
        return within(result, Math.max(0, leftMs), sending.signal, what, () => new RedfishError('Timeout', message));
      },
      pause: (ms) => this.#pauseWithin(ms, request, sending),
    };
  }

  /** Waits, unless the deadline of the call comes first: then it fails now. */
  async #pauseWithin(ms: number, request: BmcRequest, sending: Sending): Promise<void> {
    const what = this.what(request);
    if (performance.now() + ms >= (sending.deadlineMs ?? Number.POSITIVE_INFINITY)) {
      throw new RedfishError('Timeout', `${what} was refused (401), and its time is over before it can be repeated`);
    }
    await pause(ms, sending.signal, what);
  }

  /** Opens the connection, handshakes included, within what is left of the call. */
  async #connect(request: BmcRequest, sending: Sending): Promise<void> {
    const leftMs = (sending.deadlineMs ?? Number.POSITIVE_INFINITY) - performance.now();
    await this.#transport.connect({ timeoutMs: leftMs, signal: sending.signal }, this.what(request));
  }

  #rawSend(sending: Sending): RawSend {
    return async (request, headers) => {
      await this.#connect(request, sending);
      return this.#exchange(request, headers, sending);
    };
  }

  async #exchange(
    request: BmcRequest,
    authentication: Readonly<Record<string, string>>,
    sending: Sending & { readonly beforeWrite?: (() => void) | undefined },
  ): Promise<Reply> {
    const { method, path, body, ifMatch } = request;
    const { callTimeoutMs, userAgent } = this.config;
    const headers: Record<string, string> = {
      host: this.config.host,
      connection: 'keep-alive',
      accept: 'application/json',
      'odata-version': '4.0',
      'user-agent': sending.mutate?.userAgent ?? userAgent,
      ...authentication,
    };
    if (this.#asksForIdentity) headers['accept-encoding'] = 'identity';
    if (body !== undefined) headers['content-type'] = 'application/json';
    if (ifMatch !== undefined) headers['if-match'] = ifMatch;
    const remainingMs = (sending.deadlineMs ?? Number.POSITIVE_INFINITY) - performance.now();
    const wire = { method, path, headers, body: body === undefined ? undefined : JSON.stringify(body) };
    const { signal, beforeWrite } = sending;
    const limits = { timeoutMs: Math.min(remainingMs, callTimeoutMs), signal, beforeWrite };
    const send = () => this.#transport.exchange(wire, limits, this.what(request));
    const exchange = () => observed(this.config.observe, { method, path: this.redact(path) }, send);
    const shown = { method, path: this.redact(path), host: this.config.host };
    return parseReply(await traced(shown, exchange), this.#authentication.secrets);
  }

  #pauseBeforeRetry(error: unknown, attempt: number): number | undefined {
    return pauseBeforeRetry(error, attempt, this.#authentication.isAccepted);
  }
}
