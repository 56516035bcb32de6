import { isForbidden, isKindAbsent, isNotFound, KubeError } from '../kube/error.ts';

/** Exit codes: a contract with scripts, documented in docs/kubectl.md. */
export const EXIT = {
  ok: 0,
  /** Something failed; or a check of `doctor`, or a provisioning that `trace -f` has followed. */
  error: 1,
  /** Wrong words or flags. */
  usage: 2,
  notFound: 3,
  /** It makes no sense now, or was not confirmed. Nothing was done. */
  refused: 4,
  /** The API server or Temporal does not let this user do it. */
  forbidden: 5,
  /** The API server or Temporal cannot be reached. */
  unreachable: 6,
} as const;
/** A number of `EXIT`. */
export type ExitCode = (typeof EXIT)[keyof typeof EXIT];

/** An end with words for the person, and a code for the script. */
export class CliError extends Error {
  readonly code: ExitCode;

  constructor(code: ExitCode, message: string) {
    super(message);
    this.code = code;
  }
}

/** The code and the words of any failure. */
export function endOf(error: unknown): { readonly code: ExitCode; readonly message: string } {
  if (error instanceof CliError) return { code: error.code, message: error.message };
  const message = error instanceof Error ? error.message : String(error);
  if (isKindAbsent(error))
    return {
      code: EXIT.error,
      message: `${message}\nIs Beskar7 installed in this cluster? See: kubectl beskar7 doctor`,
    };
  if (isNotFound(error)) return { code: EXIT.notFound, message };
  if (isForbidden(error) || (error instanceof KubeError && error.status === 401))
    return { code: EXIT.forbidden, message };
  if (error instanceof KubeError) return { code: error.status === 0 ? EXIT.unreachable : EXIT.error, message };
  return temporalEnd(error, message) ?? { code: EXIT.error, message };
}

/** gRPC status codes: 4 DEADLINE_EXCEEDED, 5 NOT_FOUND, 7 PERMISSION_DENIED, 14 UNAVAILABLE, 16 UNAUTHENTICATED. */
const GRPC: Readonly<Record<number, ExitCode>> = {
  4: EXIT.unreachable,
  5: EXIT.notFound,
  7: EXIT.forbidden,
  14: EXIT.unreachable,
  16: EXIT.forbidden,
};

function temporalEnd(error: unknown, message: string): { code: ExitCode; message: string } | undefined {
  const { name, code, details, cause } = (error ?? {}) as {
    name?: string;
    code?: unknown;
    details?: string;
    cause?: unknown;
  };
  if (name === 'WorkflowNotFoundError') return { code: EXIT.notFound, message: `Temporal: ${message}` };
  const inner = (cause ?? {}) as { code?: unknown; details?: string };
  const number = typeof code === 'number' ? code : inner.code;
  const exit = typeof number === 'number' ? GRPC[number] : undefined;
  return exit === undefined ? undefined : { code: exit, message: `Temporal: ${details ?? inner.details ?? message}` };
}
