import { Client } from 'undici';
import type { ConnectionConfig } from './connectionOptions.ts';
import { Exchange, type WireLimits, type WireReply, type WireRequest } from './exchange.ts';

/** A connection that answered this recently is taken to be alive. */
const WARM_MS = 3_000;
const CONNECT_TIMEOUT_MS = 10_000;
/** How long an idle connection is kept; a BMC that announces less (`Keep-Alive: timeout=5`) gets less. */
const KEEP_ALIVE_MS = 60_000;
const MAX_HEADER_BYTES = 64 * 1024;

/**
 * The one keep-alive connection to one BMC. Callers send one request at a time (the BMC's lock). undici runs without its
 * retry, redirect and cookie handlers: what is sent again, and when, is decided above.
 */
export class Transport {
  readonly #config: ConnectionConfig;
  #client: Client | undefined;
  #connected = false;
  #lastReplyAtMs = Number.NEGATIVE_INFINITY;

  constructor(config: ConnectionConfig) {
    this.#config = config;
  }

  /** The connection is open and answered within the last 3 s: a request would be written at once. */
  get warm(): boolean {
    return this.#connected && performance.now() - this.#lastReplyAtMs < WARM_MS;
  }

  /** Sends one request and reads the whole answer. Rejects with `RedfishError` only; `what` names it in messages. */
  async exchange(request: WireRequest, limits: WireLimits, what: string): Promise<WireReply> {
    const exchange = new Exchange(request, limits, what, () => this.close());
    if (exchange.settled) return exchange.result;
    const client = this.#open();
    const { method, path, headers, body } = request;
    client.dispatch({ method, path, headers, body: body ?? null }, exchange);
    const reply = await exchange.result;
    this.#lastReplyAtMs = performance.now();
    return reply;
  }

  /** Closes the connection; a later request opens a new one. */
  close(): void {
    this.#discard(this.#client);
  }

  #open(): Client {
    if (this.#client !== undefined) return this.#client;
    const { origin, tls, callTimeoutMs } = this.#config;
    const client = new Client(origin, {
      allowH2: false,
      pipelining: 1,
      // One deadline rules, that of the exchange: it covers waiting, headers and body.
      headersTimeout: 0,
      bodyTimeout: 0,
      maxHeaderSize: MAX_HEADER_BYTES,
      keepAliveTimeout: KEEP_ALIVE_MS,
      keepAliveTimeoutThreshold: 1_000,
      connect: { ...tls, minVersion: 'TLSv1.2', timeout: Math.min(CONNECT_TIMEOUT_MS, callTimeoutMs) },
    });
    client.on('connect', () => {
      if (this.#client === client) this.#connected = true;
    });
    client.on('disconnect', () => {
      if (this.#client === client) this.#connected = false;
    });
    this.#client = client;
    return client;
  }

  #discard(client: Client | undefined): void {
    if (client === undefined) return;
    if (this.#client === client) {
      this.#client = undefined;
      this.#connected = false;
    }
    // Rejects only when the client is destroyed already.
    client.destroy().catch(() => undefined);
  }
}
