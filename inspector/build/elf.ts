/** What a program or library of x86-64 says about itself (System V ABI, chapters 4 and 5). */
export interface Elf {
  /** Its dynamic loader, e.g. `/lib64/ld-linux-x86-64.so.2`; none in a static program and in a library. */
  readonly interpreter: string | undefined;
  /** Names of the libraries that it is linked with, e.g. `libc.so.6`. */
  readonly needed: readonly string[];
}

const PT_LOAD = 1;
const PT_DYNAMIC = 2;
const PT_INTERP = 3;
const DT_NEEDED = 1;
const DT_STRTAB = 5;

/** Reads the header of an ELF file; undefined when it is none (a script). */
export function readElf(bytes: Buffer): Elf | undefined {
  if (!isElf64(bytes)) return undefined;
  const headers = Array.from({ length: bytes.readUInt16LE(0x38) }, (_, index) => {
    const at = number(bytes, 0x20) + index * bytes.readUInt16LE(0x36);
    return {
      type: bytes.readUInt32LE(at),
      offset: number(bytes, at + 8),
      address: number(bytes, at + 16),
      size: number(bytes, at + 32),
    };
  });
  const interp = headers.find(({ type }) => type === PT_INTERP);
  const dynamic = headers.find(({ type }) => type === PT_DYNAMIC);
  const entries: { tag: number; value: number }[] = [];
  for (let at = dynamic?.offset ?? 0; dynamic && at < dynamic.offset + dynamic.size; at += 16) {
    entries.push({ tag: number(bytes, at), value: number(bytes, at + 8) });
  }
  const table = entries.find(({ tag }) => tag === DT_STRTAB)?.value ?? 0;
  const load = headers.find(
    ({ type, address, size }) => type === PT_LOAD && table >= address && table < address + size,
  );
  const strings = table - (load?.address ?? 0) + (load?.offset ?? 0);
  return {
    interpreter: interp && cString(bytes, interp.offset),
    needed: entries.filter(({ tag }) => tag === DT_NEEDED).map(({ value }) => cString(bytes, strings + value)),
  };
}

/** The `key=value` lines of a kernel module's section `.modinfo`; empty when it has none. */
export function readModuleInfo(bytes: Buffer): readonly (readonly [string, string])[] {
  if (!isElf64(bytes)) return [];
  const start = number(bytes, 0x28);
  const size = bytes.readUInt16LE(0x3a);
  const section = (index: number) => ({
    name: bytes.readUInt32LE(start + index * size),
    offset: number(bytes, start + index * size + 0x18),
    size: number(bytes, start + index * size + 0x20),
  });
  const names = section(bytes.readUInt16LE(0x3e));
  const sections = Array.from({ length: bytes.readUInt16LE(0x3c) }, (_, index) => section(index));
  const info = sections.find(({ name }) => cString(bytes, names.offset + name) === '.modinfo');
  if (info === undefined) return [];
  const lines = bytes.toString('latin1', info.offset, info.offset + info.size).split('\0');
  return lines.flatMap((line) => {
    const at = line.indexOf('=');
    return at < 0 ? [] : [[line.slice(0, at), line.slice(at + 1)] as const];
  });
}

/** 64 bits, little endian. */
function isElf64(bytes: Buffer): boolean {
  return bytes.length >= 64 && bytes.readUInt32BE(0) === 0x7f454c46 && bytes[4] === 2 && bytes[5] === 1;
}

function number(bytes: Buffer, at: number): number {
  return Number(bytes.readBigUInt64LE(at));
}

function cString(bytes: Buffer, at: number): string {
  return bytes.toString('latin1', at, bytes.indexOf(0, at));
}
