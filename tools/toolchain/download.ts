import { createHash } from 'node:crypto';
import { createReadStream, createWriteStream } from 'node:fs';
import { chmod, mkdir, rename, rm } from 'node:fs/promises';
import path from 'node:path';
import { pipeline } from 'node:stream/promises';
import { EnvHttpProxyAgent, request, type Dispatcher } from 'undici';
import { holdToFirstChecksum } from './checksums.ts';
import { runCommand } from './command.ts';
import type { Download } from './pins.ts';

/** So that a closed network falls through to the next way quickly. */
const CONNECT_MS = 5_000;
const TOTAL_MS = 15 * 60_000;
const REDIRECTS = 5;
const CHECKSUM_FILE_CHARACTERS = 1_000_000;

export interface Platform {
  readonly os: string;
  readonly arch: string;
}

/** Platform names as release files have them (Go's). */
export function platform(): Platform {
  const arch = process.arch === 'x64' ? 'amd64' : process.arch;
  return { os: process.platform === 'win32' ? 'windows' : process.platform, arch };
}

/** `BESKAR7_DOWNLOAD_MIRROR` replaces scheme and host of every address; the path stays. */
export function mirrored(url: string, mirror = process.env.BESKAR7_DOWNLOAD_MIRROR): string {
  if (!mirror) return url;
  const { pathname, search } = new URL(url);
  return mirror.replace(/\/$/, '') + pathname + search;
}

/**
 * Downloads a release file, checks its SHA-256, and puts the tool at `target` (atomically). Throws an error that says
 * what was wrong; a file without a checksum to check it against is refused.
 */
export async function downloadTool(download: Download, target: string, where: Platform = platform()): Promise<void> {
  const fill = (text: string) => text.replaceAll('{os}', where.os).replaceAll('{arch}', where.arch);
  const work = `${target}.${process.pid}.tmp`;
  const file = path.join(work, 'download');
  await rm(work, { recursive: true, force: true });
  await mkdir(work, { recursive: true });
  try {
    await withAgent(async (agent) => {
      const wanted = await wantedSha256(download, where, fill, agent);
      await fetchFile(fill(download.url), wanted, file, agent);
    });
    const tool = download.member === undefined ? file : await unpack(file, fill(download.member), work);
    await chmod(tool, 0o755);
    await rename(tool, target);
  } finally {
    await rm(work, { recursive: true, force: true });
  }
}

/** Runs `work` with an agent of this module's deadlines, that goes through `HTTPS_PROXY` where that is set. */
export async function withAgent<T>(work: (agent: Dispatcher) => Promise<T>): Promise<T> {
  const agent = new EnvHttpProxyAgent({
    connect: { timeout: CONNECT_MS },
    headersTimeout: 30_000,
    bodyTimeout: 60_000,
  });
  try {
    return await work(agent);
  } finally {
    await agent.destroy();
  }
}

/**
 * Downloads one file from the official address or the mirror. Throws when its SHA-256 is another one; nothing is kept
 * then.
 */
export async function fetchFile(url: string, wanted: string, file: string, agent: Dispatcher): Promise<void> {
  const hash = createHash('sha256');
  const body = await open(mirrored(url), agent);
  await pipeline(body, createWriteStream(file)).catch((error: Error) => {
    throw new Error(`${mirrored(url)}: the download broke off: ${error.message}`);
  });
  await pipeline(createReadStream(file), hash);
  const found = hash.digest('hex');
  if (found === wanted) return;
  await rm(file, { force: true });
  throw new Error(`${mirrored(url)}: sha256 is ${found}, wanted ${wanted}: the file is refused`);
}

async function wantedSha256(
  download: Download,
  where: Platform,
  fill: (text: string) => string,
  agent: Dispatcher,
): Promise<string> {
  const pinned = download.sha256[`${where.os}-${where.arch}`];
  if (pinned !== undefined) return pinned;
  if (download.checksumUrl === undefined) throw new Error(`no checksum is known for ${where.os}-${where.arch}`);
  const url = mirrored(fill(download.checksumUrl));
  const text = (await (await open(url, agent)).text()).slice(0, CHECKSUM_FILE_CHARACTERS);
  const sum = checksumOf(path.posix.basename(fill(download.url)), text);
  if (sum === undefined) throw new Error(`${url} names no SHA-256 for ${path.posix.basename(fill(download.url))}`);
  await holdToFirstChecksum(fill(download.url), sum);
  return sum;
}

/** The SHA-256 of a file in a list as `sha256sum` writes it, or in a text that is nothing but one sum. */
export function checksumOf(file: string, text: string): string | undefined {
  const lines = text.split('\n').map((line) => line.trim().split(/\s+/));
  const named = lines.find((words) => words.length > 1 && words[words.length - 1]?.replace(/^\*/, '') === file);
  const sum = named?.[0] ?? (lines.every((words) => words.length === 1) ? text.trim() : undefined);
  return sum !== undefined && /^[0-9a-f]{64}$/i.test(sum) ? sum.toLowerCase() : undefined;
}

async function open(url: string, agent: Dispatcher): Promise<Dispatcher.ResponseData['body']> {
  let address = url;
  const signal = AbortSignal.timeout(TOTAL_MS);
  for (let hops = 0; hops <= REDIRECTS; hops += 1) {
    const { statusCode, headers, body } = await request(address, { dispatcher: agent, signal }).catch(
      (error: Error & { code?: string }) => {
        throw new Error(`${address}: ${error.message || error.code || error.name}`);
      },
    );
    if (statusCode === 200) return body;
    await body.dump();
    const { location } = headers;
    if (statusCode < 300 || statusCode >= 400 || typeof location !== 'string')
      throw new Error(`${address}: HTTP status ${statusCode}`);
    address = new URL(location, address).href;
  }
  throw new Error(`${url}: more than ${REDIRECTS} redirects`);
}

async function unpack(archive: string, member: string, folder: string): Promise<string> {
  const { code, output } = await runCommand('tar', ['-xzf', archive, '-C', folder, member], { timeoutMs: 120_000 });
  if (code !== 0) throw new Error(`the archive cannot be unpacked: ${output.trim()}`);
  return path.join(folder, member);
}
