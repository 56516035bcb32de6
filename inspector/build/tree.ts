import { readFileSync, readdirSync, readlinkSync, statSync } from 'node:fs';
import path from 'node:path';
import type { CpioEntry } from './cpio.ts';
import { readElf } from './elf.ts';

/** Folders that Debian is merging into /usr; packages have files in both. */
const MERGED = /^(bin|sbin|lib|lib64)(?=\/|$)/;
const LIBRARY_FOLDERS = ['usr/lib/x86_64-linux-gnu', 'usr/lib', 'usr/lib64'];

interface Source {
  readonly file: string;
  /** Which package it is of, by its place in the list. */
  readonly package: number;
  readonly isLink: boolean;
}

/** The files of several unpacked packages seen as one root file system, and which of them go into an initrd. */
export class Tree {
  readonly #sources = new Map<string, Source>();
  readonly #chosen = new Map<string, CpioEntry>();
  readonly #used = new Set<number>();

  constructor(folders: readonly string[]) {
    folders.forEach((folder, index) => this.#scan(folder, '', index));
  }

  /** Paths (without a slash in front, /usr-merged) that start with `prefix`. */
  paths(prefix: string): string[] {
    return [...this.#sources.keys()].filter((name) => name.startsWith(prefix)).sort();
  }

  has(name: string): boolean {
    return this.#sources.has(merged(name));
  }

  /** The bytes of a file, through links; counts as a use of its package. Throws when no package has it. */
  read(name: string): Buffer {
    return readFileSync(this.fileOf(name));
  }

  /**
   * Where a file lies on this machine, through links; counts as a use of its package. Throws when no package has it.
   */
  fileOf(name: string): string {
    const found = this.#find(name);
    const source = this.#sources.get(found.at(-1) ?? '');
    if (source === undefined) throw new Error(`inspector: no package of the lock has /${name}`);
    this.#used.add(source.package);
    return source.file;
  }

  /** Chooses a file, the links on the way to it, and for a program every library that it needs. */
  add(name: string): void {
    const chain = this.#find(name);
    for (const step of chain) {
      const source = this.#sources.get(step);
      if (source === undefined) throw new Error(`inspector: no package of the lock has /${name}`);
      this.#used.add(source.package);
      if (this.#chosen.has(step)) continue;
      if (source.isLink) {
        this.#chosen.set(step, { kind: 'link', path: step, target: readlinkSync(source.file) });
        continue;
      }
      const content = readFileSync(source.file);
      const mode = statSync(source.file).mode & 0o111 ? 0o755 : 0o644;
      this.#chosen.set(step, { kind: 'file', path: step, mode, content });
      this.#addLibraries(content, step);
    }
  }

  /** Folders in which the libraries lie, for running a program of the packages on this machine. */
  libraryFolders(): string[] {
    const names = this.paths('usr/lib/x86_64-linux-gnu/').filter((name) => /\.so(\.|$)/.test(name));
    return [...new Set(names.map((name) => path.dirname(this.#sources.get(name)?.file ?? '')))];
  }

  entries(): CpioEntry[] {
    return [...this.#chosen.values()];
  }

  /** Places in the list of the packages of which something was used. */
  used(): ReadonlySet<number> {
    return this.#used;
  }

  #addLibraries(content: Buffer, of: string): void {
    const elf = readElf(content);
    if (elf === undefined) return;
    if (elf.interpreter !== undefined) this.add(elf.interpreter.slice(1));
    for (const library of elf.needed) {
      const folder = LIBRARY_FOLDERS.find((candidate) => this.has(`${candidate}/${library}`));
      if (folder === undefined) throw new Error(`inspector: /${of} needs ${library}, which no package of the lock has`);
      this.add(`${folder}/${library}`);
    }
  }

  /** The paths from a name to the file that it stands for; the last one is missing when there is none. */
  #find(name: string): string[] {
    const chain = [merged(name)];
    for (let links = 0; links < 16; links += 1) {
      const at = chain.at(-1) ?? '';
      const source = this.#sources.get(at);
      if (!source?.isLink) return chain;
      const target = readlinkSync(source.file);
      chain.push(
        merged(path.posix.join(target.startsWith('/') ? '' : path.posix.dirname(at), target).replace(/^\//, '')),
      );
    }
    throw new Error(`inspector: the links of /${name} go round in circles`);
  }

  #scan(root: string, folder: string, index: number): void {
    for (const entry of readdirSync(path.join(root, folder), { withFileTypes: true })) {
      const name = folder === '' ? entry.name : `${folder}/${entry.name}`;
      if (entry.isDirectory()) this.#scan(root, name, index);
      else if (entry.isFile() || entry.isSymbolicLink())
        this.#sources.set(merged(name), {
          file: path.join(root, name),
          package: index,
          isLink: entry.isSymbolicLink(),
        });
    }
  }
}

function merged(name: string): string {
  return name.replace(MERGED, 'usr/$1');
}
