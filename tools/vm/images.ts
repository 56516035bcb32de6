import { createHash } from 'node:crypto';
import { mkdir, mkdtemp, readdir, readFile, rename, rm, stat } from 'node:fs/promises';
import path from 'node:path';
import { buildInspector, writeWhole } from '../../inspector/build/image.ts';
import { readPackagesLock } from '../../inspector/build/lock.ts';
import type { PackageStore } from '../../inspector/build/packages.ts';
import { cacheFolder, withLock } from '../toolchain/cache.ts';

const INSPECTOR = path.join(import.meta.dirname, '..', '..', 'inspector');

/** A folder for `--images-folder`: `inspector/vmlinuz`, `inspector/initrd.img`. */
export interface VmImages {
  readonly folder: string;
}

/** The images that virtual machines boot, built once for what stands in inspector/ and kept in the cache. */
export async function ensureVmImages(say: (line: string) => void): Promise<VmImages> {
  const kept = path.join(cacheFolder(), 'vm-images');
  const folder = path.join(kept, await contentHash(INSPECTOR));
  await mkdir(kept, { recursive: true });
  if (await exists(folder)) return { folder };
  return withLock(
    kept,
    path.basename(folder),
    async () => {
      if (await exists(folder)) return { folder };
      say('builds the inspection image for virtual machines out of Debian packages (usually under a minute) ...');
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
        const { vmlinuz, initrd } = await buildInspector('vm', lock, store);
        await writeWhole(path.join(begun, 'inspector', 'vmlinuz'), vmlinuz);
        await writeWhole(path.join(begun, 'inspector', 'initrd.img'), initrd);
        await rename(begun, folder);
      } finally {
        await rm(begun, { recursive: true, force: true });
      }
      return { folder };
    },
    say,
  );
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
