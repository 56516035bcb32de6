import { readdirSync, readFileSync } from 'node:fs';
import path from 'node:path';

/** The folder of keys cannot be used: one line that says what, and how to fix it. */
export class CodecKeysError extends Error {
  override readonly name = 'CodecKeysError';
}

/** Names the key that new payloads are encrypted with. Not needed where there is one key alone. */
const ACTIVE = 'active';
const KEY_BYTES = 32;
const REREAD_MS = 10_000;

interface Keys {
  readonly byId: ReadonlyMap<string, Buffer>;
  readonly active: string;
}

/**
 * Keys of 256 bits from a folder as a Secret is mounted: a file for each key, named by its id, with 32 bytes in base64,
 * and the file `active` with the id of the one that encrypts. It is read again when an unknown id is met, and now and
 * then: files that cannot be used then leave the last good ones.
 */
export class KeyRing {
  readonly #folder: string;
  #keys: Keys;
  #readAtMs = performance.now();

  private constructor(folder: string, keys: Keys) {
    this.#folder = folder;
    this.#keys = keys;
  }

  /** Throws CodecKeysError. */
  static open(folder: string): KeyRing {
    return new KeyRing(folder, readKeys(folder));
  }

  /** The key that encrypts, and its id. */
  get active(): { readonly id: string; readonly key: Buffer } {
    this.#readAgain();
    const { byId, active } = this.#keys;
    return { id: active, key: byId.get(active) as Buffer };
  }

  /** Undefined: not known here. */
  key(id: string): Buffer | undefined {
    const known = this.#keys.byId.get(id);
    if (known !== undefined) return known;
    this.#readAgain();
    return this.#keys.byId.get(id);
  }

  #readAgain(): void {
    const now = performance.now();
    if (now - this.#readAtMs < REREAD_MS) return;
    this.#readAtMs = now;
    try {
      this.#keys = readKeys(this.#folder);
    } catch {
      // They may be written just now; the last good ones stay.
    }
  }
}

function readKeys(folder: string): Keys {
  const byId = new Map<string, Buffer>();
  let named: string | undefined;
  for (const name of namesIn(folder)) {
    const text = readFileSync(path.join(folder, name), 'utf8').trim();
    if (name === ACTIVE) named = text;
    else byId.set(name, keyOf(folder, name, text));
  }
  const active = named ?? (byId.size === 1 ? [...byId.keys()][0] : undefined);
  if (active === undefined || !byId.has(active)) {
    const why =
      byId.size === 0
        ? 'has no key'
        : named === undefined
          ? 'has several keys and no file "active"'
          : `has no key "${named.slice(0, 40)}", which its file "active" names`;
    throw new CodecKeysError(
      `beskar7: ${folder} ${why}: put a file <key id> with 32 random bytes in base64 there (openssl rand -base64 32), and the id of the one that encrypts into the file "active" (--temporal-codec-keys)`,
    );
  }
  return { byId, active };
}

/** Without the hidden ones by which Kubernetes replaces all files at once. */
function namesIn(folder: string): string[] {
  try {
    return readdirSync(folder).filter((name) => !name.startsWith('.'));
  } catch (error) {
    throw new CodecKeysError(`beskar7: ${folder} cannot be read: ${(error as Error).message} (--temporal-codec-keys)`);
  }
}

function keyOf(folder: string, name: string, text: string): Buffer {
  const key = Buffer.from(text, 'base64');
  if (/^[A-Za-z0-9+/]+={0,2}$/.test(text) && key.length === KEY_BYTES && /^[\w.-]{1,64}$/.test(name)) return key;
  throw new CodecKeysError(
    `beskar7: the key ${path.join(folder, name)} is not ${KEY_BYTES} bytes in base64: make one by openssl rand -base64 32 (--temporal-codec-keys)`,
  );
}
