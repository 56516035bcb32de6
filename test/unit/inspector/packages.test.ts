import { createHash } from 'node:crypto';
import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import os from 'node:os';
import path from 'node:path';
import { afterAll, afterEach, beforeAll, describe, expect, test } from '@jest/globals';
import { FLAVOURS, readPackagesLock, type LockedPackage } from '../../../inspector/build/lock.ts';
import { fetchPackage, type PackageStore } from '../../../inspector/build/packages.ts';

const BYTES = 'a package';
const wanted: LockedPackage = {
  name: 'tool',
  version: '1:1.0-1',
  sha256: createHash('sha256').update(BYTES).digest('hex'),
  file: 'debian/pool/main/t/tool/tool_1.0-1_amd64.deb',
};
const lock = { snapshot: '20260101T000000Z' };
const folder = mkdtempSync(path.join(os.tmpdir(), 'beskar7-packages-'));
const answers = new Map<string, string>();
let server: Server;
let store: PackageStore;

beforeAll(async () => {
  server = createServer(({ url = '' }, response) => {
    const body = answers.get(url);
    response.writeHead(body === undefined ? 404 : 200).end(body);
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const base = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  store = { folder, mirror: base, snapshotUrl: `${base}/archive`, useApt: false, say: () => undefined };
});
afterEach(() => {
  answers.clear();
  rmSync(folder, { recursive: true, force: true });
});
afterAll(() => new Promise((resolve) => server.close(resolve)));

describe('a locked package', () => {
  test('comes from the mirror, and the second time from the cache', async () => {
    answers.set(`/${wanted.file}`, BYTES);
    const deb = await fetchPackage(wanted, lock, store);
    expect(readFileSync(deb, 'utf8')).toBe(BYTES);
    answers.clear();
    expect(await fetchPackage(wanted, lock, store)).toBe(deb);
  });

  test('comes from the snapshot when the mirror has another version', async () => {
    answers.set('/archive/debian/20260101T000000Z/pool/main/t/tool/tool_1.0-1_amd64.deb', BYTES);
    expect(readFileSync(await fetchPackage(wanted, lock, store), 'utf8')).toBe(BYTES);
  });

  test('other bytes are refused and not kept; the error says what can be done', async () => {
    answers.set(`/${wanted.file}`, 'other bytes');
    const failed = fetchPackage(wanted, lock, store);
    await expect(failed).rejects.toThrow(
      /has sha256 [0-9a-f]{64}[^]*answered 404[^]*snapshot\.debian\.org[^]*--update/,
    );
    expect(readdirSync(path.join(folder, 'debs'))).toEqual([]);
  });
});

test.each(FLAVOURS)('the lock of %s names bytes of one kernel and of BusyBox', async (flavour) => {
  const packages = (await readPackagesLock()).flavours[flavour].map(({ name }) => name);
  expect(packages.filter((name) => name.startsWith('linux-image-'))).toHaveLength(1);
  expect(packages).toContain('busybox-static');
  expect(new Set(packages).size).toBe(packages.length);
});
