import {
  defaultPayloadConverter,
  type Payload,
  type PayloadConverter,
  type SerializationContext,
} from '@temporalio/common';

import { JSON_BOUNDS, JsonRefused, parseJson, type JsonBounds } from '../untrusted/json.ts';

/** Stands where a payload cannot be decoded: of an encoding that is not known here, encrypted, or broken. */
export class UnreadablePayload {
  /** Why, for the operator; nothing of the payload itself. */
  readonly why: string;

  constructor(why: string) {
    this.why = why;
  }
}

/**
 * Decodes what reaches workflows. A payload that was sent to a run (signal, query, update, start, memo) and cannot be
 * decoded becomes an `UnreadablePayload`, which whoever parses it refuses with a clear error: an error thrown in here
 * would fail the workflow task, and each repeat of it, for ever. Results of activities come from our own workers: one
 * that cannot be decoded still throws.
 */
export const payloadConverter: PayloadConverter = {
  toPayload: (value, context, hint) => defaultPayloadConverter.toPayload(value, context, hint),
  fromPayload<T>(payload: Payload, context?: SerializationContext): T {
    if (context?.type === 'activity') return defaultPayloadConverter.fromPayload<T>(payload, context);
    // Whoever asked for a T parses it: what a run is sent is `unknown` to it.
    return readPayload(payload, JSON_BOUNDS.payload, context) as T;
  },
};

/**
 * The value of a payload that a stranger may have written; an `UnreadablePayload` where it cannot be decoded or is
 * beyond the bounds. Whoever may write to the Temporal namespace sends up to 2 MiB: a deep one would hold the thread
 * for seconds. Never throws.
 */
export function readPayload(payload: Payload, bounds: JsonBounds, context?: SerializationContext): unknown {
  const encoding = encodingOf(payload);
  try {
    if (encoding === 'json/plain' && payload.data) return jsonIn(payload.data, bounds);
    return defaultPayloadConverter.fromPayload(payload, context);
  } catch (error) {
    const why = error instanceof JsonRefused && error.kind === 'too large' ? error.message : `encoding ${encoding}`;
    return new UnreadablePayload(`its payload cannot be decoded (${why})`);
  }
}

function jsonIn(data: Uint8Array, bounds: JsonBounds): unknown {
  const { maxLength } = bounds;
  if (data.length > maxLength) throw new JsonRefused('too large', `it has more than ${maxLength} bytes`);
  return parseJson(new TextDecoder().decode(data), bounds);
}

const MAX_ENCODING = 40;

/** The name of an encoding as far as it is plain text; of what else stands there nothing is shown. */
function encodingOf({ metadata }: Payload): string {
  const bytes = metadata?.encoding;
  if (!bytes || bytes.length === 0) return 'not given';
  const text = String.fromCharCode(...bytes.slice(0, MAX_ENCODING));
  return /^[\w/.+-]+$/.test(text) ? text : 'unknown';
}
