import { mkdtempSync, readFileSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { afterEach, beforeEach, expect, test } from '@jest/globals';
import { ownerOf, takeLock } from '../../../tools/toolchain/lock.ts';

let folder: string;
let lock: string;

beforeEach(() => {
  folder = mkdtempSync(path.join(os.tmpdir(), 'beskar7-lock-'));
  lock = path.join(folder, 'lock');
});

afterEach(() => rmSync(folder, { recursive: true, force: true }));

test('one has it at a time, and the other one learns who', async () => {
  const held = await takeLock(lock);
  expect(await takeLock(lock)).toBe(process.pid);
  expect(await ownerOf(lock)).toBe(process.pid);
  if (typeof held !== 'number') await held.release();
  expect(await ownerOf(lock)).toBeUndefined();
  expect(typeof (await takeLock(lock))).toBe('object');
});

test.each([
  ['whose owner is gone', '999999999 1'],
  ['whose number belongs to another program now', `${process.pid} 1`],
  ['that says nothing', ''],
])('a lock %s is taken over', async (_, text) => {
  writeFileSync(lock, text);
  expect(typeof (await takeLock(lock))).toBe('object');
  expect(readFileSync(lock, 'utf8')).toMatch(new RegExp(`^${process.pid}`));
});

test('of many that find a dead owner one takes over, and no file is left behind', async () => {
  writeFileSync(lock, '999999999 1');
  const all = await Promise.all(Array.from({ length: 20 }, () => takeLock(lock)));
  expect(all.filter((held) => typeof held !== 'number')).toHaveLength(1);
  expect(readdirSync(folder)).toEqual(['lock']);
});
