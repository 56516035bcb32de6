import { createHash } from 'node:crypto';
import { existsSync } from 'node:fs';
import { readdir, readFile, writeFile } from 'node:fs/promises';
import path from 'node:path';

const ROOT = path.join(import.meta.dirname, '..', '..');
/** Where the built page lies: `index.html` and `assets/`. */
export const WEB_DIST = path.join(ROOT, 'web', 'dist');
const STAMP = path.join(WEB_DIST, '.built-from');
const SOURCES = ['web/page', 'web/shared', 'web/vite.config.ts', 'package-lock.json'];

/**
 * Builds the page with Vite into `web/dist`, unless what is there was built from the same sources. Tells whether it
 * built. Throws Vite's error, which names file and line.
 */
export async function buildWeb({ force = false } = {}): Promise<boolean> {
  // An image or a package brings the built page along, without its sources.
  if (!existsSync(path.join(ROOT, 'web', 'page')) && existsSync(path.join(WEB_DIST, 'index.html'))) return false;
  const wanted = await fingerprint();
  if (!force && (await readFile(STAMP, 'utf8').catch(() => '')) === wanted) return false;
  const { build } = await import('vite');
  await build({ configFile: path.join(ROOT, 'web', 'vite.config.ts') });
  await writeFile(STAMP, wanted);
  return true;
}

/** SHA-256 over the names and bytes of everything that the page is built from. */
async function fingerprint(): Promise<string> {
  const hash = createHash('sha256');
  for (const source of SOURCES) {
    for (const file of await filesBelow(path.join(ROOT, source)))
      hash
        .update(path.relative(ROOT, file))
        .update('\0')
        .update(await readFile(file));
  }
  return hash.digest('hex');
}

async function filesBelow(place: string): Promise<string[]> {
  if (!existsSync(place)) return [];
  const entries = await readdir(place, { recursive: true, withFileTypes: true }).catch(() => undefined);
  if (entries === undefined) return [place];
  const files = entries.filter((entry) => entry.isFile()).map((entry) => path.join(entry.parentPath, entry.name));
  return files.sort();
}
