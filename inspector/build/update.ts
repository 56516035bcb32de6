import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import os from 'node:os';
import path from 'node:path';
import { RECIPES } from './flavours.ts';
import { buildInspector, writeWhole } from './image.ts';
import { FLAVOURS, LOCK_FILE, type Flavour, type LockedPackage, type PackagesLock } from './lock.ts';
import type { PackageStore } from './packages.ts';
import { run } from './run.ts';
import { buildTargetOs } from './targetOs.ts';

const SUITE = 'bookworm';

/**
 * Locks the versions that this machine's apt knows (`apt-get update` first): resolves each flavour as on an empty
 * system, builds it once, and keeps the packages of which something was used.
 */
export async function updateLock(store: PackageStore): Promise<PackagesLock> {
  await requireSuite();
  const flavours: Record<Flavour, readonly LockedPackage[]> = { vm: [], server: [], 'target-os': [] };
  const snapshot = new Date().toISOString().replace(/[-:]/g, '').replace(/\.\d+/, '');
  for (const flavour of FLAVOURS) {
    const { kernel: image, packages } = RECIPES[flavour];
    flavours[flavour] = await resolvePackages([image, ...packages]);
    const lock: PackagesLock = { suite: SUITE, architecture: 'amd64', snapshot, flavours };
    const { used, kernel } = await (flavour === 'target-os'
      ? buildTargetOs(lock, store)
      : buildInspector(flavour, lock, store));
    flavours[flavour] = flavours[flavour].filter((_, index) => used.has(index));
    store.say(`${flavour}: kernel ${kernel}, ${flavours[flavour].length} packages`);
  }
  const lock: PackagesLock = { suite: SUITE, architecture: 'amd64', snapshot, flavours };
  await writeWhole(LOCK_FILE, lockText(lock));
  return lock;
}

/** Throws where apt is not that of the Debian release whose packages are locked. */
async function requireSuite(): Promise<void> {
  const { VERSION_CODENAME } = await osRelease();
  if (VERSION_CODENAME !== SUITE)
    throw new Error(
      `inspector: --update asks apt of Debian ${SUITE}, this is ${VERSION_CODENAME ?? 'another system'}; run it in debian:${SUITE}`,
    );
}

/** One line per package, so that a change shows what changed. */
function lockText({ flavours, ...rest }: PackagesLock): string {
  const lines = FLAVOURS.map(
    (name) => `    "${name}": [\n${flavours[name].map((item) => `      ${JSON.stringify(item)}`).join(',\n')}\n    ]`,
  );
  const head = Object.entries(rest).map(([key, value]) => `  "${key}": ${JSON.stringify(value)},`);
  return `{\n${head.join('\n')}\n  "flavours": {\n${lines.join(',\n')}\n  }\n}\n`;
}

/**
 * What apt would install on a system without any package, by name. `wanted` are names, or patterns of apt such as
 * `?essential`.
 */
export async function resolvePackages(wanted: readonly string[]): Promise<LockedPackage[]> {
  const scratch = await mkdtemp(path.join(os.tmpdir(), 'beskar7-lock-'));
  const status = path.join(scratch, 'status');
  try {
    await writeFile(status, '');
    const lines = await run('apt-get', [
      ...['install', '--print-uris', '-qq', '-y', '--no-install-recommends'],
      ...['-o', `Dir::State::status=${status}`, '-o', 'Debug::NoLocking=true'],
      ...wanted,
    ]);
    const uris = lines.split('\n').flatMap((line) => /^'([^']+\.deb)' /.exec(line)?.[1] ?? []);
    return (await describe(uris)).sort((one, other) => (one.name < other.name ? -1 : 1));
  } finally {
    await rm(scratch, { recursive: true, force: true });
  }
}

/** The packages behind the URIs, by what apt's lists say of them. */
async function describe(uris: readonly string[]): Promise<LockedPackage[]> {
  const files = uris.map((uri) =>
    decodeURIComponent(new URL(uri).pathname).replace(/^.*?\/(debian(?:-security)?\/pool\/)/, '$1'),
  );
  const names = files.map((file) => path.posix.basename(file).split('_')[0] ?? '');
  const known = new Map<string, LockedPackage>();
  for (const stanza of (await run('apt-cache', ['show', ...names])).split('\n\n')) {
    const field = (key: string) => new RegExp(`^${key}: (.+)$`, 'm').exec(stanza)?.[1];
    const [name, version, sha256, pool] = ['Package', 'Version', 'SHA256', 'Filename'].map(field);
    if (name && version && sha256 && pool) known.set(pool, { name, version, sha256, file: pool });
  }
  return files.map((file) => {
    const described = known.get(file.replace(/^debian(-security)?\//, ''));
    if (described === undefined) throw new Error(`inspector: apt does not know the sha256 of ${file}`);
    return { ...described, file };
  });
}

async function osRelease(): Promise<Record<string, string | undefined>> {
  const lines = (await run('cat', ['/etc/os-release']).catch(() => '')).split('\n');
  return Object.fromEntries(lines.map((line) => line.split('=') as [string, string]));
}
