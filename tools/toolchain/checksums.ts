import { mkdir, readFile, rename, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { cacheFolder } from './cache.ts';

/**
 * Remembers the SHA-256 with which a release file was first accepted, and throws when the publisher later serves
 * another one: a release does not change. For files without a checksum in pins.ts.
 */
export async function holdToFirstChecksum(url: string, sha256: string, folder = cacheFolder()): Promise<void> {
  const file = path.join(folder, 'checksums.json');
  const known = JSON.parse(await readFile(file, 'utf8').catch(() => '{}')) as Record<string, string>;
  const first = known[url];
  if (first !== undefined && first !== sha256)
    throw new Error(
      `${url}: the publisher's sha256 is ${sha256}, it was ${first} before: the file is refused. ` +
        `When you trust the new one, remove the line from ${file}`,
    );
  if (first === sha256) return;
  await mkdir(folder, { recursive: true });
  const work = `${file}.${process.pid}.tmp`;
  await writeFile(work, `${JSON.stringify({ ...known, [url]: sha256 }, undefined, 2)}\n`);
  await rename(work, file);
}
