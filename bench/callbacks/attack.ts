import { connect } from 'node:net';
import fc from 'fast-check';
import { Pool } from 'undici';
import type { Beskar7Ports } from '../beskar7.ts';
import { forEachLimited } from '../waiting.ts';
import { hostileBytes, hostileRequest, type HostileRequest, type Target } from './hostile.ts';
import { faultOf } from './judge.ts';

const BATCH = 2_000;
const AT_ONCE = 16;
const CALL_MS = 20_000;
/** Bytes that are not HTTP, once in this many requests. */
const RAW_EVERY = 50;
const SHOWN_FAULTS = 10;

/** What came of an attack. */
export interface Attack {
  readonly statuses: Map<string, number>;
  /** The first of the answers that were not as the contract says, with their requests. */
  readonly faults: string[];
  faultCount: number;
}

/**
 * Sends hostile requests to both listeners, from as many addresses as a botnet has (by X-Forwarded-For: the process is
 * told to trust us), so that they get past the rate limits. The same seed makes the same requests. `onProgress` is
 * called after each batch.
 */
export async function attack(
  targets: readonly Target[],
  ports: Beskar7Ports,
  { requests, seed, signal }: { readonly requests: number; readonly seed: number; readonly signal: AbortSignal },
  onProgress: (done: number) => Promise<void>,
): Promise<Attack> {
  const result: Attack = { statuses: new Map(), faults: [], faultCount: 0 };
  const pool = (port: number) => new Pool(`http://127.0.0.1:${port}`, { connections: AT_ONCE });
  const pools = { callback: pool(ports.callback), boot: pool(ports.boot) };
  try {
    for (let done = 0; done < requests; done += BATCH) {
      const target = targets[(done / BATCH) % targets.length];
      if (target === undefined) throw new Error('there is no target to attack');
      const numRuns = Math.min(BATCH, requests - done);
      const batch = fc.sample(hostileRequest(target), { numRuns, seed: seed + done });
      const junk = fc.sample(hostileBytes(target), { numRuns: Math.ceil(numRuns / RAW_EVERY), seed: seed + done });
      await forEachLimited([...batch, ...junk], AT_ONCE, async (one) => {
        signal.throwIfAborted();
        const fault = typeof one === 'string' ? await sendBytes(one, ports, result) : await send(one, pools, result);
        if (fault === undefined) return;
        result.faultCount += 1;
        if (result.faults.length < SHOWN_FAULTS) result.faults.push(`${fault}: ${JSON.stringify(one).slice(0, 2_000)}`);
      });
      await onProgress(done + numRuns);
    }
    return result;
  } finally {
    await Promise.all(Object.values(pools).map((one) => one.destroy()));
  }
}

async function send(
  request: HostileRequest,
  pools: Readonly<Record<HostileRequest['listener'], Pool>>,
  { statuses }: Attack,
): Promise<string | undefined> {
  const { listener, method, path, headers, body } = request;
  const source = `${1 + Math.floor(Math.random() * 222)}.${byte()}.${byte()}.${byte()}`;
  const carries = body !== undefined && !['GET', 'HEAD', 'TRACE'].includes(method);
  try {
    const answer = await pools[listener].request({
      method: method as 'GET',
      // What else there is, HTTP clients refuse to send.
      path: path.replace(/[^\u0021-\u00ff]/g, ''),
      headers: { ...headers, 'x-forwarded-for': source },
      signal: AbortSignal.timeout(CALL_MS),
      ...(carries ? { body } : {}),
    });
    const text = await answer.body.text();
    count(statuses, String(answer.statusCode));
    const header = (name: string) => String(answer.headers[name] ?? '');
    return faultOf(request, {
      status: answer.statusCode,
      contentType: header('content-type'),
      requestId: header('x-request-id'),
      body: text,
    });
  } catch (error) {
    const { code, message } = error as NodeJS.ErrnoException;
    count(statuses, code ?? message);
    return `no answer (${code ?? message})`;
  }
}

/** Bytes that are no HTTP: whatever is answered is no 5xx, and the connection ends. */
function sendBytes(bytes: string, ports: Beskar7Ports, { statuses }: Attack): Promise<string | undefined> {
  return new Promise((resolve) => {
    const socket = connect(ports.callback, '127.0.0.1');
    let answer = '';
    const timer = setTimeout(() => socket.destroy(), CALL_MS);
    socket.on('data', (chunk: Buffer) => (answer += chunk.toString('latin1')));
    socket.on('error', () => undefined);
    socket.on('close', () => {
      clearTimeout(timer);
      count(statuses, 'bytes');
      resolve(/^HTTP\/1\.1 5/m.test(answer) ? 'bytes that were no HTTP made a 5xx' : undefined);
    });
    socket.end(bytes);
  });
}

function byte(): number {
  return Math.floor(Math.random() * 256);
}

function count(statuses: Map<string, number>, status: string): void {
  statuses.set(status, (statuses.get(status) ?? 0) + 1);
}
