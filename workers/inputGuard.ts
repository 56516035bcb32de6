import { ApplicationFailure, type Headers } from '@temporalio/common';
import type { ActivityInterceptorsFactory } from '@temporalio/worker';
import { Value } from 'typebox/value';
import type { FailureType } from '../activities/failures.ts';
import { ACTIVITY_INPUTS } from '../activities/inputs.ts';
import { UnreadablePayload } from '../workflows/payloadConverter.ts';

/** An id of an installation, a trace context: a header of ours is a short text. */
const MAX_HEADER_BYTES = 4_096;

/**
 * In front of every activity, whoever scheduled it: its one argument is bounded (`activityPayloads`) and of the type
 * that stands in `ACTIVITY_INPUTS`, else it fails as `InvalidInput`, which is never retried, and nothing is done.
 * Headers that are longer than any of ours are dropped before anything decodes them.
 */
export const inputGuard: ActivityInterceptorsFactory = ({ info: { activityType } }) => ({
  inbound: {
    execute: (input, next) => {
      const why = refusal(activityType, input.args);
      if (why !== undefined) throw invalidInput(activityType, why);
      return next({ ...input, headers: shortHeaders(input.headers) });
    },
  },
});

/** Why an activity is not done with these arguments; undefined: it is. Repeats nothing of them. */
export function refusal(activityType: string, args: readonly unknown[]): string | undefined {
  const schema = Object.hasOwn(ACTIVITY_INPUTS, activityType)
    ? ACTIVITY_INPUTS[activityType as keyof typeof ACTIVITY_INPUTS]
    : undefined;
  if (schema === undefined) return 'no activity of that name has a declared input';
  const wanted = schema === null ? 0 : 1;
  if (args.length !== wanted) return `it takes ${wanted} arguments and got ${args.length}`;
  if (schema === null) return undefined;
  const [value] = args;
  if (value instanceof UnreadablePayload) return value.why;
  if (Value.Check(schema, value)) return undefined;
  const [first] = Value.Errors(schema, value);
  return first === undefined ? 'it is of another type' : `${first.instancePath || 'its argument'} ${first.message}`;
}

function invalidInput(activityType: string, why: string): ApplicationFailure {
  return ApplicationFailure.create({
    type: 'InvalidInput' satisfies FailureType,
    nonRetryable: true,
    message:
      `The input of activity ${activityType} cannot be used: ${why}. Nothing was done, and it is not retried. ` +
      'Beskar7 schedules its activities itself: see who else may write to this Temporal namespace.',
  });
}

function shortHeaders(headers: Headers): Headers {
  return Object.fromEntries(
    Object.entries(headers).filter(([, payload]) => (payload.data?.length ?? 0) <= MAX_HEADER_BYTES),
  );
}
