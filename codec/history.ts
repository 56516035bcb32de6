import type { Payload, PayloadCodec } from '@temporalio/common';

/** As Temporal's own samples name it: its Web UI shows such payloads as encrypted. */
export const ENCRYPTED = 'binary/encrypted';

/** What decrypts a payload; an `EncryptionCodec` does. */
export interface Decrypts {
  decrypted(payload: Payload): Payload;
}

const encodingOf = ({ metadata }: Payload) => Buffer.from(metadata?.['encoding'] ?? []).toString();
const NOTHING: Payload = { metadata: { encoding: new Uint8Array(Buffer.from('binary/null')) } };

/**
 * For clients that have no keys: what is encrypted is nothing to them. The SDK would refuse the whole answer for one
 * such payload.
 */
export const WITHOUT_KEYS: Decrypts & PayloadCodec = {
  encode: (payloads) => Promise.resolve(payloads),
  decode: (payloads) => Promise.resolve(payloads.map((payload) => WITHOUT_KEYS.decrypted(payload))),
  decrypted: (payload) => (encodingOf(payload) === ENCRYPTED ? NOTHING : payload),
};

/** The codec that a client of Temporal was made with; undefined: none. */
export function codecOf(client: {
  readonly options: { readonly loadedDataConverter: { readonly payloadCodecs: readonly object[] } };
}): Decrypts | undefined {
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
