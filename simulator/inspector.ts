import { Agent, request } from 'undici';
import type { BootPlan } from './ipxe.ts';
import { beskar7Parameters } from './ipxe.ts';

/** What the inspection image does over the network, and how it is disturbed. */
export interface InspectorOptions {
  readonly report: () => unknown;
  readonly bootstrapPollMs: number;
  readonly osReadyAfterMs: number | undefined;
  readonly localAddress: string | undefined;
  readonly provisionFails: () => string | undefined;
  readonly neverReports: () => boolean;
  readonly dropCallback: () => boolean;
  readonly loseAnswer: () => boolean;
  /** The final OS runs from here on. */
  readonly kexec: (userData: Buffer) => void;
  readonly duplicateCallbacks: () => boolean;
  readonly delayCallbackMs: () => number;
  readonly say: (line: string) => void;
}

/** How it ended: the final OS runs, or the image gave up and powers off. */
export type InspectorEnd = { readonly kind: 'kexec' } | { readonly kind: 'gaveUp'; readonly why: string };

const TRIES = 5;
const FIRST_WAIT_MS = 500;
const LONGEST_WAIT_MS = 8_000;
const CALL_MS = 15_000;
/** Errors before the connection stood: the request cannot have arrived. */
const NEVER_SENT = new Set(['ECONNREFUSED', 'EHOSTUNREACH', 'ENETUNREACH', 'EADDRNOTAVAIL', 'UND_ERR_CONNECT_TIMEOUT']);

/**
 * Runs the inspection image: report, bootstrap data, provisioned, kexec. Rejects only when the signal aborts (power
 * off).
 */
export async function runInspector(
  plan: BootPlan,
  options: InspectorOptions,
  signal: AbortSignal,
): Promise<InspectorEnd> {
  const parameters = beskar7Parameters(plan.args);
  const [api, namespace, host, token] = ['api', 'namespace', 'host', 'token'].map((name) => parameters.get(name));
  if (!api || !namespace || !host || !token)
    return { kind: 'gaveUp', why: 'parameters are missing on the kernel command line' };
  const ca = parameters.get('ca');
  const agent = new Agent({
    keepAliveTimeout: 10_000,
    connections: 1,
    // Certificates are checked against the CA of the kernel command line, and nothing else.
    ...(ca === undefined ? {} : { connect: { ca: Buffer.from(ca, 'base64').toString() } }),
    ...(options.localAddress === undefined ? {} : { localAddress: options.localAddress }),
  });
  const calls = new Calls({ api, namespace, host, token, agent, options, signal });
  try {
    if (options.neverReports()) {
      await never(signal);
    }
    const reported = await calls.send('POST', 'inspection', options.report());
    if (reported !== 202) return { kind: 'gaveUp', why: `the report was answered with ${reported}` };
    const userData = await calls.bootstrap();
    if (!userData) return { kind: 'gaveUp', why: 'bootstrap data was refused' };
    const reason = options.provisionFails();
    if (reason !== undefined) {
      await calls.send('POST', 'provision-failed', { reason });
      return { kind: 'gaveUp', why: reason };
    }
    const handedOver = await calls.send('POST', 'provisioned', {});
    // After the first sent /provisioned an unclear answer means continue (contract, rule 24).
    if (handedOver !== 202 && !calls.wasUnclear)
      return { kind: 'gaveUp', why: `provisioned was answered with ${handedOver || 'nothing'}` };
    options.kexec(userData);
    if (options.osReadyAfterMs !== undefined) {
      await wait(options.osReadyAfterMs, signal);
      await calls.send('POST', 'os-ready', {});
    }
    return { kind: 'kexec' };
  } finally {
    await agent.destroy();
  }
}

interface CallContext {
  readonly api: string;
  readonly namespace: string;
  readonly host: string;
  readonly token: string;
  readonly agent: Agent;
  readonly options: InspectorOptions;
  readonly signal: AbortSignal;
}

class Calls {
  readonly #with: CallContext;
  /** Whether a try of the last call may have been taken without a clear answer. */
  wasUnclear = false;

  constructor(parts: CallContext) {
    this.#with = parts;
  }

  /** The status of the last answer; 0 when there was none. */
  async send(method: 'GET' | 'POST', route: string, body: unknown): Promise<number> {
    const { options, signal } = this.#with;
    await wait(options.delayCallbackMs(), signal);
    this.wasUnclear = false;
    const status = await this.#retried(method, route, body);
    if (options.duplicateCallbacks()) await this.#retried(method, route, body);
    options.say(`${method} ${route}: ${status || 'no answer'}`);
    return status;
  }

  /** Polls for bootstrap data: 404 is not yet, 401 is never. */
  async bootstrap(): Promise<Buffer | undefined> {
    const { options, signal } = this.#with;
    for (;;) {
      const { status, content } = await this.#once('GET', 'bootstrap', undefined);
      if (status === 200) return content;
      if (status === 401) return undefined;
      await wait(options.bootstrapPollMs, signal);
    }
  }

  async #retried(method: 'GET' | 'POST', route: string, body: unknown): Promise<number> {
    const { signal } = this.#with;
    let waitMs = FIRST_WAIT_MS;
    let status = 0;
    for (let tries = 1; tries <= TRIES; tries += 1) {
      ({ status } = await this.#once(method, route, body));
      if (status !== 0 && status !== 408 && status !== 429 && status < 500) return status;
      if (tries < TRIES) await wait(waitMs, signal);
      waitMs = Math.min(LONGEST_WAIT_MS, waitMs * 2);
    }
    return status;
  }

  async #once(method: 'GET' | 'POST', route: string, body: unknown): Promise<{ status: number; content: Buffer }> {
    const { api, namespace, host, token, agent, options, signal } = this.#with;
    if (options.dropCallback()) return { status: 0, content: Buffer.alloc(0) };
    try {
      const answer = await request(`${api}/api/v1/${route}/${namespace}/${host}`, {
        method,
        dispatcher: agent,
        headers: {
          authorization: `Bearer ${token}`,
          ...(method === 'POST' ? { 'content-type': 'application/json' } : {}),
        },
        signal: AbortSignal.any([signal, AbortSignal.timeout(CALL_MS)]),
        ...(method === 'POST' ? { body: JSON.stringify(body) } : {}),
      });
      const content = Buffer.from(await answer.body.arrayBuffer());
      if (options.loseAnswer()) throw new Error('the answer was lost');
      // 503 means that nothing was stored; after a broken gateway or handler that is unknown.
      this.wasUnclear ||= answer.statusCode >= 500 && answer.statusCode !== 503;
      return { status: answer.statusCode, content };
    } catch (error) {
      signal.throwIfAborted();
      this.wasUnclear ||= !NEVER_SENT.has((error as NodeJS.ErrnoException).code ?? '');
      return { status: 0, content: Buffer.alloc(0) };
    }
  }
}

async function never(signal: AbortSignal): Promise<void> {
  for (;;) await wait(3_600_000, signal);
}

/** Waits, or rejects when the signal aborts. */
export function wait(ms: number, signal: AbortSignal): Promise<void> {
  if (signal.aborted) return Promise.reject(new Error('powered off'));
  if (ms <= 0) return Promise.resolve();
  return new Promise((resolve, reject) => {
    const off = () => {
      clearTimeout(timer);
      reject(new Error('powered off'));
    };
    const timer = setTimeout(() => {
      signal.removeEventListener('abort', off);
      resolve();
    }, ms);
    signal.addEventListener('abort', off, { once: true });
  });
}
