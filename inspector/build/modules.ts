import { cp, mkdir, readFile, readdir } from 'node:fs/promises';
import path from 'node:path';
import type { CpioEntry } from './cpio.ts';
import { readModuleInfo } from './elf.ts';
import type { Tree } from './tree.ts';

/** Of what depmod writes: what modprobe reads. */
const INDEXES = [
  'modules.alias',
  'modules.alias.bin',
  'modules.builtin',
  'modules.builtin.bin',
  'modules.builtin.alias.bin',
];
const LISTS = ['modules.dep', 'modules.dep.bin', 'modules.order', 'modules.softdep', 'modules.symbols.bin'];

/**
 * The modules of a kernel with all that they depend on (`depends` and `softdep` of their .modinfo), as paths. Throws
 * when one is missing.
 */
export function moduleClosure(tree: Tree, kernel: string, wanted: readonly string[]): string[] {
  const root = `usr/lib/modules/${kernel}/`;
  const files = new Map(tree.paths(`${root}kernel/`).map((file) => [nameOf(file), file]));
  const builtin = new Set(tree.read(`${root}modules.builtin`).toString().split('\n').map(nameOf));
  const chosen = new Set<string>();
  const queue = wanted.map((word) => ({
    name: nameOf(word.replace(/\?$/, '')),
    isOptional: word.endsWith('?'),
    by: 'the recipe',
  }));
  for (let next = queue.shift(); next !== undefined; next = queue.shift()) {
    const file = files.get(next.name);
    if (file === undefined) {
      if (next.isOptional || builtin.has(next.name)) continue;
      throw new Error(`inspector: kernel ${kernel} has no module ${next.name}, which ${next.by} asks for`);
    }
    if (chosen.has(file)) continue;
    chosen.add(file);
    for (const [key, value] of readModuleInfo(tree.read(file))) {
      const by = nameOf(file);
      if (key === 'depends')
        queue.push(
          ...value
            .split(',')
            .filter(Boolean)
            .map((name) => ({ name: nameOf(name), isOptional: false, by })),
        );
      if (key === 'softdep')
        queue.push(
          ...value
            .split(/\s+/)
            .filter((word) => word && !/^(pre|post):$/.test(word))
            .map((name) => ({ name: nameOf(name), isOptional: true, by })),
        );
    }
  }
  return [...chosen].sort();
}

/**
 * The chosen modules with the indexes that modprobe reads. `depmod` runs the locked kmod over a folder with these
 * modules only.
 */
export async function moduleEntries(options: {
  readonly tree: Tree;
  readonly kernel: string;
  readonly files: readonly string[];
  /** An empty folder. */
  readonly scratch: string;
  readonly depmod: (args: readonly string[]) => Promise<unknown>;
}): Promise<CpioEntry[]> {
  const { tree, kernel, files, scratch } = options;
  const root = `usr/lib/modules/${kernel}`;
  const staged = path.join(scratch, 'lib/modules', kernel);
  await mkdir(staged, { recursive: true });
  for (const name of ['modules.builtin', 'modules.builtin.modinfo', 'modules.order'])
    if (tree.has(`${root}/${name}`)) await cp(tree.fileOf(`${root}/${name}`), path.join(staged, name));
  for (const file of files) {
    const target = path.join(staged, file.slice(root.length + 1));
    await mkdir(path.dirname(target), { recursive: true });
    await cp(tree.fileOf(file), target);
  }
  await options.depmod(['-b', scratch, kernel]);
  const made = (await readdir(staged)).filter((name) => INDEXES.includes(name) || LISTS.includes(name)).sort();
  const indexes = made.map(async (name) => ({
    path: `${root}/${name}`,
    content: await readFile(path.join(staged, name)),
  }));
  const modules = files.map((file) => ({ path: file, content: tree.read(file) }));
  return [...(await Promise.all(indexes)), ...modules].map((entry) => ({ kind: 'file', mode: 0o644, ...entry }));
}

/** A module's name as the kernel has it: without folder and suffix, underscores only. */
function nameOf(file: string): string {
  return path.posix
    .basename(file)
    .replace(/\.ko(\.\w+)?$/, '')
    .replaceAll('-', '_');
}
