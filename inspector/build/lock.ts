import { readFile } from 'node:fs/promises';
import path from 'node:path';

/** One Debian package, by its bytes. */
export interface LockedPackage {
  readonly name: string;
  /** Debian version with its epoch. */
  readonly version: string;
  /** 64 hex digits, of the .deb. */
  readonly sha256: string;
  /** Path on a Debian mirror: `debian/pool/...` or `debian-security/pool/...`. */
  readonly file: string;
}

/** `target-os` is what tests and the demo hand over to. */
export const FLAVOURS = ['vm', 'server', 'target-os'] as const;
/** One of `FLAVOURS`. */
export type Flavour = (typeof FLAVOURS)[number];

/** `inspector/packages.lock.json`: same lock, same bytes. */
export interface PackagesLock {
  readonly suite: string;
  readonly architecture: string;
  /** A time at which snapshot.debian.org has all of it, as `20261123T200000Z`. */
  readonly snapshot: string;
  readonly flavours: Readonly<Record<Flavour, readonly LockedPackage[]>>;
}

/** Absolute path of the lock in this repository. */
export const LOCK_FILE = path.join(import.meta.dirname, '..', 'packages.lock.json');

/** Reads the lock. Throws with the file and what is wrong with it. */
export async function readPackagesLock(file = LOCK_FILE): Promise<PackagesLock> {
  const lock = JSON.parse(await readFile(file, 'utf8')) as PackagesLock;
  for (const flavour of FLAVOURS) {
    for (const { name, sha256, file: deb } of lock.flavours[flavour]) {
      if (!/^[0-9a-f]{64}$/.test(sha256)) throw new Error(`${file}: ${name} has no sha256`);
      if (!/^debian(-security)?\/pool\/[\w.+~%/-]+\.deb$/.test(deb) || deb.includes('..'))
        throw new Error(`${file}: ${name} has no path below debian/pool/`);
    }
  }
  return lock;
}
