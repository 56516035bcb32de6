import { readFileSync, watch } from 'node:fs';
import path from 'node:path';

/** A mounted Secret is replaced by several renames. */
const SETTLE_MS = 200;
/** A JWT with its claims has some hundred bytes; servers refuse headers above 16 KiB. */
const MAX_CHARACTERS = 12_000;

/** The file of the API key cannot be used: one line that says why, without its content. */
export class ApiKeyError extends Error {
  override readonly name = 'ApiKeyError';
}

/** What becomes of a new key, and of one that cannot be used. */
export interface ApiKeyListener {
  renewed(key: string): void;
  /** The last good key stays in use. */
  failed(reason: string): void;
}

/**
 * The API key for Temporal (a JWT, for an authoriser), from a file that others renew: as Kubernetes replaces a mounted
 * Secret, or as an agent writes it. Keys of a server with an authoriser are short-lived, so one that is only read at
 * the start ends the work of a process when it expires.
 */
export class ApiKeyFile {
  readonly #file: string;
  #key: string;

  private constructor(file: string, key: string) {
    this.#file = file;
    this.#key = key;
  }

  /** Throws ApiKeyError. */
  static open(file: string): ApiKeyFile {
    return new ApiKeyFile(file, readKey(file));
  }

  /** As it stands in the file now; the last good one while that cannot be read. */
  get key(): string {
    try {
      this.#key = readKey(this.#file);
    } catch {
      // It may be written just now.
    }
    return this.#key;
  }

  /** Tells of each new content, from the last `key` on, until the function that it returns is called. */
  follow({ renewed, failed }: ApiKeyListener): () => void {
    let timer: NodeJS.Timeout | undefined;
    const look = () => {
      try {
        const key = readKey(this.#file);
        if (key === this.#key) return;
        this.#key = key;
        renewed(key);
      } catch (error) {
        failed((error as Error).message);
      }
    };
    // The folder, not the file: a renewed file is another one under the same name.
    const watcher = watch(path.dirname(this.#file), () => {
      clearTimeout(timer);
      timer = setTimeout(look, SETTLE_MS);
    });
    watcher.on('error', (error) => failed(`beskar7: ${this.#file} is not watched any more: ${error.message}`));
    look();
    return () => {
      clearTimeout(timer);
      watcher.close();
    };
  }
}

function readKey(file: string): string {
  let text: string;
  try {
    text = readFileSync(file, 'utf8').trim();
  } catch (error) {
    throw new ApiKeyError(`beskar7: ${file} cannot be read: ${(error as Error).message} (--temporal-api-key-file)`);
  }
  // What a header may hold (RFC 9110 §5.5), without blanks: a file of something else is not sent anywhere.
  if (/^[\x21-\x7e]+$/.test(text) && text.length <= MAX_CHARACTERS) return text;
  throw new ApiKeyError(
    `beskar7: ${file} holds no API key: one word of at most ${MAX_CHARACTERS} printable characters is needed (--temporal-api-key-file)`,
  );
}

/** gRPC's PERMISSION_DENIED and UNAUTHENTICATED. */
const REFUSALS: readonly unknown[] = [7, 16];

/** Why Temporal did not do what a process has asked, for the operator. */
export function temporalProblem(error: unknown, address?: string): string {
  const { message = String(error), code } = (error ?? {}) as { message?: string; code?: unknown };
  const where = address === undefined ? '' : ` at ${address}`;
  if (!REFUSALS.includes(code)) return `Temporal${where} cannot be reached: ${message}`;
  return (
    `Temporal${where} refuses the API key of this process: ${message} ` +
    'It may have expired, or lack the right that its roles need in this namespace (docs/security.md, Temporal); it is tried again.'
  );
}
