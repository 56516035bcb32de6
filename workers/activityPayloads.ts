import { defaultPayloadConverter, type Payload, type PayloadConverter } from '@temporalio/common';
import { JSON_BOUNDS } from '../untrusted/json.ts';
import { readPayload } from '../workflows/payloadConverter.ts';

/**
 * Decodes what Temporal hands to the activities of a worker. An input beyond its bounds, or of an unknown encoding,
 * becomes an `UnreadablePayload`, which `inputGuard` refuses for good: an error thrown in here is a failure that
 * Temporal repeats for ever. The SDK loads this file by its path.
 */
export const payloadConverter: PayloadConverter = {
  toPayload: (value, context, hint) => defaultPayloadConverter.toPayload(value, context, hint),
  fromPayload<T>(payload: Payload): T {
    // Checked against its schema before an activity sees it.
    return readPayload(payload, JSON_BOUNDS.activityInput) as T;
  },
};
