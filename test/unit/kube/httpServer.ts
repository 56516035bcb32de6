import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { KubeConfig } from '@kubernetes/client-node';
import { KubeClient, type ClientOptions } from '../../../kube/client.ts';

/** One request as the server got it. */
export interface Received {
  readonly method: string;
  readonly path: string;
  readonly query: URLSearchParams;
  readonly headers: IncomingMessage['headers'];
  readonly body: string;
}

export type Handler = (request: Received, response: ServerResponse) => void | Promise<void>;

/** A real HTTP server in process, on a loopback port, that counts its connections. */
export class TestServer {
  readonly received: Received[] = [];
  connections = 0;
  handler: Handler = (_request, response) => void response.writeHead(500).end();
  readonly #server: Server;

  constructor() {
    this.#server = createServer((request, response) => {
      const url = new URL(request.url ?? '/', 'http://server');
      const chunks: Buffer[] = [];
      request.on('data', (chunk: Buffer) => chunks.push(chunk));
      request.on('end', () => {
        const { method = '', headers } = request;
        const received = {
          method,
          path: url.pathname,
          query: url.searchParams,
          headers,
          body: Buffer.concat(chunks).toString(),
        };
        this.received.push(received);
        void this.handler(received, response);
      });
    });
    this.#server.on('connection', () => (this.connections += 1));
  }

  async start(): Promise<string> {
    await new Promise<void>((resolve) => this.#server.listen(0, '127.0.0.1', resolve));
    return this.address;
  }

  get address(): string {
    return `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}`;
  }

  /** Cuts every connection, as a server that crashes does. */
  cut(): void {
    this.#server.closeAllConnections();
  }

  async stop(): Promise<void> {
    const closed = new Promise<void>((resolve) => this.#server.close(() => resolve()));
    this.#server.closeAllConnections();
    await closed;
  }
}

export function json(
  response: ServerResponse,
  status: number,
  body: unknown,
  headers: Record<string, string> = {},
): void {
  response.writeHead(status, { 'content-type': 'application/json', ...headers }).end(JSON.stringify(body));
}

/** A Kubernetes Status, as the API server refuses with it. */
export function statusBody(code: number, reason: string, message: string): object {
  return { kind: 'Status', apiVersion: 'v1', status: 'Failure', code, reason, message };
}

/** The part of a KubeConfig that the client uses; `token` is asked for each time that credentials are read. */
export function configFor(server: string, token: () => string = () => 'secret-token'): KubeConfig {
  return {
    getCurrentContext: () => 'test',
    getCurrentCluster: () => ({ name: 'test', server, skipTLSVerify: true }),
    applyToHTTPSOptions: (options: { headers?: Record<string, string> }) => {
      options.headers = { Authorization: `Bearer ${token()}` };
      return Promise.resolve();
    },
    createDispatcherOptions: () => ({ type: 'none' }),
  } as unknown as KubeConfig;
}

export function clientFor(server: string, options: Partial<ClientOptions> = {}): KubeClient {
  return KubeClient.fromConfig(configFor(server), { userAgent: 'beskar7/test', timeoutMs: 2000, ...options });
}

/** Waits for a state, with a bound. */
export async function until(what: string, isSo: () => boolean, timeoutMs = 3000): Promise<void> {
  const end = performance.now() + timeoutMs;
  while (!isSo()) {
    if (performance.now() > end) throw new Error(`waited ${timeoutMs} ms in vain: ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 3));
  }
}
