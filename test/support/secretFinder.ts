/** Shorter ones are words that stand in many places: a test that wants one found makes it longer. */
const MIN_LENGTH = 8;
const PREFIX = 4;

interface Needle {
  readonly bytes: Buffer;
  readonly kind: string;
}

/**
 * Looks for many secrets in large texts at once, also where they are encoded: base64 (at any offset, as in an
 * Authorization header), JSON, URL.
 */
export class SecretFinder {
  readonly #byPrefix = new Map<number, Needle[]>();

  /** What each secret is, by its plain text. */
  constructor(secrets: ReadonlyMap<string, string>) {
    for (const [secret, kind] of secrets) for (const form of formsOf(secret)) this.#add(form, kind);
  }

  /** The kinds of the secrets that stand in `text`, each once; never a secret. */
  find(text: string | Uint8Array): string[] {
    const bytes = Buffer.from(text);
    const found = new Set<string>();
    for (let at = 0; at + PREFIX <= bytes.length; at += 1) {
      for (const needle of this.#byPrefix.get(bytes.readUInt32LE(at)) ?? [])
        if (needle.bytes.equals(bytes.subarray(at, at + needle.bytes.length))) found.add(needle.kind);
    }
    return [...found];
  }

  #add(form: string, kind: string): void {
    const bytes = Buffer.from(form);
    if (bytes.length < MIN_LENGTH) return;
    const prefix = bytes.readUInt32LE(0);
    this.#byPrefix.set(prefix, [...(this.#byPrefix.get(prefix) ?? []), { bytes, kind }]);
  }
}

function formsOf(secret: string): Set<string> {
  if (secret.length < MIN_LENGTH) return new Set();
  return new Set([secret, JSON.stringify(secret).slice(1, -1), encodeURIComponent(secret), ...base64FormsOf(secret)]);
}

/**
 * The characters of base64 that are made of the secret alone, for each way in which it may lie between its neighbours.
 */
function base64FormsOf(secret: string): string[] {
  const bytes = Buffer.from(secret);
  return [0, 1, 2].map((offset) => {
    const text = Buffer.concat([Buffer.alloc(offset), bytes]).toString('base64');
    return text.slice(Math.ceil((offset * 8) / 6), Math.floor(((offset + bytes.length) * 8) / 6));
  });
}
