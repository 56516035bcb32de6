import { randomBytes } from 'node:crypto';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { defaultPayloadConverter, type Payload } from '@temporalio/common';
import { EncryptionCodec } from '../../../codec/encryption.ts';
import { decryptAll, missingKeys, readerOf } from '../../../codec/history.ts';
import { KeyRing } from '../../../codec/keys.ts';
import { payloadConverter, UnreadablePayload } from '../../../workflows/payloadConverter.ts';

const root = mkdtempSync(path.join(os.tmpdir(), 'beskar7-codec-'));
let folders = 0;
/** A folder as a Secret is mounted. */
function folderOf(files: Record<string, string>): string {
  const folder = mkdtempSync(path.join(root, `${(folders += 1)}-`));
  for (const [name, text] of Object.entries(files)) writeFileSync(path.join(folder, name), text);
  return folder;
}
const key = () => `${randomBytes(32).toString('base64')}\n`;
const value = { machine: { namespace: 'racks', name: 'worker-01' }, hash: 'abc' };
const plain = () => defaultPayloadConverter.toPayload(value) as Payload;
const read = (payload: Payload | undefined) => payload && payloadConverter.fromPayload(payload);
let old = '';
let codec: EncryptionCodec;
let sealed: Payload;

beforeAll(async () => {
  old = key();
  codec = new EncryptionCodec(KeyRing.open(folderOf({ 'key-1': old, '..data': 'hidden' })));
  [sealed] = (await codec.encode([plain()])) as [Payload];
});
afterAll(() => rmSync(root, { recursive: true }));

describe('what is stored', () => {
  test('shows nothing of the payload, and differs each time', async () => {
    const [again] = await codec.encode([plain()]);
    const text = (payload: Payload | undefined) => Buffer.from(payload?.data ?? []).toString('latin1');
    expect(text(sealed)).not.toMatch(/worker-01|racks|json/);
    expect(text(again)).not.toBe(text(sealed));
    const metadata = Object.entries(sealed.metadata ?? {}).map(([name, bytes]) => [
      name,
      Buffer.from(bytes).toString(),
    ]);
    expect(Object.fromEntries(metadata)).toEqual({ encoding: 'binary/encrypted', 'encryption-key-id': 'key-1' });
  });

  test('is read again, with its encoding', async () => {
    const [payload] = await codec.decode([sealed]);
    expect(read(payload)).toEqual(value);
    expect(Buffer.from(payload?.metadata?.['encoding'] ?? []).toString()).toBe('json/plain');
  });
});

describe('whoever may write to the Temporal namespace', () => {
  test.each<[string, (payload: Payload) => Payload]>([
    [
      'changes a byte',
      ({ data, ...rest }) => ({
        ...rest,
        data: (data ?? new Uint8Array()).map((byte, at) => (at === 20 ? byte ^ 1 : byte)),
      }),
    ],
    ['cuts it', ({ data, ...rest }) => ({ ...rest, data: (data ?? new Uint8Array()).slice(0, -1) })],
    ['empties it', ({ metadata }) => ({ metadata: metadata ?? {}, data: new Uint8Array() })],
    [
      'names a key that is not there',
      ({ metadata, data }) => ({
        metadata: { ...metadata, 'encryption-key-id': Buffer.from('other') },
        data: data ?? new Uint8Array(),
      }),
    ],
  ])('%s: it is not read, and stops no run', async (_what, change) => {
    const [payload] = await codec.decode([change(sealed)]);
    expect(read(payload)).toBeInstanceOf(UnreadablePayload);
  });

  test('with a key of their own under a known id: not read', async () => {
    const theirs = new EncryptionCodec(KeyRing.open(folderOf({ 'key-1': key() })));
    const [payload] = await codec.decode(await theirs.encode([plain()]));
    expect(read(payload)).toBeInstanceOf(UnreadablePayload);
  });

  test('in clear text: believed, unless --temporal-codec-strict', async () => {
    const strict = new EncryptionCodec(KeyRing.open(folderOf({ 'key-1': old })), { isStrict: true });
    expect(read((await codec.decode([plain()]))[0])).toEqual(value);
    expect(read((await strict.decode([plain()]))[0])).toBeInstanceOf(UnreadablePayload);
    expect(read((await strict.decode([sealed]))[0])).toEqual(value);
  });
});

