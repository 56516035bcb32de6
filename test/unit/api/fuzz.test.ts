import { afterAll, beforeAll, beforeEach, describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import { Pool } from 'undici';
import { hostileBytes, hostileRequest, type HostileRequest, type Target } from '../../../bench/callbacks/hostile.ts';
import { faultOf, type GivenAnswer } from '../../../bench/callbacks/judge.ts';
import { closeRaw, raw } from './raw.ts';
import { CLAIM, inMs, MAC, NONCE, OLD_TOKEN, Scene, TOKEN, type HostOptions } from './scene.ts';

const UNLIMITED = { burst: 1e9, perSecond: 1e9 };
const RATES = { perSource: UNLIMITED, perNamespace: UNLIMITED, perHost: UNLIMITED };
const TIMEOUTS = { headersMs: 150, requestMs: 300, idleMs: 100, stopMs: 300, checkMs: 20 };
const TARGET: Target = {
  namespace: 'default',
  host: 'server-01',
  mac: MAC,
  bearers: [TOKEN, OLD_TOKEN, NONCE, 'x'],
  nonces: [NONCE, TOKEN, OLD_TOKEN],
};
/** The run can be made again: `SEED` chooses another, `RUNS` more. */
const SEED = Number(process.env.BESKAR7_FUZZ_SEED ?? 20_261_123);
const RUNS = Number(process.env.BESKAR7_FUZZ_RUNS ?? 1_500);

const OPENED = { handover: { claim: CLAIM, openedAt: inMs(-1000) } };
const STATES: readonly HostOptions[] = [
  {},
  { status: OPENED },
  { status: { handover: { ...OPENED.handover, outcome: 'Provisioned' } } },
  { claim: { stage: 'HandedOver' } },
  { claim: { stage: 'Releasing' } },
  { claim: { stage: 'Claimed' } },
  { status: { inspectionPhase: 'Timeout', inspection: { claim: CLAIM } } },
];

let scene: Scene;
let pools: Record<'callback' | 'boot', Pool>;
beforeAll(async () => {
  scene = await new Scene().start({
    rates: RATES,
    bootByMac: true,
    trustedProxies: ['127.0.0.1'],
    imagesFolder: __dirname,
  });
  const pool = ({ port }: { port: number }) => new Pool(`http://127.0.0.1:${port}`, { connections: 8 });
  pools = { callback: pool(scene.api.callbackAddress), boot: pool(scene.api.bootAddress) };
});
afterAll(async () => {
  closeRaw();
  await Promise.all(Object.values(pools).map((pool) => pool.destroy()));
  await scene.stop();
});
beforeEach(() => {
  scene.logs.length = 0;
});

async function send({ listener, method, path, headers, body }: HostileRequest): Promise<GivenAnswer & { all: string }> {
  // A GET with a body is a thing of its own: undici sends none.
  const carries = body !== undefined && !['GET', 'HEAD', 'TRACE'].includes(method);
  const answer = await pools[listener].request({
    method: method as 'GET',
    path: path.replace(/[^\u0021-\u00ff]/g, ''),
    headers,
    headersTimeout: 10_000,
    bodyTimeout: 10_000,
    ...(carries ? { body } : {}),
  });
  const text = await answer.body.text();
  const header = (name: string) => String(answer.headers[name] ?? '');
  return {
    status: answer.statusCode,
    contentType: header('content-type'),
    requestId: header('x-request-id'),
    body: text,
    all: `${JSON.stringify(answer.headers)}${text}`,
  };
}

describe('hostile requests over every route and listener', () => {
  test('no 5xx, refusals byte for byte, answers as in the contract, no secret in an answer or a log line', async () => {
    const statuses = new Map<number, number>();
    await fc.assert(
      fc.asyncProperty(fc.constantFrom(...STATES), hostileRequest(TARGET), async (state, request) => {
        scene.host(state);
        scene.logs.length = 0;
        scene.kube.calls.length = 0;
        const answer = await send(request);
        expect({ request, fault: faultOf(request, answer) }).toEqual({ request, fault: undefined });
        statuses.set(answer.status, (statuses.get(answer.status) ?? 0) + 1);
        const lines = scene.logs.filter(({ fields }) => 'requestId' in fields);
        expect(lines.map(({ fields }) => fields.requestId)).toEqual([answer.requestId]);
        expect(lines[0]?.fields.status).toBe(answer.status);
        // The script is the one place where a token may be.
        if (!answer.body.startsWith('#!ipxe')) expect(answer.all).not.toContain(TOKEN);
        expect(JSON.stringify(scene.logs)).not.toMatch(new RegExp(`${TOKEN}|${NONCE}|${OLD_TOKEN}`));
      }),
      { seed: SEED, numRuns: RUNS, endOnFailure: true },
    );
    // It came through to what the routes do.
    for (const status of [200, 202, 400, 401, 404, 415]) expect([...statuses.keys()]).toContain(status);
  }, 120_000);

  test('bytes that are no HTTP are refused or dropped, and the next client is served', async () => {
    const opened = await new Scene().start({ rates: RATES, timeouts: TIMEOUTS });
    try {
      await fc.assert(
        fc.asyncProperty(hostileBytes(TARGET), async (bytes) => {
          const { socket, closed } = raw(opened.api.callbackAddress.port, bytes);
          socket.end();
          const answer = await closed;
          expect({ bytes, answer }).toEqual({
            bytes,
            answer: expect.not.stringMatching(/^HTTP\/1\.1 5|^HTTP\/1\.1 101/m),
          });
          expect(answer).not.toContain(TOKEN);
        }),
        { seed: SEED, numRuns: Math.ceil(RUNS / 5), endOnFailure: true },
      );
      expect((await opened.call('GET', `/api/v1/boot/default/server-01/${NONCE}`)).status).toBe(200);
    } finally {
      await opened.stop();
    }
  }, 120_000);

  test('two requests in one: a smuggled one is not answered', async () => {
    const { port } = scene.api.callbackAddress;
    const both = 'Content-Length: 4\r\nTransfer-Encoding: chunked\r\n';
    const { closed } = raw(
      port,
      `POST /x HTTP/1.1\r\nHost: x\r\n${both}\r\n0\r\n\r\nGET /y HTTP/1.1\r\nHost: x\r\n\r\n`,
    );
    const answer = await closed;
    expect(answer.match(/HTTP\/1\.1/g)).toHaveLength(1);
    expect(answer).toContain('HTTP/1.1 400 ');
  });

  test('the judge can fail', () => {
    const request = {
      listener: 'callback',
      method: 'GET',
      path: '/api/v1/bootstrap/a/b',
      headers: {},
      body: undefined,
    } as const;
    const answer = {
      status: 401,
      contentType: 'application/json',
      requestId: '0'.repeat(36),
      body: '{"error":"unauthorized"}',
    };
    expect(faultOf(request, answer)).toBeUndefined();
    expect(faultOf(request, { ...answer, body: '{"error":"no such host"}' })).toMatch(/other bytes/);
    expect(faultOf(request, { ...answer, requestId: '' })).toMatch(/no request id/);
    expect(faultOf(request, { ...answer, status: 503 })).toMatch(/503/);
    expect(faultOf(request, { ...answer, status: 418 })).toMatch(/not in the contract/);
    expect(faultOf(request, { ...answer, status: 429 })).toMatch(/body/);
    expect(faultOf(request, { ...answer, status: 429, contentType: 'text/html' })).toMatch(/type/);
  });
});
