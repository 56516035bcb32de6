import type { BmcNetworks } from './bmcNetworks.ts';
import { RedfishClient } from './client.ts';
import { connectionIdentity, type RedfishConnectionOptions } from './connectionOptions.ts';
import type { ObserveRequest } from './observe.ts';

/** Bounds of a pool. */
export interface RedfishPoolOptions {
  /** More clients than this are never kept; the one that was used longest ago goes first. Default 4096. */
  maxClients?: number;
  /** A client that nobody used for this long is logged out and closed. Default 10 minutes. */
  idleCloseMs?: number;
  /** Told of each request to any BMC, for metrics. */
  observe?: ObserveRequest;
  /** Where BMCs may be; absent: anywhere. */
  networks?: BmcNetworks;
  /** Refuses BMC addresses that start with http://. Default false. */
  requiresHttps?: boolean;
}

interface Entry {
  readonly client: RedfishClient;
  readonly secretHash: string;
}

const DEFAULT_MAX_CLIENTS = 4096;
const DEFAULT_IDLE_CLOSE_MS = 10 * 60_000;

/**
 * One client per owner, address, user and system, so that connections, sessions and what was learned about a BMC are
 * used again. Other credentials or TLS settings of the same owner make a new client, and the old one is logged out.
 */
export class RedfishPool {
  readonly #maxClients: number;
  readonly #idleCloseMs: number;
  readonly #common: Pick<RedfishConnectionOptions, 'observe' | 'networks' | 'requiresHttps'>;
  /** In the order of last use. */
  readonly #entries = new Map<string, Entry>();
  readonly #closing = new Set<Promise<void>>();
  #sweeper: NodeJS.Timeout | undefined;

  constructor(options: RedfishPoolOptions = {}) {
    this.#maxClients = options.maxClients ?? DEFAULT_MAX_CLIENTS;
    this.#idleCloseMs = options.idleCloseMs ?? DEFAULT_IDLE_CLOSE_MS;
    const { observe, networks, requiresHttps } = options;
    this.#common = {
      ...(observe && { observe }),
      ...(networks && { networks }),
      ...(requiresHttps !== undefined && { requiresHttps }),
    };
  }

  /** How many clients are kept. */
  get size(): number {
    return this.#entries.size;
  }

  /**
   * The client for these options; get it again for each activity. Throws a `RedfishError` when the options cannot be
   * used.
   */
  get(options: RedfishConnectionOptions): RedfishClient {
    const { who, secretHash } = connectionIdentity(options);
    const known = this.#entries.get(who);
    if (known !== undefined && known.secretHash === secretHash) {
      this.#entries.delete(who);
      this.#entries.set(who, known);
      known.client.useCredentials(options);
      return known.client;
    }
    const client = new RedfishClient({ ...options, ...this.#common });
    this.#drop(who);
    this.#makeRoom();
    this.#entries.set(who, { client, secretHash });
    this.#sweeper ??= setInterval(() => this.#sweep(), Math.max(10, this.#idleCloseMs / 4)).unref();
    return client;
  }

  /** Logs all clients out and closes them; the pool can be used again. Never throws. */
  async closeAll(): Promise<void> {
    clearInterval(this.#sweeper);
    this.#sweeper = undefined;
    for (const who of [...this.#entries.keys()]) this.#drop(who);
    await Promise.allSettled(this.#closing);
  }

  /** Idle ones go before those that someone uses at this moment. */
  #makeRoom(): void {
    if (this.#entries.size < this.#maxClients) return;
    let oldest: string | undefined;
    for (const [who, { client }] of this.#entries) {
      oldest ??= who;
      if (client.idleMs > 0) {
        oldest = who;
        break;
      }
    }
    if (oldest !== undefined) this.#drop(oldest);
  }

  #sweep(): void {
    for (const [who, { client }] of this.#entries) {
      if (client.idleMs >= this.#idleCloseMs) this.#drop(who);
    }
  }

  #drop(who: string): void {
    const entry = this.#entries.get(who);
    if (entry === undefined) return;
    this.#entries.delete(who);
    const closing = entry.client.close().finally(() => this.#closing.delete(closing));
    this.#closing.add(closing);
  }
}