describe('keys', () => {
  test('are rotated: the active one encrypts, the others decrypt', async () => {
    const both = new EncryptionCodec(KeyRing.open(folderOf({ 'key-1': old, 'key-2': key(), active: 'key-2' })));
    expect(read((await both.decode([sealed]))[0])).toEqual(value);
    const [fresh] = await both.encode([plain()]);
    expect(Buffer.from(fresh?.metadata?.['encryption-key-id'] ?? []).toString()).toBe('key-2');
    expect(read((await codec.decode(fresh ? [fresh] : []))[0])).toBeInstanceOf(UnreadablePayload);
  });

  test.each<[string, Record<string, string>, RegExp]>([
    ['none', {}, /has no key: put a file/],
    ['several and none active', { a: key(), b: key() }, /several keys and no file "active"/],
    ['an active one that is not there', { a: key(), active: 'c' }, /has no key "c", which its file "active" names/],
    ['a short one', { a: 'c2hvcnQ=' }, /is not 32 bytes in base64/],
    ['hex', { a: randomBytes(32).toString('hex') }, /is not 32 bytes in base64/],
  ])('%s: one line, without a key in it', (_what, files, words) => {
    expect(() => KeyRing.open(folderOf(files))).toThrow(words);
  });

  test('a folder that is not there', () => {
    expect(() => KeyRing.open('/nonexistent')).toThrow(/cannot be read.*--temporal-codec-keys/);
  });
});

test('a raw history is decrypted wherever a payload stands', () => {
  const history = () => ({
    events: [
      {
        eventId: 1,
        workflowExecutionStartedEventAttributes: { input: { payloads: [sealed] }, memo: { fields: { a: sealed } } },
      },
      { eventId: 2, userMetadata: { summary: sealed } },
    ],
  });
  const clear = decryptAll(codec, history());
  expect(read(clear.events[0]?.workflowExecutionStartedEventAttributes?.input.payloads[0])).toEqual(value);
  expect(read(clear.events[0]?.workflowExecutionStartedEventAttributes?.memo.fields.a)).toEqual(value);
  expect(read(clear.events[1]?.userMetadata?.summary)).toEqual(value);
  expect(decryptAll(undefined, history())).toEqual(history());
});

describe('a reader', () => {
  const others = () => new EncryptionCodec(KeyRing.open(folderOf({ 'key-2': key() })));
  /** A history as it comes: one payload deep inside. */
  const answer = (payload: Payload) => ({ events: [{ input: { payloads: [payload] } }] });
  const NULL = { metadata: { encoding: expect.anything() } };

  test.each<[string, () => EncryptionCodec | undefined]>([
    ['without keys', () => undefined],
    ['with another key', others],
    ['with another key of the same name', () => new EncryptionCodec(KeyRing.open(folderOf({ 'key-1': key() })))],
  ])('%s: reads nothing, names the key that it lacks, and the SDK takes the answer', async (_, own) => {
    const reader = readerOf(own());
    const [payload] = await reader.decode([sealed]);
    expect(payload).toMatchObject(NULL);
    expect(payload?.data).toBeUndefined();
    expect(read(payload)).toBeUndefined();
    expect(missingKeys(decryptAll(reader, answer(sealed)))).toEqual(['key-1']);
  });

  test('with the key: lacks none', () => {
    expect(missingKeys(decryptAll(readerOf(codec), answer(sealed)))).toEqual([]);
    expect(missingKeys(decryptAll(readerOf(), answer(plain())))).toEqual([]);
  });

  test('a strict one takes nothing in clear text, and lacks no key for that', async () => {
    const strict = readerOf(new EncryptionCodec(KeyRing.open(folderOf({ 'key-1': old })), { isStrict: true }));
    const [payload] = await strict.decode([plain()]);
    expect(payload).toMatchObject(NULL);
    expect(missingKeys(decryptAll(strict, answer(plain())))).toEqual([]);
  });

  test('what a stranger calls a key is not repeated; three are enough', () => {
    const named = (id: string): Payload => ({
      ...sealed,
      metadata: { ...sealed.metadata, 'encryption-key-id': new Uint8Array(Buffer.from(id)) },
    });
    const bad = decryptAll(readerOf(), answer(named('\u001b[31m see http://evil.example')));
    expect(missingKeys(bad)).toEqual(['unknown']);
    const many = { all: Array.from({ length: 9 }, (_, at) => answer(named(`k-${at}`))) };
    expect(missingKeys(decryptAll(readerOf(), many))).toEqual(['k-0', 'k-1', 'k-2']);
  });

  test('writes as its codec does, so that what it asks can be read', async () => {
    const [asked] = await readerOf(codec).encode([plain()]);
    expect(Buffer.from(asked?.metadata?.['encoding'] ?? []).toString()).toBe('binary/encrypted');
    expect(await readerOf().encode([plain()])).toEqual([plain()]);
  });
});
