import { createCipheriv, createDecipheriv, randomBytes } from 'node:crypto';
import type { Payload, PayloadCodec } from '@temporalio/common';
import protobuf from 'protobufjs/light.js';
import { ENCRYPTED, KEY_ID, REFUSED } from './history.ts';
import type { KeyRing } from './keys.ts';

const ALGORITHM = 'aes-256-gcm';
/** NIST SP 800-38D §8.2.2: random, 96 bits. A key is good for 2^32 payloads. */
const NONCE_BYTES = 12;
const TAG_BYTES = 16;
/** temporal.api.common.v1.Payload. */
const PayloadMessage = new protobuf.Type('Payload')
  .add(new protobuf.MapField('metadata', 1, 'string', 'bytes'))
  .add(new protobuf.Field('data', 2, 'bytes'));
const bytesOf = (text: string) => new Uint8Array(Buffer.from(text));
const textOf = (bytes: Uint8Array | null | undefined) => Buffer.from(bytes ?? []).toString('utf8');

/**
 * Encrypts what Beskar7 keeps in Temporal (inputs, results, signals, memos, heartbeats) with AES-256-GCM: nonce,
 * ciphertext and tag, with the id of the key beside them, which is authenticated, too. What cannot be decrypted stays
 * as it is, so that its reader reports that. In clear text stay: workflow ids, search attributes, the messages of
 * failures.
 */
export class EncryptionCodec implements PayloadCodec {
  readonly #keys: Pick<KeyRing, 'active' | 'key'>;
  readonly #isStrict: boolean;

  /** `isStrict`: payloads in clear text are not believed. */
  constructor(keys: Pick<KeyRing, 'active' | 'key'>, { isStrict = false }: { readonly isStrict?: boolean } = {}) {
    this.#keys = keys;
    this.#isStrict = isStrict;
  }

  encode(payloads: Payload[]): Promise<Payload[]> {
    return Promise.resolve(payloads.map((payload) => this.#encrypted(payload)));
  }

  decode(payloads: Payload[]): Promise<Payload[]> {
    return Promise.resolve(payloads.map((payload) => this.decrypted(payload)));
  }

  /** A payload in clear text; the same one where it cannot be decrypted. Never throws. */
  decrypted(payload: Payload): Payload {
    const { metadata, data } = payload;
    if (textOf(metadata?.['encoding']) !== ENCRYPTED)
      return this.#isStrict ? { ...payload, metadata: { ...metadata, encoding: bytesOf(REFUSED) } } : payload;
    const id = textOf(metadata?.[KEY_ID]);
    const key = this.#keys.key(id);
    const bytes = Buffer.from(data ?? []);
    if (key === undefined || bytes.length < NONCE_BYTES + TAG_BYTES) return payload;
    try {
      const decipher = createDecipheriv(ALGORITHM, key, bytes.subarray(0, NONCE_BYTES), { authTagLength: TAG_BYTES });
      decipher.setAAD(Buffer.from(id));
      decipher.setAuthTag(bytes.subarray(-TAG_BYTES));
      const clear = Buffer.concat([decipher.update(bytes.subarray(NONCE_BYTES, -TAG_BYTES)), decipher.final()]);
      return PayloadMessage.decode(clear) as Payload;
    } catch {
      return payload;
    }
  }

  #encrypted(payload: Payload): Payload {
    const { id, key } = this.#keys.active;
    const nonce = randomBytes(NONCE_BYTES);
    const cipher = createCipheriv(ALGORITHM, key, nonce, { authTagLength: TAG_BYTES });
    cipher.setAAD(Buffer.from(id));
    const parts = [
      nonce,
      cipher.update(PayloadMessage.encode(PayloadMessage.create(payload)).finish()),
      cipher.final(),
      cipher.getAuthTag(),
    ];
    return {
      metadata: { encoding: bytesOf(ENCRYPTED), [KEY_ID]: bytesOf(id) },
      data: new Uint8Array(Buffer.concat(parts)),
    };
  }
}
