import { openConnection, type Connection } from './connection.ts';
import { connectionError } from './connectionError.ts';
import type { ConnectionConfig } from './connectionOptions.ts';
import type { RedfishError } from './error.ts';
import { Exchange, type WireLimits, type WireReply, type WireRequest } from './exchange.ts';

/** A connection that answered this recently is taken to be alive. */
const WARM_MS = 3_000;
/** How long an idle connection is kept; a BMC that announces less (`Keep-Alive: timeout=5`) gets less. */
const KEEP_ALIVE_MS = 60_000;
/** So much sooner than announced: the BMC may count from an earlier moment. */
const KEEP_ALIVE_MARGIN_MS = 1_000;

/**
 * An idle connection that the BMC ends so soon after an answer, without having announced it, is one that it never
 * keeps.
 */
const SILENT_CLOSE_MS = 2_000;

/**
 * The one keep-alive connection to one BMC. Callers send one request at a time (the BMC's lock). What is sent again,
 * and when, is decided above. A connection is opened before the request is looked at for the last time (`connect`, then
 * the fence, then `exchange`): a handshake takes seconds on some BMCs, and a fence is good for two.
 */
export class Transport {
  readonly #config: ConnectionConfig;
  #connection: Connection | undefined;
  #session: Buffer | undefined;
  #idleTimer: NodeJS.Timeout | undefined;
  #closesSilently = false;
  #lastReplyAtMs = Number.NEGATIVE_INFINITY;
  /** Fires when the client gives up its connections, also one that is being opened. */
  #end = new AbortController();

  constructor(config: ConnectionConfig) {
    this.#config = config;
  }

  /** There is a connection, and it has not ended as far as is known. */
  get isOpen(): boolean {
    return this.#connection?.isOpen === true;
  }

  /** The connection is open and answered within the last 3 s: a request would be written at once. */
  get warm(): boolean {
    return this.isOpen && performance.now() - this.#lastReplyAtMs < WARM_MS;
  }

  /**
   * Makes sure that the connection is open, TLS included; at most for `timeoutMs` and for the connect timeout of the
   * host. Rejects with a `RedfishError`; nothing was sent then.
   */
  async connect(limits: Pick<WireLimits, 'timeoutMs' | 'signal'>, what: string): Promise<void> {
    this.#noteEnd(this.#connection?.endedAtMs ?? Infinity);
    const isUsed = this.#connection?.wasUsed === true;
    if (this.isOpen && !(this.#closesSilently && isUsed)) return;
    this.#discard();
    const session = this.#session;
    // A BMC that does not take it ends the handshake: the next one is a whole one.
    this.#session = undefined;
    const { signal } = this.#end;
    const timeoutMs = Math.min(limits.timeoutMs, this.#config.connectTimeoutMs);
    const connection = await openConnection(
      this.#config,
      {
        timeoutMs,
        what,
        session,
        signal: limits.signal === undefined ? signal : AbortSignal.any([limits.signal, signal]),
      },
      (latest) => (this.#session = latest),
    );
    if (signal.aborted) connection.close();
    else this.#connection = connection;
  }

  /**
   * Sends one request over the connection that `connect` has opened, and reads the answer. Rejects with `RedfishError`
   * only; `what` names it in messages. Where the connection has ended meanwhile nothing is sent (`lostConnection`, and
   * not `mayHaveLanded`).
   */
  async exchange(request: WireRequest, limits: WireLimits, what: string): Promise<WireReply> {
    const connection = this.#connection;
    clearTimeout(this.#idleTimer);
    if (connection?.isOpen !== true) {
      this.#discard();
      const ended = Object.assign(new Error('the connection has ended'), { code: 'ECONNRESET' });
      throw connectionError(what, ended, false);
    }
    const isUsed = connection.wasUsed;
    const exchange = new Exchange(connection, request, limits, what);
    const reply = await exchange.result.catch((error: RedfishError) => {
      if (error.lostConnection && isUsed) this.#noteEnd(performance.now());
      throw error;
    });
    this.#lastReplyAtMs = performance.now();
    const keepMs = exchange.keepsAlive ? keepAliveMs(reply.headers['keep-alive']) : 0;
    if (keepMs <= 0) connection.close();
    else this.#idleTimer = setTimeout(() => connection.close(), keepMs).unref();
    return reply;
  }

  /** Closes the connection, or gives up the one that is being opened; a later request opens a new one. */
  close(): void {
    this.#end.abort();
    this.#end = new AbortController();
    this.#discard();
  }

  /**
   * On a connection that was used before a request may meet its end, and nobody knows then what became of it: such a
   * BMC gets a new one each time.
   */
  #noteEnd(endedAtMs: number): void {
    if (endedAtMs - this.#lastReplyAtMs < SILENT_CLOSE_MS) this.#closesSilently = true;
  }

  #discard(): void {
    clearTimeout(this.#idleTimer);
    const connection = this.#connection;
    this.#connection = undefined;
    connection?.close();
  }
}

/**
 * `timeout=5, max=100`: how long the BMC keeps an idle connection, less a margin; 0 when it takes no further request.
 */
function keepAliveMs(header: string | undefined): number {
  const timeout = /(?:^|[,;\s])timeout\s*=\s*"?(\d{1,6})/i.exec(header ?? '')?.[1];
  const max = /(?:^|[,;\s])max\s*=\s*"?(\d{1,6})/i.exec(header ?? '')?.[1];
  if (max === '0') return 0;
  if (timeout === undefined) return KEEP_ALIVE_MS;
  return Math.min(KEEP_ALIVE_MS, Number(timeout) * 1_000 - KEEP_ALIVE_MARGIN_MS);
}
