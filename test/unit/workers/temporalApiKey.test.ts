import { mkdirSync, mkdtempSync, renameSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import { ApiKeyError, ApiKeyFile, temporalProblem } from '../../../workers/temporalApiKey.ts';

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(path.join(os.tmpdir(), 'beskar7-api-key-'));
});
afterEach(() => rmSync(folder, { recursive: true }));

/** What a listener is told next. */
function listener() {
  const heard: string[] = [];
  let wake = () => undefined as void;
  const hear = (what: string) => {
    heard.push(what);
    wake();
  };
  const next = async () => {
    while (heard.length === 0) await new Promise<void>((resolve) => (wake = resolve));
    return heard.shift();
  };
  return { next, heard, renewed: (key: string) => hear(`renewed ${key}`), failed: (reason: string) => hear(reason) };
}

describe('the file of the API key', () => {
  const file = () => path.join(folder, 'key');

  test('its key is read without the line end', () => {
    writeFileSync(file(), 'header.claims.signature\n');
    expect(ApiKeyFile.open(file()).key).toBe('header.claims.signature');
  });

  test.each([
    ['empty', '\n'],
    ['of two words', 'secret-one secret-two'],
    ['of several lines, which would end a header', 'secret-one\r\nx: secret-two'],
    ['with a NUL', 'secret-one\0'],
    ['of another alphabet', 'secret-öne'],
    ['endless', 'secret-one'.repeat(5_000)],
  ])('%s: refused in one line that names it, and does not repeat it', (_, text) => {
    writeFileSync(file(), text);
    const open = () => ApiKeyFile.open(file());
    expect(open).toThrow(ApiKeyError);
    expect(open).toThrow(new RegExp(`^beskar7: ${file()} holds no API key: .*--temporal-api-key-file`));
    expect(open).not.toThrow(/secret/);
  });

  test('one that is missing: refused, and named', () => {
    expect(() => ApiKeyFile.open(file())).toThrow(/key cannot be read: ENOENT.*--temporal-api-key-file/);
  });

  test('written again, and by another file of its name: told each time', async () => {
    writeFileSync(file(), 'one');
    const told = listener();
    const key = ApiKeyFile.open(file());
    const end = key.follow(told);
    writeFileSync(file(), 'two');
    expect(await told.next()).toBe('renewed two');
    writeFileSync(`${file()}.new`, 'three');
    renameSync(`${file()}.new`, file());
    expect(await told.next()).toBe('renewed three');
    expect(key.key).toBe('three');
    end();
  });

  test('in a mounted Secret, whose folder is replaced behind a link', async () => {
    const version = (name: string, text: string) => {
      mkdirSync(path.join(folder, name));
      writeFileSync(path.join(folder, name, 'key'), text);
      symlinkSync(name, path.join(folder, '..data_tmp'));
      renameSync(path.join(folder, '..data_tmp'), path.join(folder, '..data'));
    };
    version('..one', 'one');
    symlinkSync(path.join('..data', 'key'), file());
    const told = listener();
    const end = ApiKeyFile.open(file()).follow(told);
    version('..two', 'two');
    expect(await told.next()).toBe('renewed two');
    end();
  });

  test('changed between its first use and the watch: told', async () => {
    writeFileSync(file(), 'one');
    const key = ApiKeyFile.open(file());
    writeFileSync(file(), 'two');
    const told = listener();
    key.follow(told)();
    expect(await told.next()).toBe('renewed two');
  });

  test('one that cannot be used any more: said, and the last good key stays', async () => {
    writeFileSync(file(), 'one');
    const key = ApiKeyFile.open(file());
    const told = listener();
    const end = key.follow(told);
    writeFileSync(file(), '');
    expect(await told.next()).toContain('holds no API key');
    expect(key.key).toBe('one');
    end();
  });
});

test.each([
  [
    { code: 7, message: 'Request unauthorized.' },
    /^Temporal at t:1 refuses the API key of this process: Request unauth/,
  ],
  [{ code: 16, message: 'no token' }, /refuses the API key/],
  [{ code: 14, message: 'connection refused' }, /^Temporal at t:1 cannot be reached: connection refused$/],
  [new Error('transport error'), /^Temporal at t:1 cannot be reached: transport error$/],
])('a problem of Temporal is named for the operator: %p', (error, text) => {
  expect(temporalProblem(error, 't:1')).toMatch(text);
});
