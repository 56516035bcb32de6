import { createReadStream } from 'node:fs';
import { realpath, stat } from 'node:fs/promises';
import { join, sep } from 'node:path';
import type { Middleware } from 'koa';
import { notFound } from '../errors.ts';
import type { ExchangeState } from '../exchange.ts';
import type { ApiParts } from '../parts.ts';

const PREFIX = '/images/';

/** `GET /images/...`: plain files of `imagesFolder`; nothing outside of it, by whatever name or link. Range requests come later. */
export function serveImages(parts: ApiParts): Middleware<ExchangeState> {
  return async (ctx, next) => {
    if (!ctx.path.startsWith(PREFIX)) return next();
    ctx.state.route = '/images/...';
    if (ctx.method !== 'GET' && ctx.method !== 'HEAD') throw notFound('only GET is served');
    const { imagesFolder } = parts.options;
    if (imagesFolder === undefined) throw notFound('no folder of images is configured');
    const file = await fileOf(imagesFolder, ctx.path.slice(PREFIX.length));
    ctx.status = 200;
    ctx.set('Content-Type', 'application/octet-stream');
    ctx.length = file.size;
    ctx.state.outcome = 'image served';
    // HEAD gets the same headers and no body.
    if (ctx.method === 'GET') ctx.body = createReadStream(file.path);
  };
}

/** The regular file behind an encoded path. Throws the 404. */
async function fileOf(folder: string, encoded: string): Promise<{ path: string; size: number }> {
  let names: string[];
  try {
    names = encoded.split('/').map(decodeURIComponent);
  } catch {
    throw notFound('the path is malformed');
  }
  // Decoded part by part, so that an encoded slash cannot make a new part; hidden files and dots are refused alike.
  const isPlain = (name: string) => name !== '' && !name.startsWith('.') && !/[/\\\0]/.test(name);
  if (!names.every(isPlain)) throw notFound('the path is not that of a plain file');
  try {
    const root = await realpath(folder);
    const path = await realpath(join(root, ...names));
    const info = await stat(path);
    if (path.startsWith(root + sep) && info.isFile()) return { path, size: info.size };
  } catch (error) {
    throw notFound(`the file cannot be read (${(error as NodeJS.ErrnoException).code ?? 'unknown'})`);
  }
  throw notFound('the path leads out of the folder of images');
}
