import { errorOfResponse, KubeError, type CallSubject } from './error.ts';
import type { Identified } from './resource.ts';

/** One event of a watch. A bookmark's object carries a resourceVersion only. */
export interface WatchEvent<T extends Identified> {
  readonly type: 'ADDED' | 'MODIFIED' | 'DELETED' | 'BOOKMARK';
  readonly object: T;
}

/** An object is at most 1.5 MiB in etcd; JSON with managedFields stays below this. */
const MAX_LINE_BYTES = 8 * 1024 * 1024;
const NEWLINE = 0x0a;

/**
 * Lines of a body, without their line ends. A line longer than `maxBytes`, and a body that ends inside a line, are
 * errors.
 */
export async function* linesOf(body: AsyncIterable<Uint8Array>, maxBytes = MAX_LINE_BYTES): AsyncGenerator<string> {
  let parts: Uint8Array[] = [];
  let size = 0;
  for await (const chunk of body) {
    let start = 0;
    for (let end = chunk.indexOf(NEWLINE); end >= 0; end = chunk.indexOf(NEWLINE, start)) {
      const line = Buffer.concat([...parts, chunk.subarray(start, end)]).toString('utf8');
      parts = [];
      size = 0;
      start = end + 1;
      if (line.trim() !== '') yield line;
    }
    if (start < chunk.length) {
      parts.push(chunk.subarray(start));
      size += chunk.length - start;
    }
    if (size > maxBytes) throw new Error(`a line of the watch is longer than ${maxBytes} bytes`);
  }
  if (size > 0) throw new Error(`the watch ended inside a line of ${size} bytes`);
}

/**
 * The event of a line. An ERROR event is thrown with the status it tells (410 `Expired`: list again); what is not a
 * watch event is thrown as `InvalidResponse`.
 */
export function parseWatchLine<T extends Identified>(subject: CallSubject, line: string): WatchEvent<T> {
  let value: { type?: unknown; object?: unknown } | null;
  try {
    value = JSON.parse(line) as { type?: unknown; object?: unknown } | null;
  } catch (cause) {
    throw invalid(subject, 'a line of the watch is not JSON', cause);
  }
  const object = value?.object as (Identified & { code?: unknown }) | null | undefined;
  if (value?.type === 'ERROR') {
    const code = typeof object?.code === 'number' ? object.code : 500;
    throw errorOfResponse(subject, code, JSON.stringify(object));
  }
  switch (value?.type) {
    case 'ADDED':
    case 'MODIFIED':
    case 'DELETED':
    case 'BOOKMARK':
      if (typeof object?.metadata?.resourceVersion !== 'string') break;
      return { type: value.type, object: object as T };
  }
  throw invalid(subject, 'a line of the watch is not a watch event');
}

function invalid(subject: CallSubject, message: string, cause?: unknown): KubeError {
  return new KubeError(subject, { status: 0, reason: 'InvalidResponse', message, cause });
}
