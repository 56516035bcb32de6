import {
  defaultPayloadConverter,
  type Payload,
  type PayloadConverter,
  type SerializationContext,
} from '@temporalio/common';

import { JSON_BOUNDS, JsonRefused, parseJson } from '../untrusted/json.ts';

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
    const encoding = encodingOf(payload);
    try {
      // Whoever may write to the Temporal namespace sends up to 2 MiB: a deep one would hold the worker's thread for
      // seconds.
      if (encoding === 'json/plain' && payload.data) return jsonIn(payload.data) as T;
      return defaultPayloadConverter.fromPayload<T>(payload, context);
    } catch (error) {
      const why = error instanceof JsonRefused && error.kind === 'too large' ? error.message : `encoding ${encoding}`;
      // Whoever asked for a T parses it: what a run is sent is `unknown` to it.
      return new UnreadablePayload(`its payload cannot be decoded (${why})`) as T;
    }
  },
};

function jsonIn(data: Uint8Array): unknown {
  const { maxLength } = JSON_BOUNDS.payload;
  if (data.length > maxLength) throw new JsonRefused('too large', `it has more than ${maxLength} bytes`);
  return parseJson(new TextDecoder().decode(data), JSON_BOUNDS.payload);
}

const MAX_ENCODING = 40;

/** The name of an encoding as far as it is plain text; of what else stands there nothing is shown. */
function encodingOf({ metadata }: Payload): string {
  const bytes = metadata?.encoding;
  if (!bytes || bytes.length === 0) return 'not given';
  const text = String.fromCharCode(...bytes.slice(0, MAX_ENCODING));
  return /^[\w/.+-]+$/.test(text) ? text : 'unknown';
}
