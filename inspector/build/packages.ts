import { createHash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { mkdir, mkdtemp, readdir, rename, rm, writeFile } from 'node:fs/promises';
import path from 'node:path';
import type { LockedPackage, PackagesLock } from './lock.ts';
import { run } from './run.ts';

const DOWNLOAD_MS = 120_000;

/** Where packages come from and are kept. */
export interface PackageStore {
  /** Keeps the .deb files and what was unpacked of them, by sha256. */
  readonly folder: string;
  /** A Debian mirror without its last part, e.g. `http://deb.debian.org`. */
  readonly mirror: string;
  /** Base URL of snapshot.debian.org's archive. */
  readonly snapshotUrl: string;
  /** Whether `apt-get download` is tried first. */
  readonly useApt: boolean;
  readonly say: (line: string) => void;
}

/** No source has the bytes that the lock names. */
class PackageMissing extends Error {
  constructor(wanted: LockedPackage, tried: readonly string[]) {
    super(
      `inspector: ${wanted.name} ${wanted.version} (sha256 ${wanted.sha256}) could not be had.\n` +
        `${tried.map((line) => `  - ${line}`).join('\n')}\n` +
        'Mirrors drop a version when a newer one is released: fetch the file from https://snapshot.debian.org/package/ and put it into\n' +
        'the folder of the cache as <sha256>.deb, or run `npm run inspector:build -- --update` to lock the versions of today.',
    );
  }
}

/**
 * Unpacks the packages, fetching what the cache has not; the folder of each, in their order. Every .deb is checked
 * against its sha256.
 */
export async function unpackAll(
  packages: readonly LockedPackage[],
  lock: Pick<PackagesLock, 'snapshot'>,
  store: PackageStore,
): Promise<string[]> {
  const folders: string[] = [];
  for (const wanted of packages) {
    const deb = await fetchPackage(wanted, lock, store);
    folders.push(await unpack(deb, wanted, store));
  }
  return folders;
}

/** The path of a .deb with the locked bytes. Throws PackageMissing. */
export async function fetchPackage(
  wanted: LockedPackage,
  lock: Pick<PackagesLock, 'snapshot'>,
  store: PackageStore,
): Promise<string> {
  const folder = path.join(store.folder, 'debs');
  const target = path.join(folder, `${wanted.sha256}.deb`);
  if ((await sha256Of(target)) === wanted.sha256) return target;
  await mkdir(folder, { recursive: true });
  store.say(`fetches ${wanted.name} ${wanted.version}`);
  const scratch = await mkdtemp(path.join(folder, '.fetch-'));
  const tried: string[] = [];
  try {
    for (const { what, get } of ways(wanted, lock, store, scratch)) {
      try {
        const file = await get();
        const digest = await sha256Of(file);
        if (digest === wanted.sha256) {
          await rename(file, target);
          return target;
        }
        tried.push(`${what}: has sha256 ${digest ?? 'of nothing'}`);
      } catch (error) {
        tried.push(`${what}: ${(error as Error).message}`);
      }
    }
  } finally {
    await rm(scratch, { recursive: true, force: true });
  }
  throw new PackageMissing(wanted, tried);
}

function ways(
  wanted: LockedPackage,
  { snapshot }: Pick<PackagesLock, 'snapshot'>,
  { mirror, snapshotUrl, useApt }: PackageStore,
  scratch: string,
): { what: string; get: () => Promise<string> }[] {
  const [archive = '', ...rest] = wanted.file.split('/');
  const urls = [`${mirror}/${wanted.file}`, `${snapshotUrl}/${archive}/${snapshot}/${rest.join('/')}`];
  const apt = {
    what: `apt-get download ${wanted.name}=${wanted.version}`,
    get: async () => {
      await run('apt-get', ['-q', 'download', `${wanted.name}=${wanted.version}`], {
        cwd: scratch,
        timeoutMs: DOWNLOAD_MS,
      });
      const [name] = (await readdir(scratch)).filter((file) => file.endsWith('.deb'));
      if (name === undefined) throw new Error('it left no file');
      return path.join(scratch, name);
    },
  };
  return [
    ...(useApt ? [apt] : []),
    ...urls.map((url) => ({ what: url, get: () => download(url, path.join(scratch, 'download')) })),
  ];
}

async function download(url: string, target: string): Promise<string> {
  const answer = await fetch(url, { signal: AbortSignal.timeout(DOWNLOAD_MS) }).catch((error: Error) => {
    throw new Error((error.cause as Error | undefined)?.message ?? error.message);
  });
  if (!answer.ok) throw new Error(`answered ${answer.status}`);
  await writeFile(target, Buffer.from(await answer.arrayBuffer()));
  return target;
}

/** The folder with a package's files; unpacked next to it first, so that a broken-off run leaves nothing half done. */
async function unpack(deb: string, wanted: LockedPackage, store: PackageStore): Promise<string> {
  const folder = path.join(store.folder, 'unpacked');
  const target = path.join(folder, wanted.sha256);
  if (await readdir(target).catch(() => undefined)) return target;
  await mkdir(folder, { recursive: true });
  const scratch = await mkdtemp(path.join(folder, '.unpack-'));
  try {
    await run('dpkg-deb', ['-x', deb, scratch]).catch((error: Error) => {
      const hint =
        'dpkg-deb comes with Debian and Ubuntu, elsewhere as package dpkg; or build with inspector/Dockerfile';
      throw new Error(`inspector: ${wanted.name} cannot be unpacked: ${error.message} (${hint})`);
    });
    await rename(scratch, target).catch(async (error: NodeJS.ErrnoException) => {
      if (error.code !== 'ENOTEMPTY' && error.code !== 'EEXIST') throw error;
      await rm(scratch, { recursive: true, force: true });
    });
  } catch (error) {
    await rm(scratch, { recursive: true, force: true });
    throw error;
  }
  return target;
}

/** In hex; undefined when there is no such file. */
export async function sha256Of(file: string): Promise<string | undefined> {
  const hash = createHash('sha256');
  try {
    for await (const chunk of createReadStream(file)) hash.update(chunk as Buffer);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
    throw error;
  }
  return hash.digest('hex');
}
