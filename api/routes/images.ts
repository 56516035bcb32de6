import { open, realpath, stat, type FileHandle } from 'node:fs/promises';
import { join, sep } from 'node:path';
import type { Middleware, ParameterizedContext } from 'koa';
import { notFound } from '../errors.ts';
import type { ExchangeState } from '../exchange.ts';
import type { ApiParts } from '../parts.ts';

const PREFIX = '/images/';

type Context = ParameterizedContext<ExchangeState>;
/** Both ends included. */
interface Range {
  readonly start: number;
  readonly end: number;
}
interface Image {
  /** To be closed by whoever has it. */
  readonly handle: FileHandle;
  readonly size: number;
  readonly etag: string;
}

/**
 * `GET /images/...`: plain files of `imagesFolder`; nothing outside of it, by whatever name or link. One range of bytes
 * is served (RFC 9110), several are answered whole.
 */
export function serveImages(parts: ApiParts): Middleware<ExchangeState> {
  return async (ctx, next) => {
    if (!ctx.path.startsWith(PREFIX)) return next();
    ctx.state.route = '/images/...';
    if (ctx.method !== 'GET' && ctx.method !== 'HEAD') throw notFound('only GET is served');
    const { imagesFolder } = parts.options;
    if (imagesFolder === undefined) throw notFound('no folder of images is configured');
    const file = await fileOf(imagesFolder, ctx.path.slice(PREFIX.length));
    const range = answerHead(ctx, file);
    // HEAD gets the same headers and no body.
    if (ctx.method !== 'GET' || ctx.status === 416 || file.size === 0) {
      await file.handle.close();
      if (ctx.method === 'GET') ctx.body = '';
      return;
    }
    // Ends at the announced length, also if the file grows.
    ctx.body = file.handle.createReadStream(range ?? { start: 0, end: file.size - 1 });
  };
}

/** Status and headers; gives the range that is sent, undefined for all. */
function answerHead(ctx: Context, file: Image): Range | undefined {
  ctx.set({ 'Content-Type': 'application/octet-stream', 'Accept-Ranges': 'bytes', ETag: file.etag });
  // A range is for a GET; of a file that has changed since the first part was fetched, all is sent.
  const isWanted = ctx.method === 'GET' && [file.etag, ''].includes(ctx.get('If-Range'));
  const range = isWanted ? rangeOf(ctx.get('Range'), file.size) : undefined;
  if (range === 'unsatisfiable') {
    ctx.status = 416;
    ctx.set('Content-Range', `bytes */${file.size}`);
    ctx.state.outcome = 'range outside of the image';
    return undefined;
  }
  ctx.status = range ? 206 : 200;
  if (range) ctx.set('Content-Range', `bytes ${range.start}-${range.end}/${file.size}`);
  ctx.length = range ? range.end - range.start + 1 : file.size;
  ctx.state.outcome = 'image served';
  return range;
}

/**
 * The bytes that a Range header asks for, both ends included; undefined where it is none, not understood, or more than
 * one.
 */
function rangeOf(header: string, size: number): Range | 'unsatisfiable' | undefined {
  const [, from = '', to = ''] = /^bytes=(\d{0,15})-(\d{0,15})$/.exec(header.trim()) ?? [];
  if (from === '' && to === '') return undefined;
  // `-n`: the last n bytes.
  const start = from === '' ? Math.max(0, size - Number(to)) : Number(from);
  const end = from === '' || to === '' ? size - 1 : Math.min(Number(to), size - 1);
  if (from !== '' && to !== '' && Number(to) < Number(from)) return undefined;
  return start > end ? 'unsatisfiable' : { start, end };
}

/** The regular file behind an encoded path, opened. Throws the 404. */
async function fileOf(folder: string, encoded: string): Promise<Image> {
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
    // Looked at before it is opened: opening a pipe waits for its other end.
    if (path.startsWith(root + sep) && (await stat(path)).isFile()) return await opened(path);
  } catch (error) {
    throw notFound(`the file cannot be read (${(error as NodeJS.ErrnoException).code ?? 'unknown'})`);
  }
  throw notFound('the path leads out of the folder of images');
}

async function opened(path: string): Promise<Image> {
  const handle = await open(path);
  try {
    const { size, mtimeMs } = await handle.stat();
    return { handle, size, etag: `"${size.toString(16)}-${Math.round(mtimeMs).toString(16)}"` };
  } catch (error) {
    await handle.close();
    throw error;
  }
}
