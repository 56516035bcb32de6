import { createHash } from 'node:crypto';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { setTimeout as delay } from 'node:timers/promises';
import { Agent, request, type Dispatcher } from 'undici';
import type { CallbackRecord } from './records.ts';
import type { Random } from './random.ts';

/** What the network does to callbacks, as probabilities per call. */
export interface CallbackFaults {
  /** Neither forwarded nor answered: the connection breaks. */
  drop: number;
  /** Forwarded, its answer lost. */
  loseAnswer: number;
  /**
   * Forwarded twice, to two processes: at the same moment, or up to 20 s later, when the server has gone on long since.
   */
  duplicate: number;
  /** Forwarded up to 5 s later, so that callbacks overtake each other. */
  delay: number;
}

export const NO_CALLBACK_FAULTS: CallbackFaults = { drop: 0, loseAnswer: 0, duplicate: 0, delay: 0 };

/** What a seeded bug answers in place of the API processes. */
export type CallbackHook = (route: string, host: string) => number | undefined;

/** `namespace`: of the host; empty for a boot script, which is asked for by MAC address. */
export type CallbackRecorder = (record: CallbackRecord, namespace: string) => void;

/** Of the duplicates, those that are sent with the first one; the others come late. */
const TOGETHER = 0.4;
const LATEST_MS = 20_000;

/** A call as the inspector sent it. */
interface Call {
  readonly incoming: IncomingMessage;
  readonly path: string;
  readonly body: Buffer;
}

/** Resolves after `ms`, and rejects once `signal` aborts. Tests hold it to decide what comes first. */
export type Sleep = (ms: number, signal: AbortSignal) => Promise<unknown>;

interface Answer {
  readonly status: number;
  readonly headers: Record<string, string>;
  readonly body: Buffer;
}

/** The address that servers know, in front of two API processes; it keeps a record of every callback. */
export class Gateway {
  readonly counts = new Map<string, number>();
  /** Bearer tokens that were seen, by their SHA-256, and for which host. */
  readonly seen = new Map<string, { readonly token: string; readonly namespace: string; readonly host: string }>();
  faults: CallbackFaults = NO_CALLBACK_FAULTS;
  /** By the namespace of the host. */
  readonly hooks = new Map<string, CallbackHook>();
  readonly #targets: readonly string[];
  readonly #random: Random;
  readonly #record: CallbackRecorder;
  readonly #sleep: Sleep;
  readonly #agent = new Agent({ headersTimeout: 20_000, bodyTimeout: 20_000, connect: { timeout: 2_000 } });
  readonly #closing = new AbortController();
  #server: Server | undefined;

  constructor(
    targets: readonly string[],
    random: Random,
    record: CallbackRecorder,
    sleep: Sleep = (ms, signal) => delay(ms, undefined, { signal }),
  ) {
    this.#targets = targets;
    this.#random = random;
    this.#record = record;
    this.#sleep = sleep;
  }

  async listen(port: number): Promise<void> {
    const server = createServer((incoming, answer) => {
      this.#serve(incoming, answer).catch(() => answer.destroy());
    });
    this.#server = server;
    await new Promise<void>((resolve, reject) => {
      server.once('error', reject);
      server.listen(port, '127.0.0.1', resolve);
    });
  }

