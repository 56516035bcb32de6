import { spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { mkdirSync, mkdtempSync, readFileSync, readdirSync, rmSync, statSync, writeFileSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import { checksumOf, downloadTool, mirrored } from '../../../tools/toolchain/download.ts';
import { ReleaseServer } from './releaseServer.ts';

const PLATFORM = { os: 'linux', arch: 'amd64' };
const URL_OF_TOOL = 'https://dl.example.invalid/release/v1/bin/{os}/{arch}/tool';
const PATH_OF_TOOL = '/release/v1/bin/linux/amd64/tool';
const TOOL = '#!/bin/sh\necho tool\n';
const sha256 = (content: string | Buffer) => createHash('sha256').update(content).digest('hex');

let server: ReleaseServer;
let folder: string;
let target: string;

beforeEach(async () => {
  folder = mkdtempSync(path.join(os.tmpdir(), 'beskar7-download-'));
  target = path.join(folder, 'tools', 'tool-1-linux-amd64');
  process.env.XDG_CACHE_HOME = folder;
  server = new ReleaseServer();
  process.env.BESKAR7_DOWNLOAD_MIRROR = await server.start();
});

afterEach(async () => {
  delete process.env.BESKAR7_DOWNLOAD_MIRROR;
  delete process.env.XDG_CACHE_HOME;
  await server.stop();
  rmSync(folder, { recursive: true, force: true });
});

const pinned = (content: string | Buffer) => ({ url: URL_OF_TOOL, sha256: { 'linux-amd64': sha256(content) } });

test('a mirror replaces scheme and host, and keeps the path', () => {
  const url = 'https://github.com/a/b/releases/c.tar.gz?x=1';
  expect(mirrored(url, 'http://mirror:8080/')).toBe('http://mirror:8080/a/b/releases/c.tar.gz?x=1');
  expect(mirrored(url, 'http://mirror/github')).toBe('http://mirror/github/a/b/releases/c.tar.gz?x=1');
  expect(mirrored(url, '')).toBe(url);
});

test('a file with the pinned checksum is put in place and can be run', async () => {
  server.files.set(PATH_OF_TOOL, TOOL);
  await downloadTool(pinned(TOOL), target, PLATFORM);
  expect(readFileSync(target, 'utf8')).toBe(TOOL);
  expect(statSync(target).mode & 0o111).toBe(0o111);
  expect(readdirSync(path.dirname(target))).toEqual(['tool-1-linux-amd64']);
});

test('a file with another checksum is refused, and nothing of it is kept', async () => {
  server.files.set(PATH_OF_TOOL, `${TOOL}echo evil\n`);
  await expect(downloadTool(pinned(TOOL), target, PLATFORM)).rejects.toThrow(
    `sha256 is ${sha256(`${TOOL}echo evil\n`)}, wanted ${sha256(TOOL)}: the file is refused`,
  );
  expect(readdirSync(path.dirname(target))).toEqual([]);
});

test('a member of an archive is unpacked; redirects are followed', async () => {
  const source = path.join(folder, 'source', 'tool-linux');
  mkdirSync(source, { recursive: true });
  writeFileSync(path.join(source, 'tool'), TOOL);
  const archive = path.join(folder, 'tool.tar.gz');
  spawnSync('tar', ['-czf', archive, '-C', path.dirname(source), 'tool-linux/tool']);
  const content = readFileSync(archive);
  server.files.set(PATH_OF_TOOL, '->/elsewhere').set('/elsewhere', content);
  await downloadTool({ ...pinned(content), member: 'tool-{os}/tool' }, target, PLATFORM);
  expect(readFileSync(target, 'utf8')).toBe(TOOL);
});

describe('without a pinned checksum', () => {
  const published = { url: URL_OF_TOOL, sha256: {}, checksumUrl: `${URL_OF_TOOL}.sha256` };

  test("the publisher's counts", async () => {
    server.files.set(PATH_OF_TOOL, TOOL).set(`${PATH_OF_TOOL}.sha256`, sha256(TOOL));
    await downloadTool(published, target, PLATFORM);
    expect(readFileSync(target, 'utf8')).toBe(TOOL);
  });

  test('and is held to: a release that changes later is refused', async () => {
    server.files.set(PATH_OF_TOOL, TOOL).set(`${PATH_OF_TOOL}.sha256`, sha256(TOOL));
    await downloadTool(published, target, PLATFORM);
    rmSync(target);
    server.files.set(PATH_OF_TOOL, 'other').set(`${PATH_OF_TOOL}.sha256`, sha256('other'));
    await expect(downloadTool(published, target, PLATFORM)).rejects.toThrow(
      /it was [0-9a-f]{64} before: the file is refused/,
    );
    expect(readdirSync(path.dirname(target))).toEqual([]);
  });

  test('and a missing or senseless one refuses the file', async () => {
    server.files.set(PATH_OF_TOOL, TOOL);
    await expect(downloadTool(published, target, PLATFORM)).rejects.toThrow('.sha256: HTTP status 404');
    server.files.set(`${PATH_OF_TOOL}.sha256`, '<html>Not found</html>');
    await expect(downloadTool(published, target, PLATFORM)).rejects.toThrow('names no SHA-256 for tool');
    const unknown = { url: URL_OF_TOOL, sha256: {} };
    await expect(downloadTool(unknown, target, PLATFORM)).rejects.toThrow('no checksum is known for linux-amd64');
    expect(server.asked).not.toContain(PATH_OF_TOOL);
  });
});

test('a closed network is told with the address', async () => {
  await server.stop();
  await expect(downloadTool(pinned(TOOL), target, PLATFORM)).rejects.toThrow(
    `${process.env.BESKAR7_DOWNLOAD_MIRROR}${PATH_OF_TOOL}: connect ECONNREFUSED`,
  );
});

const A = 'a'.repeat(64);
const B = 'b'.repeat(64);
test.each([
  ['only the sum', `${A}\n`, A],
  ['a list', `${B}  tool.sig\n${A}  tool\n`, A],
  ['binary mode', `${A} *tool\n`, A],
  ['capitals', `${'A'.repeat(64)}  tool\n`, A],
  ['only of others', `${A}  tool.sig\n`, undefined],
  ['a short sum', 'abc  tool\n', undefined],
  ['nothing', '', undefined],
])('reads a checksum file: %s', (_, text, sum) => expect(checksumOf('tool', text)).toBe(sum));
