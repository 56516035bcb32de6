import { maskText } from '../untrusted/secrets.ts';
import { visibleJson } from '../untrusted/text.ts';
import pino, { type Logger, type LoggerOptions } from 'pino';

/** Anything that could hold a secret is cut out, whatever its depth of nesting in the fields that we log. */
const SECRET_FIELDS = ['authorization', 'password', 'token', 'nonce', 'data', 'caBundle'];

const MAX_CAUSES = 5;

/** The logged properties of an error: no others, which could be a request with its headers. */
function errorFields(error: unknown, causes = 0): unknown {
  if (!(error instanceof Error)) return error;
  const { name, message, stack, cause } = error;
  const { type, code } = error as { type?: unknown; code?: unknown };
  return {
    type: typeof type === 'string' ? type : name,
    ...(typeof code === 'string' || typeof code === 'number' ? { code } : {}),
    message,
    stack,
    ...(cause === undefined || causes >= MAX_CAUSES ? {} : { cause: errorFields(cause, causes + 1) }),
  };
}

interface LineOptions {
  readonly level: string;
  /** Further fields of a line, by those that it has. */
  readonly more?: ((fields: Record<string, unknown>) => object) | undefined;
}

/** What lines look like. */
export function lineOptions({ level, more }: LineOptions): LoggerOptions {
  const paths = SECRET_FIELDS.flatMap((field) => [field, `*.${field}`, `*.*.${field}`]);
  return {
    level,
    base: null,
    timestamp: pino.stdTimeFunctions.isoTime,
    // Temporal's SDK says `error` where pino says `err`.
    serializers: { err: (error: unknown) => errorFields(error), error: (error: unknown) => errorFields(error) },
    redact: { paths, censor: '[secret]' },
    // Whatever a BMC, a server or a person has made stand in a message.
    hooks: { streamWrite: (line) => visibleJson(maskText(line, '[secret]')) },
    ...(more === undefined ? {} : { mixin: more as (fields: object) => object }),
  };
}

/** The process's logger: JSON lines with contextual fields, on standard output or in a file. */
export function createLogger({ file, ...options }: LineOptions & { readonly file: string | undefined }): Logger {
  return pino(lineOptions(options), pino.destination({ dest: file ?? 1, sync: false, mkdir: true }));
}
