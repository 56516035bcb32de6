import { createHash } from 'node:crypto';
import { readdir, readFile } from 'node:fs/promises';
import path from 'node:path';
import { promisify } from 'node:util';
import { gzip } from 'node:zlib';

const TYPES: Readonly<Record<string, string>> = {
  '.html': 'text/html; charset=utf-8',
  '.js': 'text/javascript; charset=utf-8',
  '.css': 'text/css; charset=utf-8',
  '.svg': 'image/svg+xml',
  '.png': 'image/png',
  '.woff2': 'font/woff2',
  '.json': 'application/json',
};
/** What Vite names by a hash of the content never changes. */
const FOREVER = 'public, max-age=31536000, immutable';

/** One file of the page, ready to be sent. */
export interface PageFile {
  readonly type: string;
  readonly cacheControl: string;
  readonly etag: string;
  readonly bytes: Buffer;
  /** Absent where it would not be smaller. */
  readonly gzipped?: Buffer;
}

/** Shown where the page was not built. */
const NOT_BUILT = `<!doctype html><html lang="en"><meta charset="utf-8"><title>Beskar7</title>
<h1>The page is not built</h1><p>Run <code>npm run web:build</code>, then start Beskar7 again.</p></html>`;

/** Every file of the built page by its address, `/` too; read once, since they are few and small. */
export async function readPage(folder: string): Promise<ReadonlyMap<string, PageFile>> {
  const entries = await readdir(folder, { recursive: true, withFileTypes: true }).catch(() => []);
  const files = new Map<string, PageFile>();
  for (const entry of entries) {
    const type = TYPES[path.extname(entry.name)];
    if (!entry.isFile() || type === undefined) continue;
    const file = path.join(entry.parentPath, entry.name);
    const address = `/${path.relative(folder, file).split(path.sep).join('/')}`;
    files.set(address, await pageFile(await readFile(file), type, address.startsWith('/assets/')));
  }
  const index = files.get('/index.html') ?? (await pageFile(Buffer.from(NOT_BUILT), TYPES['.html'] ?? '', false));
  return files.set('/', index);
}

async function pageFile(bytes: Buffer, type: string, isHashed: boolean): Promise<PageFile> {
  const gzipped = await promisify(gzip)(bytes);
  return {
    type,
    cacheControl: isHashed ? FOREVER : 'no-cache',
    etag: `"${createHash('sha256').update(bytes).digest('base64url').slice(0, 27)}"`,
    bytes,
    ...(gzipped.length < bytes.length ? { gzipped } : {}),
  };
}
