import { randomBytes } from 'node:crypto';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { defaultPayloadConverter, type Payload } from '@temporalio/common';
import { EncryptionCodec } from '../../../codec/encryption.ts';
import { decryptAll } from '../../../codec/history.ts';
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
