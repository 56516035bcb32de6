import { createHash, type Hash } from 'node:crypto';
import { mkdir, mkdtemp, readdir, readFile, rename, rm, stat } from 'node:fs/promises';
import path from 'node:path';
import type { PackageStore } from '../../inspector/build/packages.ts';
import { cacheFolder, withLock } from '../toolchain/cache.ts';

/**
 * The folder `<cache>/<kind>/<key>`, filled once: by one process at a time, all of it or nothing, so that it has its
 * name when it is complete. `make` fills the folder that it is given. Gives its path.
 */
export async function keptFolder(
  kind: string,
  key: string,
  say: (line: string) => void,
  make: (begun: string) => Promise<void>,
): Promise<string> {
  const kept = path.join(cacheFolder(), kind);
  const folder = path.join(kept, key);
  await mkdir(kept, { recursive: true });
  const makeWhole = async () => {
    if (await exists(folder)) return;
    const begun = await mkdtemp(path.join(kept, 'new-'));
    try {
      await make(begun);
      await rename(begun, folder);
    } finally {
      await rm(begun, { recursive: true, force: true });
    }
  };
  if (!(await exists(folder))) await withLock(kept, key, makeWhole, say);
  return folder;
}

/** Debian's packages as the images are made of them: out of the cache of the inspector, a mirror, snapshots, or apt. */
export function debianStore(say: (line: string) => void): PackageStore {
  return {
    folder: path.join(cacheFolder(), 'inspector'),
    mirror: 'http://deb.debian.org',
    snapshotUrl: 'https://snapshot.debian.org/archive',
    useApt: true,
    say,
  };
}

/** SHA-256 over the names and contents of a folder, and what `more` adds; the first 32 hex digits. */
export async function contentHash(folder: string, more: (hash: Hash) => void = () => undefined): Promise<string> {
  const hash = createHash('sha256');
  const entries = await readdir(folder, { recursive: true, withFileTypes: true });
  const files = entries.filter((entry) => entry.isFile()).map((entry) => path.join(entry.parentPath, entry.name));
  for (const file of files.sort()) hash.update(`${path.relative(folder, file)}\0`).update(await readFile(file));
  more(hash);
  return hash.digest('hex').slice(0, 32);
}

function exists(file: string): Promise<boolean> {
  return stat(file).then(
    () => true,
    () => false,
  );
}
