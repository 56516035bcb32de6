import { createHash } from 'node:crypto';
import { chmod, mkdir, rename, rm, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { Agent, request } from 'undici';
import { runCommand } from './command.ts';
import type { Download } from './pins.ts';

/** So that a closed network falls through to the next way quickly. */
const CONNECT_MS = 5_000;
const TOTAL_MS = 15 * 60_000;
const REDIRECTS = 5;

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
export function mirrored(url: string, mirror: string | undefined): string {
  if (!mirror) return url;
  const { pathname, search } = new URL(url);
  return mirror.replace(/\/$/, '') + pathname + search;
}

/**
 * Downloads a release file, checks its SHA-256, and puts the tool at `target` (atomically). Throws an error that says what was wrong; a file
 * without a checksum to check it against is refused.
 */
export async function downloadTool(download: Download, target: string, where: Platform = platform()): Promise<void> {
  const fill = (text: string) => text.replaceAll('{os}', where.os).replaceAll('{arch}', where.arch);
  const mirror = process.env.BESKAR7_DOWNLOAD_MIRROR;
  const url = mirrored(fill(download.url), mirror);
  const agent = new Agent({ connect: { timeout: CONNECT_MS }, headersTimeout: 30_000, bodyTimeout: 60_000 });
  try {
    const wanted = await wantedSha256(download, where, fill, mirror, agent);
    const content = await fetchBytes(url, agent);
    const found = createHash('sha256').update(content).digest('hex');
    if (found !== wanted) throw new Error(`${url}: sha256 is ${found}, wanted ${wanted}: the file is refused`);
    await place(content, download.member === undefined ? undefined : fill(download.member), target);
  } finally {
    await agent.destroy();
  }
}

async function wantedSha256(
  download: Download,
  where: Platform,
  fill: (text: string) => string,
  mirror: string | undefined,
  agent: Agent,
): Promise<string> {
  const pinned = download.sha256[`${where.os}-${where.arch}`];
  if (pinned !== undefined) return pinned;
  if (download.checksumUrl === undefined) throw new Error(`no checksum is known for ${where.os}-${where.arch}`);
  const url = mirrored(fill(download.checksumUrl), mirror);
  const text = (await fetchBytes(url, agent)).toString('utf8');
  const file = path.posix.basename(fill(download.url));
  const line = text.split('\n').find((entry) => entry.includes(file)) ?? text;
  const sum = /\b[0-9a-f]{64}\b/.exec(line)?.[0];
  if (sum === undefined) throw new Error(`${url} names no SHA-256 for ${file}`);
  return sum;
}

async function fetchBytes(url: string, agent: Agent): Promise<Buffer> {
  let address = url;
  for (let hops = 0; hops <= REDIRECTS; hops += 1) {
    const { statusCode, headers, body } = await request(address, {
      dispatcher: agent,
      signal: AbortSignal.timeout(TOTAL_MS),
    }).catch((error: Error) => {
      throw new Error(`${address}: ${error.message}`);
    });
    const location = headers.location;
    if (statusCode >= 300 && statusCode < 400 && typeof location === 'string') {
      await body.dump();
      address = new URL(location, address).href;
      continue;
    }
    if (statusCode !== 200) {
      await body.dump();
      throw new Error(`${address}: HTTP status ${statusCode}`);
    }
    return Buffer.from(await body.arrayBuffer());
  }
  throw new Error(`${url}: more than ${REDIRECTS} redirects`);
}

async function place(content: Buffer, member: string | undefined, target: string): Promise<void> {
  const work = `${target}.${process.pid}.tmp`;
  await rm(work, { recursive: true, force: true });
  await mkdir(work, { recursive: true });
  try {
    const file = path.join(work, 'download');
    await writeFile(file, content);
    let tool = file;
    if (member !== undefined) {
      const { code, output } = await runCommand('tar', ['-xzf', file, '-C', work, member], { timeoutMs: 120_000 });
      if (code !== 0) throw new Error(`the archive cannot be unpacked: ${output.trim()}`);
      tool = path.join(work, member);
    }
    await chmod(tool, 0o755);
    await rename(tool, target);
  } finally {
    await rm(work, { recursive: true, force: true });
  }
}
