import { defaultPayloadConverter, type Headers } from '@temporalio/common';
import type { WorkflowInterceptors } from '@temporalio/workflow';

/** Names that begin with it belong to Temporal: the SDK throws for such a signal where a default handler is set. */
const RESERVED = '__temporal_';

/**
 * In front of every run: what anybody may send to it cannot fail its workflow task. Signals of a reserved name are dropped, and so are
 * headers that cannot be decoded, which the interceptors of OpenTelemetry would throw at.
 */
export const interceptors = (): WorkflowInterceptors => ({
  inbound: [
    {
      execute: (input, next) => next({ ...input, headers: readable(input.headers) }),
      handleSignal: (input, next) => next({ ...input, headers: readable(input.headers) }),
      handleQuery: (input, next) => next({ ...input, headers: readable(input.headers) }),
      handleUpdate: (input, next) => next({ ...input, headers: readable(input.headers) }),
      validateUpdate: (input, next) => next({ ...input, headers: readable(input.headers) }),
    },
  ],
  internals: [
    {
      activate: (input, next) => {
        const { activation } = input;
        activation.jobs = (activation.jobs ?? []).filter(
          ({ signalWorkflow }) => signalWorkflow?.signalName?.startsWith(RESERVED) !== true,
        );
        next(input);
      },
    },
  ],
});

function readable(headers: Headers): Headers {
  return Object.fromEntries(
    Object.entries(headers).filter(([, payload]) => {
      try {
        const value: unknown = defaultPayloadConverter.fromPayload(payload);
        return typeof value === 'object' && value !== null;
      } catch {
        return false;
      }
    }),
  );
}
