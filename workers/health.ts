import { createServer, type Server } from 'node:http';
import type { Registry } from 'prom-client';
import type { Logger } from 'pino';
import type { BindAddress } from './config.ts';

/** Something that has to be well; gives undefined, or what is wrong. */
export type Check = () => string | undefined;

/**
 * GET /healthz (the process lives) and /readyz: 503 when a check that decides is not well, else 200; the body says what
 * is not well in either case. Readiness is what a Service goes by: a check decides where requests would be answered
 * badly without what it stands for.
 */
export class Health {
  readonly #checks = new Map<string, { readonly check: Check; readonly decides: boolean }>();
  #isStopping = false;

  /** `decides: false`: the problem is reported, and the process is ready all the same. */
  set(name: string, check: Check, { decides = true }: { readonly decides?: boolean } = {}): void {
    this.#checks.set(name, { check, decides });
  }

  stopping(): void {
    this.#isStopping = true;
  }

  /** Whether requests may be sent here, and what is not well, by name. */
  state(): { readonly isReady: boolean; readonly problems: Record<string, string> } {
    if (this.#isStopping) return { isReady: false, problems: { process: 'is shutting down' } };
    const problems: Record<string, string> = {};
    let isReady = true;
    for (const [name, { check, decides }] of this.#checks) {
      const problem = check();
      if (problem === undefined) continue;
      problems[name] = problem;
      if (decides) isReady = false;
    }
    return { isReady, problems };
  }

  listen(address: BindAddress, logger: Logger): Promise<Server> {
    return listen(address, logger, 'health', (path) => {
      if (path === '/healthz') return { status: 200, body: 'ok\n' };
      if (path !== '/readyz') return { status: 404, body: 'not found\n' };
      const { isReady, problems } = this.state();
      const isWell = Object.keys(problems).length === 0;
      return { status: isReady ? 200 : 503, body: isWell ? 'ok\n' : `${JSON.stringify(problems)}\n` };
    });
  }
}

/**
 * GET /metrics: ours, Node's, and those of the Temporal SDK, which `sdkMetrics` fetches (empty when there are none).
 */
export function listenMetrics(
  address: BindAddress,
  logger: Logger,
  registry: Registry,
  sdkMetrics: () => Promise<string>,
): Promise<Server> {
  return listen(address, logger, 'metrics', async (path) => {
    if (path !== '/metrics') return { status: 404, body: 'not found\n' };
    const [ours, theirs] = await Promise.all([registry.metrics(), sdkMetrics().catch(() => '')]);
    return { status: 200, body: `${ours}\n${theirs}`, type: registry.contentType };
  });
}

interface Answer {
  readonly status: number;
  readonly body: string;
  readonly type?: string;
}

function listen(
  address: BindAddress,
  logger: Logger,
  name: string,
  answer: (path: string) => Answer | Promise<Answer>,
): Promise<Server> {
  const server = createServer((request, response) => {
    const path = (request.url ?? '').split('?')[0] ?? '';
    void (async () => {
      const { status, body, type } = await answer(path);
      response.writeHead(status, { 'content-type': type ?? 'text/plain' }).end(body);
    })().catch((error: unknown) => {
      logger.error({ err: error, path }, 'request failed');
      response.writeHead(500).end();
    });
  });
  server.headersTimeout = 5_000;
  server.requestTimeout = 15_000;
  server.keepAliveTimeout = 60_000;
  return new Promise((resolve, reject) => {
    server.once('error', (error: NodeJS.ErrnoException) => {
      reject(new ListenError(name, address, error));
    });
    server.listen(address.port, address.host, () => resolve(server));
  });
}

/** A port that cannot be opened: one line that says which, and how to fix it. */
export class ListenError extends Error {
  constructor(name: string, address: BindAddress, cause: NodeJS.ErrnoException) {
    const what = cause.code === 'EADDRINUSE' ? 'is in use' : `cannot be opened (${cause.code ?? cause.message})`;
    super(`beskar7: ${address.host}:${address.port} ${what}; choose another with --${name}-bind-address`, { cause });
  }
}
