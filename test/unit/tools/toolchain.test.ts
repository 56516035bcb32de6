import { createHash } from 'node:crypto';
import { chmodSync, mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { afterEach, beforeEach, expect, jest, test } from '@jest/globals';
import { ensureTool } from '../../../tools/toolchain/index.ts';
import { PINS, type Pin } from '../../../tools/toolchain/pins.ts';
import { ReleaseServer } from './releaseServer.ts';

const PATH = process.env.PATH;
const TOOL = '#!/bin/sh\necho etcd Version: 3.6.16\n';
const NEWS = '/tool';

let server: ReleaseServer;
let folder: string;
let pin: Pin;
let said: string[];
const say = (line: string) => void said.push(line);

beforeEach(async () => {
  folder = mkdtempSync(path.join(os.tmpdir(), 'beskar7-toolchain-'));
  server = new ReleaseServer();
  server.files.set(NEWS, TOOL);
  said = [];
  process.env.XDG_CACHE_HOME = path.join(folder, 'cache');
  process.env.BESKAR7_DOWNLOAD_MIRROR = await server.start();
  process.env.PATH = path.join(folder, 'bin');
  jest.spyOn(process.stderr, 'write').mockReturnValue(true);
  const sum = createHash('sha256').update(TOOL).digest('hex');
  const sums = Object.fromEntries(['linux-amd64', 'linux-arm64', 'darwin-arm64'].map((name) => [name, sum]));
  const { goBuild: _, ...rest } = PINS.etcd;
  pin = {
    ...rest,
    environment: 'BESKAR7_TEST_ETCD',
    download: { url: `https://example.invalid${NEWS}`, sha256: sums },
  };
});

afterEach(async () => {
  jest.restoreAllMocks();
  for (const name of ['XDG_CACHE_HOME', 'BESKAR7_DOWNLOAD_MIRROR', 'BESKAR7_TEST_ETCD']) delete process.env[name];
  process.env.PATH = PATH;
  await server.stop();
  rmSync(folder, { recursive: true, force: true });
});

function script(name: string, version: string): string {
  const file = path.join(folder, 'bin', name);
  mkdirSync(path.dirname(file), { recursive: true });
  writeFileSync(file, `#!/bin/sh\necho "etcd Version: ${version}"\n`);
  chmodSync(file, 0o755);
  return file;
}

test('the file named in the environment goes before all others', async () => {
  script('etcd', '3.6.1');
  const own = script('my-etcd', '1.0.0');
  process.env.BESKAR7_TEST_ETCD = own;
  expect(await ensureTool('etcd', pin, say)).toBe(own);
});

test('one named in the environment that is not there is an error, not another etcd', async () => {
  process.env.BESKAR7_TEST_ETCD = path.join(folder, 'nothing');
  await expect(ensureTool('etcd', pin, say)).rejects.toThrow(/BESKAR7_TEST_ETCD=.*nothing is no executable file/);
});

test('a fitting version on PATH is taken, without a download', async () => {
  const file = script('etcd', '3.5.9');
  expect(await ensureTool('etcd', pin, say)).toBe(file);
  expect(server.asked).toEqual([]);
});

test('one that does not fit is passed over; the download is cached for the next time', async () => {
  script('etcd', '3.3.1');
  const file = await ensureTool('etcd', pin, say);
  expect(path.dirname(file)).toBe(path.join(folder, 'cache', 'beskar7', 'tools'));
  expect(await ensureTool('etcd', pin, say)).toBe(file);
  expect(server.asked).toEqual([NEWS]);
  expect(readdirSync(path.dirname(file))).toEqual([path.basename(file)]);
});

test('two at the same time make it once', async () => {
  const [one, two] = await Promise.all([ensureTool('etcd', pin, say), ensureTool('etcd', pin, say)]);
  expect(one).toBe(two);
  expect(server.asked).toEqual([NEWS]);
  expect(said).toEqual([expect.stringContaining(`waits for process ${process.pid}`)]);
});

test('a wrong checksum is told, the next way is gone, and the error lists what was tried', async () => {
  script('etcd', '3.3.1');
  server.files.set(NEWS, 'something else');
  const goBuild = { module: 'etcd', package: 'go.etcd.io/etcd/server/v3', usually: 'a minute' };
  const error = await ensureTool('etcd', { ...pin, goBuild }, say).catch((reason: Error) => reason);
  expect(said).toEqual([
    expect.stringMatching(/^downloads etcd 3\.6\.16: .*: the file is refused; trying the next way$/),
  ]);
  const text = (error as Error).message;
  expect(text).toContain('etcd 3.6.16 could not be had');
  expect(text).toContain('does not fit: 3.5 to 3.7 is needed, it says "etcd Version: 3.3.1"');
  expect(text).toContain('not in the cache');
  expect(text).toContain('the file is refused');
  expect(text).toContain('builds etcd 3.6.16 with Go: Go is not on PATH');
  expect(text).toContain('Install etcd 3.5 or newer');
});

test.each([
  ['etcd', 'etcd Version: 3.6.16\nGit SHA: x', true],
  ['etcd', 'etcd Version: 3.4.30', false],
  ['kube-apiserver', 'Kubernetes v1.36.3', true],
  ['kube-apiserver', 'Kubernetes v1.32.9', false],
  ['kubectl', 'Client Version: v1.33.0\nKustomize Version: v5', true],
  ['kubectl', 'Client Version: v1.28.2', false],
  ['temporal', 'temporal version 1.5.1 (Server 1.29.1, UI 2.42.1)', true],
  ['temporal', 'temporal version 1.10.0 (Server 1.31)', true],
  ['temporal', 'temporal version 1.4.9 (Server 1.27)', false],
] as const)('%s that says "%s" fits: %s', (name, output, fits) => {
  expect(PINS[name].onPath?.fits.test(output)).toBe(fits);
});
