/** One file of an initrd; the owner is root, the time is 0. */
export type CpioEntry =
  | { readonly kind: 'file'; readonly path: string; readonly mode: number; readonly content: Buffer }
  | { readonly kind: 'link'; readonly path: string; readonly target: string }
  | { readonly kind: 'folder'; readonly path: string; readonly mode?: number }
  | {
      readonly kind: 'device';
      readonly path: string;
      readonly mode: number;
      readonly major: number;
      readonly minor: number;
    };

const TYPES = { file: 0o100000, link: 0o120000, folder: 0o040000, device: 0o020000 } as const;

/**
 * Makes a cpio archive in the format "newc" (Linux, Documentation/driver-api/early-userspace/buffer-format.rst): sorted
 * by path, numbered from 1, so that the same entries give the same bytes. Folders on the way to an entry are made.
 * Throws when a path comes twice.
 */
export function cpio(entries: readonly CpioEntry[]): Buffer {
  const all = new Map<string, CpioEntry>();
  for (const entry of entries) {
    if (all.has(entry.path)) throw new Error(`inspector: ${entry.path} is twice in the initrd`);
    all.set(entry.path, entry);
  }
  for (const { path } of entries) {
    for (let at = path.lastIndexOf('/'); at > 0; at = path.lastIndexOf('/', at - 1)) {
      const folder = path.slice(0, at);
      if (!all.has(folder)) all.set(folder, { kind: 'folder', path: folder });
    }
  }
  const sorted = [...all.values()].sort((one, other) => (one.path < other.path ? -1 : 1));
  const parts = sorted.flatMap((entry, index) => record(entry, index + 1));
  const end = record({ kind: 'file', path: 'TRAILER!!!', mode: 0, content: Buffer.alloc(0) }, 0, true);
  return padded(Buffer.concat([...parts, ...end]), 512);
}

function record(entry: CpioEntry, inode: number, isEnd = false): Buffer[] {
  const content =
    entry.kind === 'file' ? entry.content : entry.kind === 'link' ? Buffer.from(entry.target) : Buffer.alloc(0);
  const permissions = entry.kind === 'link' ? 0o777 : entry.kind === 'folder' ? (entry.mode ?? 0o755) : entry.mode;
  const name = Buffer.from(`${entry.path}\0`);
  const device = entry.kind === 'device' ? [entry.major, entry.minor] : [0, 0];
  const fields = [
    inode,
    isEnd ? 0 : TYPES[entry.kind] | permissions,
    0,
    0,
    entry.kind === 'folder' ? 2 : 1,
    0,
    content.length,
    0,
    0,
    ...device,
    name.length,
    0,
  ];
  const header = `070701${fields.map((field) => field.toString(16).toUpperCase().padStart(8, '0')).join('')}`;
  return [padded(Buffer.concat([Buffer.from(header), name]), 4), padded(content, 4)];
}

function padded(bytes: Buffer, unit: number): Buffer {
  const rest = bytes.length % unit;
  return rest === 0 ? bytes : Buffer.concat([bytes, Buffer.alloc(unit - rest)]);
}
