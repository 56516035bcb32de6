import { mkdir, readFile, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { runOf } from './image.ts';
import type { Tree } from './tree.ts';

const SECTOR = 512;
const MIB = 1024 * 1024;
/** Where the first file system starts, in sectors. */
const START = 2048;

const ARGUMENTS = 'quiet loglevel=4 console=tty0 console=ttyS0,115200';

/**
 * A raw disk that boots a kernel by BIOS (syslinux) and by UEFI (systemd-boot): a partition table of the old kind, and
 * a FAT file system with kernel and initrd. Nothing in it is made for the inspector, as in an image that anybody
 * publishes. `scratch` is an empty folder.
 */
export async function diskImage(tree: Tree, vmlinuz: Buffer, initrd: Buffer, scratch: string): Promise<Buffer> {
  const bytes = Math.ceil((vmlinuz.length + initrd.length) / MIB + 4) * MIB;
  const boot = await bootFileSystem(tree, bytes, { vmlinuz, initrd }, scratch);
  const table = tree.read('usr/lib/syslinux/mbr/mbr.bin');
  const head = Buffer.alloc(START * SECTOR);
  table.copy(head);
  head.writeUInt32LE(0xbe5ca700, 440);
  // EF: what UEFI looks for; active: what the BIOS's boot sector starts.
  writePartition(head, 0, { isActive: true, type: 0xef, start: START, sectors: bytes / SECTOR });
  head.writeUInt16LE(0xaa55, 510);
  return Buffer.concat([head, boot]);
}

async function bootFileSystem(
  tree: Tree,
  bytes: number,
  { vmlinuz, initrd }: { vmlinuz: Buffer; initrd: Buffer },
  scratch: string,
): Promise<Buffer> {
  const image = path.join(scratch, 'boot.img');
  await writeFile(image, Buffer.alloc(bytes));
  const tools = new Tools(tree, scratch);
  await tools.mkfs(image, START, ['-F', '16', '-n', 'BESKAR7', '-i', 'be5ca701']);
  for (const folder of ['EFI', 'EFI/BOOT', 'loader', 'loader/entries'])
    await tools.mtools('mmd', image, [`::/${folder}`]);
  const files: Record<string, Buffer | string> = {
    vmlinuz,
    'initrd.img': initrd,
    'ldlinux.c32': tree.read('usr/lib/syslinux/modules/bios/ldlinux.c32'),
    'syslinux.cfg': `DEFAULT linux\nPROMPT 0\nTIMEOUT 0\nLABEL linux\n  KERNEL /vmlinuz\n  APPEND initrd=/initrd.img ${ARGUMENTS}\n`,
    'EFI/BOOT/BOOTX64.EFI': tree.read('usr/lib/systemd/boot/efi/systemd-bootx64.efi'),
    'loader/loader.conf': 'timeout 0\ndefault linux.conf\n',
    'loader/entries/linux.conf': `title Beskar7 target OS\nlinux /vmlinuz\ninitrd /initrd.img\noptions ${ARGUMENTS}\n`,
  };
  const staged = path.join(scratch, 'file');
  for (const [name, content] of Object.entries(files)) {
    await writeFile(staged, content);
    await tools.mtools('mcopy', image, [staged, `::/${name}`]);
  }
  await tools.syslinux(image);
  return readFile(image);
}

/** Programs of the packages, with a fixed time in what they write. */
class Tools {
  readonly #tree: Tree;
  readonly #scratch: string;
  readonly #env = { TZ: 'UTC', SOURCE_DATE_EPOCH: '0', MTOOLS_SKIP_CHECK: '1' };

  constructor(tree: Tree, scratch: string) {
    this.#tree = tree;
    this.#scratch = scratch;
  }

  mkfs(image: string, hidden: number, words: readonly string[]): Promise<string> {
    return runOf(this.#tree, 'usr/sbin/mkfs.fat', ['--invariant', '-h', String(hidden), ...words, image], {
      env: this.#env,
    });
  }

  mtools(applet: string, image: string, words: readonly string[]): Promise<string> {
    return runOf(this.#tree, 'usr/bin/mtools', ['-i', image, ...words], { calledAs: applet, env: this.#env });
  }

  /** It calls mtools by their names: these get small scripts that start the locked ones. */
  async syslinux(image: string): Promise<void> {
    const folder = path.join(this.#scratch, 'bin');
    await mkdir(folder, { recursive: true });
    const [loader, ...words] = commandOf(this.#tree);
    for (const applet of ['mcopy', 'mattrib', 'mmove', 'mdel']) {
      const line = [loader, ...words, '--argv0', applet, this.#tree.fileOf('usr/bin/mtools')].map(
        (word) => `'${word}'`,
      );
      await writeFile(path.join(folder, applet), `#!/bin/sh\nexec ${line.join(' ')} "$@"\n`, { mode: 0o755 });
    }
    const env = { ...this.#env, PATH: `${folder}:${process.env.PATH ?? ''}`, TMPDIR: this.#scratch };
    await runOf(this.#tree, 'usr/bin/syslinux', ['--install', image], { env });
  }
}

function commandOf(tree: Tree): string[] {
  return [tree.fileOf('usr/lib64/ld-linux-x86-64.so.2'), '--library-path', tree.libraryFolders().join(':')];
}

/** One of the four entries; heads and cylinders are not used by anything of today. */
function writePartition(
  head: Buffer,
  index: number,
  { isActive, type, start, sectors }: { isActive: boolean; type: number; start: number; sectors: number },
): void {
  const at = 446 + index * 16;
  head.writeUInt8(isActive ? 0x80 : 0, at);
  head.writeUIntBE(0xfeffff, at + 1, 3);
  head.writeUInt8(type, at + 4);
  head.writeUIntBE(0xfeffff, at + 5, 3);
  head.writeUInt32LE(start, at + 8);
  head.writeUInt32LE(sectors, at + 12);
}
