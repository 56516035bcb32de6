import { mkdtemp, readFile, rm } from 'node:fs/promises';
import os from 'node:os';
import path from 'node:path';
import type { CpioEntry } from './cpio.ts';
import { diskImage } from './disk.ts';
import { RECIPES } from './flavours.ts';
import { build, filesOf, type Built } from './image.ts';
import type { PackagesLock } from './lock.ts';
import { unpackAll, type PackageStore } from './packages.ts';
import { tarGz } from './tar.ts';
import { Tree } from './tree.ts';

const INSPECTOR = path.join(import.meta.dirname, '..');
/** Of the inspector: what brings up hardware and network and calls Beskar7. */
const SHARED = ['console.sh', 'system.sh', 'network.sh', 'calls.sh', 'udhcpc'];

/** The final OS of tests and the demo, in both forms in which it is deployed. */
export interface BuiltTargetOs extends Built {
  /** For `deployMode: Kexec`. */
  readonly archive: Buffer;
  /** For `deployMode: WholeDisk`. */
  readonly disk: Buffer;
}

/** Builds `inspector/target-os` out of the locked packages: the same lock and sources give the same bytes. */
export async function buildTargetOs(lock: PackagesLock, store: PackageStore): Promise<BuiltTargetOs> {
  const packages = lock.flavours['target-os'];
  const shared = await Promise.all(
    SHARED.map(async (name): Promise<CpioEntry> => ({
      kind: 'file',
      path: `usr/lib/beskar7/${name}`,
      mode: name.includes('.') ? 0o644 : 0o755,
      content: await readFile(path.join(INSPECTOR, 'init', name)),
    })),
  );
  const own = [
    ...(await filesOf(path.join(INSPECTOR, 'target-os'), 'usr/lib/beskar7')),
    { kind: 'link', path: 'init', target: 'usr/lib/beskar7/init' } as const,
  ];
  const built = await build(RECIPES['target-os'], lock, store, packages, [...shared, ...own]);
  const archive = tarGz([
    { path: 'vmlinuz', content: built.vmlinuz },
    { path: 'initrd.img', content: built.initrd },
    // Without a console: it gets those of the inspector.
    { path: 'cmdline', content: Buffer.from('quiet loglevel=4\n') },
  ]);
  const tree = new Tree(await unpackAll(packages, lock, store));
  const scratch = await mkdtemp(path.join(os.tmpdir(), 'beskar7-disk-'));
  try {
    const disk = await diskImage(tree, built.vmlinuz, built.initrd, scratch);
    return { ...built, archive, disk, used: new Set([...built.used, ...tree.used()]) };
  } finally {
    await rm(scratch, { recursive: true, force: true });
  }
}
