import { defaultPayloadConverter, type Headers } from '@temporalio/common';
import type { WorkflowInterceptors } from '@temporalio/workflow';
import { INSTALLATION_HEADER, type FromInstallation } from '../contracts/names.ts';
import { JSON_BOUNDS } from '../untrusted/json.ts';
import { readPayload, UnreadablePayload } from './payloadConverter.ts';

/** Names that begin with it belong to Temporal: the SDK throws for such a signal where a default handler is set. */
const RESERVED = '__temporal_';

/**
 * In front of every run: what anybody may send to it cannot fail its workflow task. Signals of a reserved name are
 * dropped, and so are headers that cannot be decoded, which the interceptors of OpenTelemetry would throw at. And what
 * a run sets in motion (activities, its next history) carries the installation that started it.
 */
export const interceptors = (): WorkflowInterceptors => {
  let installation: string | undefined;
  return {
    inbound: [
      {
        execute: (input, next) => {
          installation = installationIn(input.args[0]);
          return next({ ...input, headers: readable(input.headers) });
        },
        handleSignal: (input, next) => next({ ...input, headers: readable(input.headers) }),
        handleQuery: (input, next) => next({ ...input, headers: readable(input.headers) }),
        handleUpdate: (input, next) => next({ ...input, headers: readable(input.headers) }),
        validateUpdate: (input, next) => next({ ...input, headers: readable(input.headers) }),
      },
    ],
    outbound: [
      {
        scheduleActivity: (input, next) =>
          next(
            installation === undefined
              ? input
              : {
                  ...input,
                  headers: { ...input.headers, [INSTALLATION_HEADER]: defaultPayloadConverter.toPayload(installation) },
                },
          ),
        continueAsNew: (input, next) => {
          const { memo } = input.options;
          const options =
            memo === undefined ? input.options : { ...input.options, memo: { ...memo, ...field(installation) } };
          return next({ ...input, args: marked(input.args, installation), options });
        },
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
  };
};

function field(installation: string | undefined): FromInstallation {
  return installation === undefined ? {} : { installation };
}

/** The arguments of a run, with the installation in the first one. */
function marked(args: readonly unknown[], installation: string | undefined): unknown[] {
  const [input, ...rest] = args;
  const isObject = typeof input === 'object' && input !== null;
  return isObject && installation !== undefined ? [{ ...input, installation }, ...rest] : [...args];
}

function installationIn(input: unknown): string | undefined {
  const { installation } = (typeof input === 'object' && input !== null ? input : {}) as { installation?: unknown };
  return typeof installation === 'string' ? installation : undefined;
}

function readable(headers: Headers): Headers {
  return Object.fromEntries(
    Object.entries(headers).filter(([, payload]) => {
      const value = readPayload(payload, JSON_BOUNDS.request);
      return typeof value === 'object' && value !== null && !(value instanceof UnreadablePayload);
    }),
  );
}
