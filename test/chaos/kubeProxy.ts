import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { Transform, type TransformCallback } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { Agent, request, type Dispatcher } from 'undici';
import type { Random } from './random.ts';

/** How often the proxy answers by itself, as probabilities per request. */
export interface KubeFaults {
  /** 409 for a patch, which is not forwarded. */
  conflict: number;
  /** 410 for a watch. */
  gone: number;
  /** 429 with Retry-After 1, not forwarded. */
  tooMany: number;
  /** 500, not forwarded. */
  internal: number;
  /** 500 for a change that was carried out. */
  internalAfter: number;
}

export const NO_KUBE_FAULTS: KubeFaults = { conflict: 0, gone: 0, tooMany: 0, internal: 0, internalAfter: 0 };

/** A request on its way to the API server. */
export interface KubeRequest {
  readonly method: string;
  /** With the query. */
  readonly path: string;
  body: Buffer;
  /** Which process sent it. */
  readonly from: string;
}

/** What a seeded bug does to a request: it may change it, or answer in place of the API server. */
export type KubeHook = (request: KubeRequest) => { status: number; body: string } | undefined;

const STATUS_REASONS: Readonly<Record<number, string>> = {
  409: 'Conflict',
  410: 'Expired',
  429: 'TooManyRequests',
  500: 'InternalError',
};

/**
 * Stands between Beskar7 and the API server, one path prefix for each process (`/worker-1/api/...`). Forwards what the
 * processes send with their own credentials, and answers faults in place of the API server.
 */
export class KubeProxy {
  readonly counts = new Map<string, number>();
  faults: KubeFaults = NO_KUBE_FAULTS;
  /** By the namespace of what a request is about. */
  readonly hooks = new Map<string, KubeHook>();
  /** What a watch tells comes so late. */
  delayWatchesMs = 0;
  readonly #target: string;
  readonly #agent: Agent;
  readonly #random: Random;
  readonly #watches = new Map<ServerResponse, WatchLines>();
  #server: Server | undefined;
  #port = 0;

  constructor(target: string, ca: string, random: Random) {
    this.#target = target;
    this.#agent = new Agent({ connect: { ca }, headersTimeout: 120_000, bodyTimeout: 0 });
    this.#random = random;
  }

  /** The `server` of a kubeconfig for a process. */
  url(from: string): string {
    return `http://127.0.0.1:${this.#port}/${from}`;
  }

  async listen(): Promise<void> {
    const server = createServer((incoming, answer) => {
      this.#serve(incoming, answer).catch(() => answer.destroy());
    });
    this.#server = server;
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    this.#port = (server.address() as AddressInfo).port;
  }

