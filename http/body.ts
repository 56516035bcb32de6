import type { IncomingMessage } from 'node:http';
import { JSON_BOUNDS, parseJson as parseBounded, type JsonBounds } from '../untrusted/json.ts';
import { badRequest, tooLarge, tooSlow, unsupportedMediaType } from './errors.ts';

/** Most bytes of a report (contract). */
export const MAX_BODY_BYTES = 1_048_576;

/** Throws 415 unless the request says that it carries JSON; a charset beside it is fine. */
export function requireJson(request: IncomingMessage): void {
  const type = (request.headers['content-type'] ?? '').split(';')[0]?.trim().toLowerCase();
  if (type !== 'application/json') throw unsupportedMediaType();
}

/** Whether a body was sent at all. */
export function hasBody(request: IncomingMessage): boolean {
  return request.headers['transfer-encoding'] !== undefined || Number(request.headers['content-length'] ?? 0) > 0;
}

/**
 * Reads the whole body. Throws 413 above `limitBytes` (what still comes is thrown away, so that the sender gets to read
 * the answer), 408 when it is not there within `timeoutMs`, 400 when the sender goes away.
 */
export function readBody(
  request: IncomingMessage,
  options: { limitBytes: number; timeoutMs: number },
): Promise<Buffer> {
  const { limitBytes, timeoutMs } = options;
  if (Number(request.headers['content-length'] ?? 0) > limitBytes) return Promise.reject(tooLarge(limitBytes));
  return new Promise((resolve, reject) => {
    const chunks: Buffer[] = [];
    let bytes = 0;
    const settle = (act: () => void) => {
      clearTimeout(timer);
      request.off('data', onData).off('end', onEnd).off('error', onGone).off('close', onGone);
      // The rest must not stand in the socket, and a late error must not be unhandled.
      request.on('error', () => undefined).resume();
      act();
    };
    const onData = (chunk: Buffer) => {
      bytes += chunk.length;
      if (bytes > limitBytes) settle(() => reject(tooLarge(limitBytes)));
      else chunks.push(chunk);
    };
    const onEnd = () => settle(() => resolve(Buffer.concat(chunks)));
    const onGone = () => settle(() => reject(badRequest('incomplete body', ['the sender closed the connection'])));
    const timer = setTimeout(() => settle(() => reject(tooSlow(timeoutMs))), timeoutMs);
    request.on('data', onData).on('end', onEnd).on('error', onGone).on('close', onGone);
  });
}

/** `why`: what is wrong, without a word of the body. */
export type ParsedJson = { readonly kind: 'json'; readonly value: unknown } | { readonly kind: 'bad'; why: string };

/** Parses UTF-8 JSON within bounds. Says what is wrong without echoing the text. */
export function parseJson(bytes: Buffer, bounds: JsonBounds = JSON_BOUNDS.document): ParsedJson {
  let text: string;
  try {
    text = new TextDecoder('utf-8', { fatal: true }).decode(bytes);
  } catch {
    return { kind: 'bad', why: 'the body is not UTF-8' };
  }
  try {
    return { kind: 'json', value: parseBounded(text, bounds) };
  } catch (error) {
    return { kind: 'bad', why: `the body: ${(error as Error).message}` };
  }
}
