import { timingSafeEqual, createHash } from 'node:crypto';
import type { IncomingMessage, RequestListener, ServerResponse } from 'node:http';
import type { Payload, PayloadCodec } from '@temporalio/common';
import { parseJson, readBody, requireJson } from '../http/body.ts';
import { ApiError } from '../http/errors.ts';

/** Temporal's own bound of a message is 4 MiB; in base64 that is a third more. */
const BODY = { limitBytes: 6 * 1024 * 1024, timeoutMs: 10_000 };

/** What the codec server decrypts with, and whom it answers. */
export interface CodecServerOptions {
  readonly codec: PayloadCodec;
  /** The pages that may ask from a browser: Temporal's Web UI, `http://127.0.0.1:8233`. */
  readonly origins: readonly string[];
  /** What each request has to carry as `Authorization: Bearer …`; undefined: nothing, for loopback alone. */
  readonly token?: string;
}

/**
 * Temporal's codec server: POST /decode and /encode with `{"payloads":[…]}` in the JSON form of Protobuf, for the Web
 * UI and for `temporal --codec-endpoint`. Whoever may ask it reads what is encrypted, and writes what a strict Beskar7
 * believes.
 */
export function codecHandler({ codec, origins, token }: CodecServerOptions): RequestListener {
  const work = async (request: IncomingMessage): Promise<object> => {
    const does = { '/decode': 'decode', '/encode': 'encode' } as const;
    const what = does[(request.url ?? '').split('?')[0] as keyof typeof does] as 'decode' | 'encode' | undefined;
    if (what === undefined || request.method !== 'POST') throw refused(404, 'not found');
    if (token !== undefined && !isBearer(request, token)) throw refused(401, 'unauthorized');
    requireJson(request);
    const body = parseJson(await readBody(request, BODY));
    const payloads = body.kind === 'json' ? payloadsOf(body.value) : undefined;
    if (payloads === undefined) throw refused(400, 'give {"payloads":[{"metadata":{},"data":""}]}');
    return { payloads: (await codec[what](payloads)).map(jsonOf) };
  };
  return (request, response) => {
    const { origin } = request.headers;
    if (origin !== undefined && !origins.includes(origin))
      return answer(response, 403, { error: 'origin not allowed' });
    if (origin !== undefined) allow(response, origin);
    if (request.method === 'OPTIONS') return answer(response, 204);
    work(request).then(
      (body) => answer(response, 200, body),
      (error: unknown) =>
        error instanceof ApiError
          ? answer(response, error.status, JSON.parse(error.body) as object)
          : answer(response, 500, { error: 'failed' }),
    );
  };
}

function refused(status: number, error: string): ApiError {
  return new ApiError({ status, contentType: 'application/json', body: JSON.stringify({ error }) }, error);
}

function allow(response: ServerResponse, origin: string): void {
  response.setHeader('Access-Control-Allow-Origin', origin);
  response.setHeader('Access-Control-Allow-Methods', 'POST, OPTIONS');
  response.setHeader('Access-Control-Allow-Headers', 'content-type, x-namespace, authorization');
  response.setHeader('Access-Control-Allow-Credentials', 'true');
  response.setHeader('Vary', 'Origin');
}

function answer(response: ServerResponse, status: number, body?: object): void {
  response.writeHead(status, { 'Content-Type': 'application/json', 'Cache-Control': 'no-store' });
  response.end(body === undefined ? undefined : JSON.stringify(body));
}

function isBearer({ headers }: IncomingMessage, token: string): boolean {
  const hash = (text: string) => createHash('sha256').update(text).digest();
  return timingSafeEqual(hash(headers.authorization ?? ''), hash(`Bearer ${token}`));
}

function payloadsOf(value: unknown): Payload[] | undefined {
  const { payloads } = (value ?? {}) as { payloads?: unknown };
  if (!Array.isArray(payloads)) return undefined;
  const read = payloads.map(payloadOf);
  return read.every((payload) => payload !== undefined) ? read : undefined;
}

function payloadOf(value: unknown): Payload | undefined {
  const { metadata = {}, data = '' } = (value ?? {}) as { metadata?: Record<string, unknown>; data?: unknown };
  const texts = [data, ...Object.values(metadata)];
  if (!texts.every((text): text is string => typeof text === 'string')) return undefined;
  const bytes = (text: unknown) => new Uint8Array(Buffer.from(String(text), 'base64'));
  return {
    metadata: Object.fromEntries(Object.entries(metadata).map(([name, text]) => [name, bytes(text)])),
    data: bytes(data),
  };
}

function jsonOf({ metadata, data }: Payload): object {
  const base64 = (bytes: Uint8Array | null | undefined) => Buffer.from(bytes ?? []).toString('base64');
  return {
    metadata: Object.fromEntries(Object.entries(metadata ?? {}).map(([name, bytes]) => [name, base64(bytes)])),
    data: base64(data),
  };
}
