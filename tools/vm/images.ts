import { createHash } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import path from 'node:path';
import { buildInspector, writeWhole } from '../../inspector/build/image.ts';
import { readPackagesLock } from '../../inspector/build/lock.ts';
import { buildTargetOs } from '../../inspector/build/targetOs.ts';
import { contentHash, debianStore, keptFolder } from './kept.ts';

const INSPECTOR = path.join(import.meta.dirname, '..', '..', 'inspector');

/** What virtual machines boot; digests as `sha256:<hex>`. */
export interface VmImages {
  /**
   * For `--images-folder`: `inspector/vmlinuz`, `inspector/initrd.img`, `target-os.tar.gz` (Kexec), `target-os.raw`
   * (WholeDisk).
   */
  readonly folder: string;
  /** Of `target-os.tar.gz`. */
  readonly targetDigest: string;
  /** Of `target-os.raw`. */
  readonly diskDigest: string;
}

/** The images that virtual machines boot, built once for what stands in inspector/ and kept in the cache. */
export async function ensureVmImages(say: (line: string) => void): Promise<VmImages> {
  const folder = await keptFolder('vm-images', await contentHash(INSPECTOR), say, (begun) => make(begun, say));
  const digest = async (name: string) =>
    `sha256:${createHash('sha256')
      .update(await readFile(path.join(folder, name)))
      .digest('hex')}`;
  return { folder, targetDigest: await digest('target-os.tar.gz'), diskDigest: await digest('target-os.raw') };
}

async function make(begun: string, say: (line: string) => void): Promise<void> {
  say('builds what virtual machines boot out of Debian packages (usually a minute) ...');
  const store = debianStore(say);
  const lock = await readPackagesLock();
  const inspector = await buildInspector('vm', lock, store);
  const target = await buildTargetOs(lock, store);
  const files = {
    'inspector/vmlinuz': inspector.vmlinuz,
    'inspector/initrd.img': inspector.initrd,
    'target-os.tar.gz': target.archive,
    'target-os.raw': target.disk,
  };
  for (const [name, content] of Object.entries(files)) await writeWhole(path.join(begun, name), content);
}
