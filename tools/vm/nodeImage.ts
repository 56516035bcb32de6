import { existsSync } from 'node:fs';
import { copyFile, link, mkdir, readFile, rm, stat, writeFile } from 'node:fs/promises';
import path from 'node:path';
import type { LockedPackage } from '../../inspector/build/lock.ts';
import { fetchPackage, sha256Of, type PackageStore } from '../../inspector/build/packages.ts';
import { run } from '../../inspector/build/run.ts';
import { resolvePackages } from '../../inspector/build/update.ts';
import { ensureTools } from '../toolchain/index.ts';
import { contentHash, debianStore, keptFolder } from './kept.ts';

/** What the image is made of. */
const HERE = path.join(import.meta.dirname, 'node');
const BUILD_MS = 30 * 60_000;
/** What `disk.sh` runs, and the Debian packages of it. */
const PROGRAMS = [
  ['mmdebstrap', 'mmdebstrap'],
  ['mkfs.ext4', 'e2fsprogs'],
  ['mkfs.fat', 'dosfstools'],
  ['mcopy', 'mtools'],
  ['sfdisk', 'fdisk'],
  ['zstd', 'zstd'],
  ['unshare', 'util-linux'],
] as const;
/** How many packages are fetched at once. */
const FETCHES = 8;

/** Packages that are asked for; those that they need and what Debian calls essential follow. */
export const NODE_PACKAGES = [
  ...[
    'apt',
    'systemd',
    'systemd-sysv',
    'systemd-resolved',
    'udev',
    'dbus',
    'mount',
    'procps',
    'kmod',
    'ca-certificates',
  ],
  ...['cloud-init', 'cloud-guest-utils', 'netplan.io'],
  ...['containerd', 'runc', 'containernetworking-plugins'],
  ...['conntrack', 'ethtool', 'iproute2', 'iptables', 'socat'],
  ...['linux-image-cloud-amd64', 'initramfs-tools', 'e2fsprogs', 'fdisk'],
  ...['grub-pc-bin', 'grub-efi-amd64-bin', 'grub2-common'],
];

/** `node/packages.lock.json`: same lock, same packages. */
export interface NodeLock {
  /** A time at which snapshot.debian.org has all of it, as `20261123T200000Z`. */
  readonly snapshot: string;
  readonly packages: readonly LockedPackage[];
}

/** Absolute path of that lock. */
export const NODE_LOCK = path.join(HERE, 'packages.lock.json');

/** A disk image of a Debian with cloud-init, containerd, kubelet and kubeadm, as somebody would publish it. */
export interface NodeImage {
  /** For `--images-folder`. */
  readonly folder: string;
  /** In that folder; a raw disk, packed with zstd. */
  readonly name: string;
  /** `sha256:<hex>` of the packed file. */
  readonly digest: string;
}

/**
 * The image, built once for what it is made of and kept in the cache. Throws where a package or a tool cannot be had,
 * or this is not root on Debian.
 */
export async function ensureNodeImage(say: (line: string) => void): Promise<NodeImage> {
  const tools = await ensureTools(['kubelet', 'kubeadm'], say);
  const name = 'debian-node.raw.zst';
  const folder = await keptFolder('node-images', await keyOf(Object.values(tools)), say, (begun) =>
    make(path.join(begun, name), tools, say),
  );
  const file = path.join(folder, name);
  return { folder, name, digest: `sha256:${(await sha256Of(file)) ?? ''}` };
}

/** What is missing on this machine for the build, each with how to get it; empty: the image can be made. */
export function missingForNodeImage(): string[] {
  const folders = `${process.env.PATH ?? ''}:/usr/sbin:/sbin`.split(':');
  const missing = PROGRAMS.filter(([name]) => !folders.some((folder) => existsSync(path.join(folder, name))));
  return [
    ...missing.map(([name, debian]) => `${name} (Debian, Ubuntu: apt-get install ${debian})`),
    ...(process.getuid?.() === 0 ? [] : ['root (the image is made with chroot)']),
  ];
}

/** Locks the versions that this machine's apt knows; `apt-get update` first. */
export async function updateNodeLock(): Promise<NodeLock> {
  const packages = await resolvePackages(['?and(?essential,?architecture(amd64))', ...NODE_PACKAGES]);
  const snapshot = new Date().toISOString().replace(/[-:]/g, '').replace(/\.\d+/, '');
  const lines = packages.map((item) => `    ${JSON.stringify(item)}`).join(',\n');
  await writeFile(NODE_LOCK, `{\n  "snapshot": "${snapshot}",\n  "packages": [\n${lines}\n  ]\n}\n`);
  return { snapshot, packages };
}

/** Reads the lock. */
export async function readNodeLock(): Promise<NodeLock> {
  return JSON.parse(await readFile(NODE_LOCK, 'utf8')) as NodeLock;
}

async function make(
  image: string,
  { kubelet, kubeadm }: Readonly<Record<'kubelet' | 'kubeadm', string>>,
  say: (line: string) => void,
): Promise<void> {
  say('builds the disk image of a Debian node (usually 2 minutes) ...');
  const packages = path.join(path.dirname(image), 'packages');
  await fillRepository(packages, await readNodeLock(), say);
  await run(
    // Mounts that a broken-off run would leave are those of its own namespace.
    'unshare',
    [
      ...['--mount', path.join(HERE, 'disk.sh'), packages, NODE_PACKAGES.join(',')],
      ...[kubelet, kubeadm, path.join(HERE, 'files'), image],
    ],
    { timeoutMs: BUILD_MS },
  );
  await rm(packages, { recursive: true });
}

/** A folder that apt takes for a repository, with the locked packages alone. */
async function fillRepository(folder: string, lock: NodeLock, say: (line: string) => void): Promise<void> {
  await mkdir(folder);
  const debs = await fetchAll(lock, debianStore(say));
  const index: string[] = [];
  for (const [at, wanted] of lock.packages.entries()) {
    const deb = debs[at] ?? '';
    const name = `${wanted.name}_${wanted.sha256.slice(0, 16)}.deb`;
    await link(deb, path.join(folder, name)).catch(() => copyFile(deb, path.join(folder, name)));
    const { size } = await stat(deb);
    const control = await run('dpkg-deb', ['-f', deb]);
    index.push(`${control.trimEnd()}\nFilename: ./${name}\nSize: ${size}\nSHA256: ${wanted.sha256}\n`);
  }
  await writeFile(path.join(folder, 'Packages'), index.join('\n'));
}

/** The files of all packages, in their order. The mirror is asked first: a call of apt takes a second for each. */
async function fetchAll(lock: NodeLock, store: PackageStore): Promise<string[]> {
  const debs: string[] = [];
  const fetchOne = (wanted: LockedPackage) =>
    fetchPackage(wanted, lock, { ...store, useApt: false }).catch(() => fetchPackage(wanted, lock, store));
  for (let at = 0; at < lock.packages.length; at += FETCHES)
    debs.push(...(await Promise.all(lock.packages.slice(at, at + FETCHES).map(fetchOne))));
  return debs;
}

/** SHA-256 over what makes the image, and the programs that go into it; in hex. */
async function keyOf(programs: readonly string[]): Promise<string> {
  const sizes = await Promise.all(programs.map(async (file) => `${path.basename(file)} ${(await stat(file)).size}\0`));
  return contentHash(HERE, (hash) => void hash.update(NODE_PACKAGES.join(',')).update(sizes.join('')));
}