  get port(): number {
    return (this.#server?.address() as AddressInfo).port;
  }

  /** Duplicates that are still to come are not sent any more. */
  async close(): Promise<void> {
    this.#closing.abort();
    this.#server?.closeAllConnections();
    await new Promise((resolve) => (this.#server ? this.#server.close(resolve) : resolve(undefined)));
    await this.#agent.destroy();
  }

  async #serve(incoming: IncomingMessage, answer: ServerResponse): Promise<void> {
    const path = incoming.url ?? '/';
    const [, route = 'boot', namespace = '', host = ''] = /^\/api\/v1\/([a-z-]+)\/([^/]+)\/([^/?]+)/.exec(path) ?? [];
    const token = /^Bearer (.+)$/.exec(incoming.headers.authorization ?? '')?.[1];
    const tokenHash = token === undefined ? undefined : createHash('sha256').update(token).digest('hex');
    if (token !== undefined && tokenHash !== undefined) this.seen.set(tokenHash, { token, namespace, host });
    const chunks: Buffer[] = [];
    for await (const chunk of incoming) chunks.push(chunk as Buffer);
    const body = Buffer.concat(chunks);
    const note = (status: number, isForwarded: boolean) =>
      this.#record(
        {
          source: 'callback',
          at: Date.now(),
          host,
          route,
          status,
          isForwarded,
          ...(tokenHash ? { tokenHash } : {}),
        },
        namespace,
      );
    if (route !== 'boot' && this.#strikes('drop')) {
      note(0, false);
      return void answer.destroy();
    }
    const hooked = this.hooks.get(namespace)?.(route, host);
    if (hooked !== undefined) {
      note(hooked, false);
      return void answer.writeHead(hooked).end();
    }
    const call = { incoming, path, body };
    const first = Math.floor(this.#random.next() * this.#targets.length);
    if (route !== 'boot' && this.#isDue('duplicate')) void this.#duplicate(call, first + 1, note);
    if (this.#strikes('delay')) await this.#sleep(this.#random.between(200, 5_000), this.#closing.signal);
    const forwarded = await this.#forward(call, first);
    const isLost = route !== 'boot' && this.#strikes('loseAnswer');
    // What the API answered is recorded also where the inspector does not learn of it.
    note(forwarded.status, true);
    if (isLost) return void answer.destroy();
    answer.writeHead(forwarded.status, forwarded.headers).end(forwarded.body);
  }

  /**
   * Once more, to another process, and by itself: the inspector waits for the first one only. Counted when it was
   * answered.
   */
  async #duplicate(call: Call, target: number, note: (status: number, isForwarded: boolean) => void): Promise<void> {
    const { signal } = this.#closing;
    const lateMs = this.#random.chance(TOGETHER) ? 0 : this.#random.between(0, LATEST_MS);
    try {
      if (lateMs > 0) await this.#sleep(lateMs, signal);
      const { status } = await this.#forwardTo(target, call);
      if (signal.aborted) return;
      note(status, true);
      this.#count(lateMs > 0 ? 'late duplicate' : 'duplicate');
    } catch {
      // Closed, or that process does not answer: no duplicate has come.
    }
  }

  /** To one of the processes; to another one when that does not listen. 502 when none does. */
  async #forward(call: Call, first: number): Promise<Answer> {
    for (let n = 0; n < this.#targets.length; n += 1) {
      try {
        return await this.#forwardTo(first + n, call);
      } catch (error) {
        const isAway = (error as { code?: string }).code === 'ECONNREFUSED';
        if (!isAway) return { status: 504, headers: {}, body: Buffer.alloc(0) };
      }
    }
    return { status: 502, headers: {}, body: Buffer.alloc(0) };
  }

  async #forwardTo(target: number, { incoming, path, body }: Call): Promise<Answer> {
    const { host: _host, connection: _connection, 'content-length': _length, ...headers } = incoming.headers;
    const upstream = await request((this.#targets[target % this.#targets.length] ?? '') + path, {
      method: (incoming.method ?? 'GET') as Dispatcher.HttpMethod,
      headers: headers as Record<string, string>,
      ...(body.length > 0 ? { body } : {}),
      dispatcher: this.#agent,
    });
    const { 'transfer-encoding': _encoding, connection: _kept, ...answered } = upstream.headers;
    const bytes = Buffer.from(await upstream.body.arrayBuffer());
    return { status: upstream.statusCode, headers: answered as Record<string, string>, body: bytes };
  }

  #strikes(fault: keyof CallbackFaults): boolean {
    if (!this.#isDue(fault)) return false;
    this.#count(fault);
    return true;
  }

  #isDue(fault: keyof CallbackFaults): boolean {
    return this.faults[fault] > 0 && this.#random.chance(this.faults[fault]);
  }

  #count(what: string): void {
    this.counts.set(what, (this.counts.get(what) ?? 0) + 1);
  }
}
