import pino, { type Logger } from 'pino';

/** Anything that could hold a secret is cut out, whatever its depth of nesting in the fields that we log. */
const SECRET_FIELDS = ['authorization', 'password', 'token', 'nonce', 'data', 'caBundle'];

/**
 * The process's logger: JSON lines with contextual fields, on standard output or in a file. `more` gives further fields of a line, by those that
 * it has.
 */
export function createLogger(options: {
  level: string;
  file: string | undefined;
  more?: ((fields: Record<string, unknown>) => object) | undefined;
}): Logger {
  const paths = SECRET_FIELDS.flatMap((field) => [field, `*.${field}`, `*.*.${field}`]);
  return pino(
    {
      level: options.level,
      base: null,
      timestamp: pino.stdTimeFunctions.isoTime,
      redact: { paths, censor: '[secret]' },
      ...(options.more === undefined ? {} : { mixin: options.more as (fields: object) => object }),
    },
    pino.destination({ dest: options.file ?? 1, sync: false, mkdir: true }),
  );
}
