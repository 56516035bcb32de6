import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { Transform } from 'node:stream';
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
 * Stands between Beskar7 and the API server, one path prefix for each process (`/worker-1/api/...`). Forwards what the processes send
 * with their own credentials, and answers faults in place of the API server.
 */
export class KubeProxy {
  readonly counts = new Map<string, number>();
  faults: KubeFaults = NO_KUBE_FAULTS;
  hook: KubeHook | undefined;
  /** What a watch tells comes so late. */
  delayWatchesMs = 0;
  readonly #target: string;
  readonly #agent: Agent;
  readonly #random: Random;
  readonly #watches = new Set<ServerResponse>();
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
    for (const watch of this.#watches) watch.destroy();
    return count;
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
    const hooked = this.hook?.(asked);
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
    if (isWatch) {
      answer.flushHeaders();
      this.#watches.add(answer);
      answer.on('close', () => this.#watches.delete(answer));
    }
    if (isWatch && this.delayWatchesMs > 0) await pipeline(upstream.body, late(this.delayWatchesMs), answer);
    else await pipeline(upstream.body, answer);
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
    this.counts.set(fault, (this.counts.get(fault) ?? 0) + 1);
    return true;
  }

  #refuse(answer: ServerResponse, code: number): void {
    const reason = STATUS_REASONS[code] ?? 'InternalError';
    const status = {
      kind: 'Status',
      apiVersion: 'v1',
      metadata: {},
      status: 'Failure',
      message: 'chaos',
      reason,
      code,
    };
    answer.writeHead(code, { 'content-type': 'application/json', ...(code === 429 ? { 'retry-after': '1' } : {}) });
    answer.end(JSON.stringify(status));
  }
}

/** Hands on what comes in, in order, so much later. */
function late(ms: number): Transform {
  return new Transform({
    transform: (chunk: Buffer, _encoding, done) => {
      setTimeout(() => done(null, chunk), ms);
    },
  });
}