  /** Every open watch breaks off. */
  cutWatches(): number {
    const count = this.#watches.size;
    for (const watch of this.#watches.keys()) watch.destroy();
    return count;
  }

  /**
   * A share of the open watches is told that its resourceVersion is too old, and ends, as the API server does it after
   * a compaction.
   */
  expireWatches(share: number): number {
    const told = [...this.#watches.values()].filter(() => this.#random.chance(share));
    for (const watch of told) watch.expire();
    return told.length;
  }

  async close(): Promise<void> {
    this.#server?.closeAllConnections();
    await new Promise((resolve) => (this.#server ? this.#server.close(resolve) : resolve(undefined)));
    await this.#agent.destroy();
  }

  async #serve(incoming: IncomingMessage, answer: ServerResponse): Promise<void> {
    const [, from = '', path = '/'] = /^\/([^/]+)(\/.*)$/.exec(incoming.url ?? '') ?? [];
    const chunks: Buffer[] = [];
    for await (const chunk of incoming) chunks.push(chunk as Buffer);
    const asked: KubeRequest = { method: incoming.method ?? 'GET', path, body: Buffer.concat(chunks), from };
    const isWatch = /[?&]watch=(true|1)/.test(path);
    const isChange = asked.method !== 'GET';
    const fault = this.#faultFor(asked.method, isWatch);
    if (fault !== undefined) return this.#refuse(answer, fault);
    const hooked = this.hooks.get(/\/namespaces\/([^/?]+)/.exec(path)?.[1] ?? '')?.(asked);
    if (hooked) return void answer.writeHead(hooked.status, { 'content-type': 'application/json' }).end(hooked.body);
    const { host: _host, connection: _connection, 'content-length': _length, ...headers } = incoming.headers;
    const gone = new AbortController();
    answer.on('close', () => gone.abort());
    const upstream = await request(this.#target + path, {
      method: asked.method as Dispatcher.HttpMethod,
      headers: headers as Record<string, string>,
      ...(asked.body.length > 0 ? { body: asked.body } : {}),
      dispatcher: this.#agent,
      signal: gone.signal,
    });
    if (isChange && this.#strikes('internalAfter')) {
      await upstream.body.dump();
      return this.#refuse(answer, 500);
    }
    const { 'transfer-encoding': _encoding, connection: _kept, ...answered } = upstream.headers;
    answer.writeHead(upstream.statusCode, answered as Record<string, string>);
    if (!isWatch) return pipeline(upstream.body, answer);
    answer.flushHeaders();
    const lines = new WatchLines(() => this.#count('gone in an open watch'));
    this.#watches.set(answer, lines);
    answer.on('close', () => this.#watches.delete(answer));
    if (this.delayWatchesMs > 0) await pipeline(upstream.body, late(this.delayWatchesMs), lines, answer);
    else await pipeline(upstream.body, lines, answer);
  }

  #faultFor(method: string, isWatch: boolean): number | undefined {
    if (isWatch && this.#strikes('gone')) return 410;
    if (method === 'PATCH' && this.#strikes('conflict')) return 409;
    if (this.#strikes('tooMany')) return 429;
    if (this.#strikes('internal')) return 500;
    return undefined;
  }

  #strikes(fault: keyof KubeFaults): boolean {
    if (this.faults[fault] === 0 || !this.#random.chance(this.faults[fault])) return false;
    this.#count(fault);
    return true;
  }

  #count(what: string): void {
    this.counts.set(what, (this.counts.get(what) ?? 0) + 1);
  }

  #refuse(answer: ServerResponse, code: number): void {
    answer.writeHead(code, { 'content-type': 'application/json', ...(code === 429 ? { 'retry-after': '1' } : {}) });
    answer.end(JSON.stringify(statusOf(code)));
  }
}

function statusOf(code: number): object {
  const reason = STATUS_REASONS[code] ?? 'InternalError';
  return { kind: 'Status', apiVersion: 'v1', metadata: {}, status: 'Failure', message: 'chaos', reason, code };
}

const NEWLINE = 0x0a;

/** The lines of a watch on their way; `expire` ends it with an ERROR event, after the line that is under way. */
class WatchLines extends Transform {
  readonly #onExpired: () => void;
  #isInLine = false;
  #state: 'open' | 'expires' | 'over' = 'open';

  constructor(onExpired: () => void) {
    super();
    this.#onExpired = onExpired;
  }

  expire(): void {
    if (this.#state !== 'open') return;
    this.#state = 'expires';
    if (!this.#isInLine) this.#end();
  }

  override _transform(chunk: Buffer, _encoding: BufferEncoding, done: TransformCallback): void {
    if (this.#state === 'open') {
      this.#isInLine = chunk.at(-1) !== NEWLINE;
      return done(null, chunk);
    }
    const end = chunk.indexOf(NEWLINE);
    if (this.#state === 'expires') {
      this.push(end < 0 ? chunk : chunk.subarray(0, end + 1));
      if (end >= 0) this.#end();
    }
    done();
  }

  #end(): void {
    this.#state = 'over';
    this.push(`${JSON.stringify({ type: 'ERROR', object: statusOf(410) })}\n`);
    this.push(null);
    this.#onExpired();
  }
}

/**
 * Passes on what comes in, in order, each chunk so much later. Chunks do not wait for each other: a watch of many
 * events is late by `ms`, not by `ms` for each of them.
 */
function late(ms: number): Transform {
  return new Transform({
    transform(chunk: Buffer, _encoding, done) {
      setTimeout(() => this.push(chunk), ms);
      done();
    },
    // Timers of the same length fire in the order in which they were set.
    flush: (done) => void setTimeout(done, ms),
  });
}
