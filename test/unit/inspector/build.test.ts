import { execFileSync, spawnSync } from 'node:child_process';
import path from 'node:path';
import { expect, jest, test } from '@jest/globals';
import { buildInspector } from '../../../inspector/build/image.ts';
import { readPackagesLock } from '../../../inspector/build/lock.ts';
import { fetchPackage, type PackageStore } from '../../../inspector/build/packages.ts';
import { buildTargetOs } from '../../../inspector/build/targetOs.ts';
import { cacheFolder } from '../../../tools/toolchain/cache.ts';

jest.setTimeout(600_000);

const store: PackageStore = {
  folder: path.join(cacheFolder(), 'inspector'),
  mirror: 'http://deb.debian.org',
  snapshotUrl: 'https://snapshot.debian.org/archive',
  useApt: spawnSync('apt-get', ['--version']).status === 0,
  say: () => undefined,
};

const isPossible =
  process.platform === 'linux' && process.arch === 'x64' && spawnSync('dpkg-deb', ['--version']).status === 0;
if (!isPossible)
  process.stderr.write('beskar7: the inspector is not built in this test: SKIPPED, there is no dpkg-deb\n');

const testBuild = isPossible ? test : test.skip;

testBuild('inspector: the same lock gives the same bytes, less than 100 MB of them', async () => {
  const lock = await readPackagesLock();
  // BusyBox first: where no mirror can be reached it fails at once, with what to do.
  await fetchPackage(lock.flavours.vm[0] ?? fail(), lock, store);
  const first = await buildInspector('vm', lock, store);
  const again = await buildInspector('vm', lock, store);
  expect(again.initrd.equals(first.initrd)).toBe(true);
  expect(again.vmlinuz.equals(first.vmlinuz)).toBe(true);
  expect(first.initrd.length + first.vmlinuz.length).toBeLessThan(100e6);
  // The legacy format of lz4.
  expect(first.initrd.readUInt32LE(0)).toBe(0x184c2102);
});

testBuild('target OS: the same lock gives the same archive and the same disk', async () => {
  const lock = await readPackagesLock();
  const first = await buildTargetOs(lock, store);
  const again = await buildTargetOs(lock, store);
  expect(again.archive.equals(first.archive)).toBe(true);
  expect(again.disk.equals(first.disk)).toBe(true);
  // A boot sector, and one file system: none that would be made for the inspector.
  expect(first.disk.readUInt16LE(510)).toBe(0xaa55);
  expect(first.disk.readUInt32LE(446 + 8)).toBe(2048);
  expect(first.disk.readUInt32LE(446 + 16 + 8)).toBe(0);
  expect(execFileSync('tar', ['-t', '-z', '-f', '-'], { input: first.archive, encoding: 'utf8' }).split('\n')).toEqual([
    'vmlinuz',
    'initrd.img',
    'cmdline',
    '',
  ]);
});

function fail(): never {
  throw new Error('the lock is empty');
}
