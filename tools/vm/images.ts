import { createHash } from 'node:crypto';
import { mkdir, mkdtemp, readdir, readFile, rename, rm, stat } from 'node:fs/promises';
import path from 'node:path';
import { buildInspector, writeWhole } from '../../inspector/build/image.ts';
import { readPackagesLock } from '../../inspector/build/lock.ts';
import type { PackageStore } from '../../inspector/build/packages.ts';
import { buildTargetOs } from '../../inspector/build/targetOs.ts';
import { cacheFolder, withLock } from '../toolchain/cache.ts';

const INSPECTOR = path.join(import.meta.dirname, '..', '..', 'inspector');

/** What virtual machines boot; digests as `sha256:<hex>`. */
export interface VmImages {
  /**
   * For `--images-folder`: `inspector/vmlinuz`, `inspector/initrd.img`, `target-os.tar.gz` (Kexec), `target-os.raw`
   * (WholeDisk).
   */
  readonly folder: string;
  /** Of `target-os.tar.gz`. */
  readonly targetDigest: string;
  /** Of `target-os.raw`. */
  readonly diskDigest: string;
}

/** The images that virtual machines boot, built once for what stands in inspector/ and kept in the cache. */
export async function ensureVmImages(say: (line: string) => void): Promise<VmImages> {
  const kept = path.join(cacheFolder(), 'vm-images');
  const folder = path.join(kept, await contentHash(INSPECTOR));
  await mkdir(kept, { recursive: true });
  if (!(await exists(folder)))
    await withLock(
      kept,
      path.basename(folder),
      async () => void ((await exists(folder)) || (await make(kept, folder, say))),
      say,
    );
  const digest = async (name: string) =>
    `sha256:${createHash('sha256')
      .update(await readFile(path.join(folder, name)))
      .digest('hex')}`;
  return { folder, targetDigest: await digest('target-os.tar.gz'), diskDigest: await digest('target-os.raw') };
}

/** All of it or nothing: the folder has its name when it is complete. */
async function make(kept: string, folder: string, say: (line: string) => void): Promise<void> {
  say('builds what virtual machines boot out of Debian packages (usually a minute) ...');
  const begun = await mkdtemp(path.join(kept, 'new-'));
  try {
    const store: PackageStore = {
      folder: path.join(cacheFolder(), 'inspector'),
      mirror: 'http://deb.debian.org',
      snapshotUrl: 'https://snapshot.debian.org/archive',
      useApt: true,
      say,
    };
    const lock = await readPackagesLock();
    const inspector = await buildInspector('vm', lock, store);
    const target = await buildTargetOs(lock, store);
    const files = {
      'inspector/vmlinuz': inspector.vmlinuz,
      'inspector/initrd.img': inspector.initrd,
      'target-os.tar.gz': target.archive,
      'target-os.raw': target.disk,
    };
    for (const [name, content] of Object.entries(files)) await writeWhole(path.join(begun, name), content);
    await rename(begun, folder);
  } finally {
    await rm(begun, { recursive: true, force: true });
  }
}

/** SHA-256 over names and contents, in hex: other sources make other images. */
async function contentHash(folder: string): Promise<string> {
  const hash = createHash('sha256');
  const entries = await readdir(folder, { recursive: true, withFileTypes: true });
  const files = entries.filter((entry) => entry.isFile()).map((entry) => path.join(entry.parentPath, entry.name));
  for (const file of files.sort())
    hash
      .update(path.relative(folder, file))
      .update('\0')
      .update(await readFile(file));
  return hash.digest('hex').slice(0, 32);
}

async function exists(file: string): Promise<boolean> {
  return stat(file).then(
    () => true,
    () => false,
  );
}
