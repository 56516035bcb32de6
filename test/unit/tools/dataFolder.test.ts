import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { afterEach, beforeEach, expect, test } from '@jest/globals';
import {
  DataFolderInUse,
  defaultDataFolder,
  openDataFolder,
  requireUnused,
} from '../../../tools/controlplane/dataFolder.ts';

let root: string;

beforeEach(() => {
  root = path.join(mkdtempSync(path.join(os.tmpdir(), 'beskar7-data-')), 'data');
});

afterEach(() => rmSync(path.dirname(root), { recursive: true, force: true }));

test('follows XDG_STATE_HOME', () => {
  expect(defaultDataFolder({ XDG_STATE_HOME: '/state' })).toBe('/state/beskar7');
  expect(defaultDataFolder({})).toBe(path.join(os.homedir(), '.local', 'state', 'beskar7'));
});

test('keys outlive a stop, and only their owner may read them', async () => {
  const first = await openDataFolder(root);
  const key = readFileSync(first.serviceAccountKey, 'utf8');
  await first.close();
  const second = await openDataFolder(root);
  expect(second.adminToken).toBe(first.adminToken);
  expect(readFileSync(second.serviceAccountKey, 'utf8')).toBe(key);
  for (const file of [second.tokenFile, second.serviceAccountKey]) expect(statSync(file).mode & 0o077).toBe(0);
  await second.close();
});

test('a second user is turned away with the pid of the first', async () => {
  const first = await openDataFolder(root);
  await expect(openDataFolder(root)).rejects.toThrow(DataFolderInUse);
  await expect(requireUnused(root)).rejects.toThrow(`${root} is in use by process ${process.pid}; stop it`);
  await first.close();
  await requireUnused(root);
});

test('fresh removes what is ours and nothing else', async () => {
  const first = await openDataFolder(root);
  await first.close();
  mkdirSync(path.join(root, 'etcd'));
  writeFileSync(path.join(root, 'letter.txt'), 'mine');
  const second = await openDataFolder(root, true);
  expect(second.adminToken).not.toBe(first.adminToken);
  expect(existsSync(path.join(root, 'etcd'))).toBe(false);
  expect(readFileSync(path.join(root, 'letter.txt'), 'utf8')).toBe('mine');
  await second.close();
});

test('fresh does not touch the folder of a running one', async () => {
  const first = await openDataFolder(root);
  await expect(openDataFolder(root, true)).rejects.toThrow(DataFolderInUse);
  expect(existsSync(first.tokenFile)).toBe(true);
  await first.close();
});
