import type { Payload, PayloadCodec } from '@temporalio/common';

/** As Temporal's own samples name it: its Web UI shows such payloads as encrypted. */
export const ENCRYPTED = 'binary/encrypted';

/** What decrypts a payload; an `EncryptionCodec` does. */
export interface Decrypts {
  decrypted(payload: Payload): Payload;
}

/** What a payload in clear text becomes where only encrypted ones count: no converter decodes it. */
export const REFUSED = 'plain/refused';
/** In the metadata of an encrypted payload: the id of its key. */
export const KEY_ID = 'encryption-key-id';
const MAX_NAMED = 3;
const textOf = (bytes: Uint8Array | null | undefined) => Buffer.from(bytes ?? []).toString('utf8');
const encodingOf = ({ metadata }: Payload) => textOf(metadata?.['encoding']);
/** Of a payload that stands for one that could not be decrypted: the id of its key. */
const SEALED_WITH = 'sealed-with';
const bytesOf = (text: string) => new Uint8Array(Buffer.from(text));
const NOTHING: Payload = { metadata: { encoding: bytesOf('binary/null') } };

/**
 * For clients that read what others have written, with keys or without: what stays encrypted is nothing to them, and so
 * is what a strict codec refuses. The SDK would refuse the whole answer for one such payload. Ask `missingKeys` whether
 * that was so.
 */
export function readerOf(codec?: Decrypts & Partial<PayloadCodec>): Decrypts & PayloadCodec {
  const decrypted = (payload: Payload): Payload => {
    const clear = codec?.decrypted(payload) ?? payload;
    const encoding = encodingOf(clear);
    if (encoding === REFUSED) return NOTHING;
    if (encoding !== ENCRYPTED) return clear;
    return { metadata: { ...NOTHING.metadata, [SEALED_WITH]: clear.metadata?.[KEY_ID] ?? bytesOf('') } };
  };
  return {
    encode: (payloads) => codec?.encode?.(payloads) ?? Promise.resolve(payloads),
    decode: (payloads) => Promise.resolve(payloads.map(decrypted)),
    decrypted,
  };
}

/** For clients that have no keys. */
export const WITHOUT_KEYS: Decrypts & PayloadCodec = readerOf();

/** The ids of the keys that a reader lacked for what `decryptAll` has gone through; at most three, each once. */
export function missingKeys(answer: unknown): string[] {
  const found = new Set<string>();
  const visit = (value: unknown): void => {
    if (typeof value !== 'object' || value === null || value instanceof Uint8Array) return;
    const sealed = (value as Payload).metadata?.[SEALED_WITH];
    // Whoever may write to Temporal may have written it.
    if (sealed instanceof Uint8Array) found.add(/^[\w.-]{1,64}$/.exec(textOf(sealed))?.[0] ?? 'unknown');
    for (const inner of Object.values(value)) visit(inner);
  };
  visit(answer);
  return [...found].slice(0, MAX_NAMED);
}

/** What a reader is told who lacks keys: which, and what to do. */
export function missingKeysText(ids: readonly string[], reader: string): string {
  return (
    `Parts of this run are encrypted with ${ids.length === 1 ? 'the key' : 'the keys'} ${ids.join(', ')}, which ${reader} does not have: ` +
    'they are left out. Give it the folder of the keys (--temporal-codec-keys; docs/security.md, Encrypt what is kept there).'
  );
}

/** The codec that a client of Temporal was made with; undefined: none. */
export function codecOf(client: {
  readonly options: { readonly loadedDataConverter: { readonly payloadCodecs: readonly object[] } };
}): (Decrypts & Partial<PayloadCodec>) | undefined {
  return client.options.loadedDataConverter.payloadCodecs.find((codec): codec is Decrypts => 'decrypted' in codec);
}

/**
 * Decrypts each payload inside of what Temporal's API answers (a history, a description), in place: the SDK does that
 * for what it hands over itself, and not for raw events.
 */
export function decryptAll<T>(codec: Decrypts | undefined, answer: T): T {
  if (codec === undefined) return answer;
  const visit = (value: unknown): void => {
    if (typeof value !== 'object' || value === null || value instanceof Uint8Array) return;
    for (const [name, inner] of Object.entries(value)) {
      if (isPayload(inner)) (value as Record<string, unknown>)[name] = codec.decrypted(inner);
      else visit(inner);
    }
  };
  visit(answer);
  return answer;
}

function isPayload(value: unknown): value is Payload {
  const { metadata, data } = (value ?? {}) as Payload;
  return metadata?.['encoding'] instanceof Uint8Array && data instanceof Uint8Array;
}
