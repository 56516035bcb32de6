import { mkdir, mkdtemp, readFile, readdir, rename, rm, writeFile } from 'node:fs/promises';
import os from 'node:os';
import path from 'node:path';
import { cpio, type CpioEntry } from './cpio.ts';
import { RECIPES, type Recipe } from './flavours.ts';
import type { Flavour, PackagesLock } from './lock.ts';
import { moduleClosure, moduleEntries } from './modules.ts';
import { unpackAll, type PackageStore } from './packages.ts';
import { run } from './run.ts';
import { Tree } from './tree.ts';

const INSPECTOR = path.join(import.meta.dirname, '..');
const LOADER = 'usr/lib64/ld-linux-x86-64.so.2';
/** Where programs are looked for before BusyBox's own. */
const PROGRAM_FOLDERS = ['usr/bin', 'usr/sbin'];
/** Applets that nothing in the initrd needs and that only confuse. */
const LEFT_OUT = new Set(['busybox', 'linuxrc', 'init', 'dpkg', 'dpkg-deb', 'rpm', 'rpm2cpio']);

/** An image that was built. */
export interface Built {
  readonly vmlinuz: Buffer;
  readonly initrd: Buffer;
  /** Release of the kernel, as `uname -r` says it. */
  readonly kernel: string;
  /** Places in the flavour's list of packages of which something is inside. */
  readonly used: ReadonlySet<number>;
}

/** Builds the inspector of one flavour out of the locked packages: the same lock and sources give the same bytes. */
export async function buildInspector(
  flavour: Exclude<Flavour, 'target-os'>,
  lock: PackagesLock,
  store: PackageStore,
): Promise<Built> {
  return build(RECIPES[flavour], lock, store, lock.flavours[flavour], await inspectorSources(lock));
}

/** Builds a kernel and an initrd of a recipe with `own` files on top. */
export async function build(
  recipe: Recipe,
  lock: PackagesLock,
  store: PackageStore,
  packages: PackagesLock['flavours'][Flavour],
  own: readonly CpioEntry[],
): Promise<Built> {
  const tree = new Tree(await unpackAll(packages, lock, store));
  const [image = ''] = tree.paths('boot/vmlinuz-');
  const kernel = image.replace('boot/vmlinuz-', '');
  const scratch = await mkdtemp(path.join(os.tmpdir(), 'beskar7-inspector-'));
  try {
    const modules = await moduleEntries({
      tree,
      kernel,
      files: moduleClosure(tree, kernel, recipe.modules),
      scratch: path.join(scratch, 'modules'),
      depmod: (args) => runOf(tree, 'usr/bin/kmod', args, { calledAs: 'depmod' }),
    });
    const applets = await busyboxEntries(tree);
    for (const name of recipe.programs) tree.add(name);
    const entries = [...tree.entries(), ...modules, ...skeleton(), ...certificates(tree), ...own];
    const taken = new Set(entries.map((entry) => path.posix.basename(entry.path)));
    const archive = cpio([...entries, ...applets.filter(({ path: name }) => !taken.has(path.posix.basename(name)))]);
    const raw = path.join(scratch, 'initrd');
    await writeFile(raw, archive);
    // The legacy format: the only one that the kernel's own decompressor reads.
    await runOf(tree, 'usr/bin/lz4', ['-l', '-9', '-q', '-f', raw, `${raw}.lz4`]);
    return { vmlinuz: tree.read(image), initrd: await readFile(`${raw}.lz4`), kernel, used: tree.used() };
  } finally {
    await rm(scratch, { recursive: true, force: true });
  }
}

/** Writes a file whole or not at all. */
export async function writeWhole(file: string, content: Buffer | string): Promise<void> {
  await mkdir(path.dirname(file), { recursive: true });
  await writeFile(`${file}.new`, content);
  await rename(`${file}.new`, file);
}

/** Runs a program of the packages with their own loader and libraries: nothing of this machine's takes part. */
export function runOf(
  tree: Tree,
  name: string,
  args: readonly string[],
  options: { calledAs?: string; env?: NodeJS.ProcessEnv } = {},
): Promise<string> {
  const { calledAs = name, env } = options;
  const libraries = tree.libraryFolders().join(':');
  const words = ['--library-path', libraries, '--argv0', calledAs, tree.fileOf(name), ...args];
  return run(tree.fileOf(LOADER), words, env === undefined ? {} : { env });
}

async function busyboxEntries(tree: Tree): Promise<CpioEntry[]> {
  tree.add('usr/bin/busybox');
  const applets = (await run(tree.fileOf('usr/bin/busybox'), ['--list'])).split('\n');
  return applets
    .filter((name) => /^[\w[.-]+$/.test(name) && !LEFT_OUT.has(name))
    .map((name) => ({ kind: 'link', path: `${PROGRAM_FOLDERS[0]}/${name}`, target: 'busybox' }));
}

/** Folders that mounts need, and the links of a merged /usr. */
function skeleton(): CpioEntry[] {
  return [
    ...['bin', 'sbin', 'lib', 'lib64'].map((name): CpioEntry => ({ kind: 'link', path: name, target: `usr/${name}` })),
    ...['dev', 'proc', 'sys', 'run', 'root'].map((name): CpioEntry => ({ kind: 'folder', path: name })),
    { kind: 'folder', path: 'tmp', mode: 0o1777 },
    // Before devtmpfs is mounted the kernel opens this one for /init.
    { kind: 'device', path: 'dev/console', mode: 0o600, major: 5, minor: 1 },
  ];
}

/** Mozilla's certificates in the one file where curl looks for them. */
function certificates(tree: Tree): CpioEntry[] {
  const files = tree.paths('usr/share/ca-certificates/').filter((name) => name.endsWith('.crt'));
  const content = Buffer.concat(files.map((name) => Buffer.concat([tree.read(name), Buffer.from('\n')])));
  return content.length === 0
    ? []
    : [{ kind: 'file', path: 'etc/ssl/certs/ca-certificates.crt', mode: 0o644, content }];
}

/** `inspector/init` and `inspector/report`, as they lie in the repository. */
async function inspectorSources({ snapshot }: PackagesLock): Promise<CpioEntry[]> {
  const { version } = JSON.parse(await readFile(path.join(INSPECTOR, '..', 'package.json'), 'utf8')) as {
    version: string;
  };
  const built = Date.parse(snapshot.replace(/^(....)(..)(..)T(..)(..)(..)Z$/, '$1-$2-$3T$4:$5:$6Z')) / 1000;
  return [
    ...Object.entries({ version, built }).map(([name, value]): CpioEntry => ({
      kind: 'file',
      path: `usr/lib/beskar7/${name}`,
      mode: 0o644,
      content: Buffer.from(`${value}\n`),
    })),
    ...(await filesOf(path.join(INSPECTOR, 'init'), 'usr/lib/beskar7')),
    ...(await filesOf(path.join(INSPECTOR, 'report'), 'usr/lib/beskar7/report')),
    { kind: 'link', path: 'init', target: 'usr/lib/beskar7/init' },
  ];
}

/** The plain files of a folder, as they go into the initrd. Those without a suffix are programs. */
export async function filesOf(folder: string, target: string): Promise<CpioEntry[]> {
  const names = (await readdir(folder, { withFileTypes: true }))
    .filter((entry) => entry.isFile())
    .map(({ name }) => name);
  return Promise.all(
    names.sort().map(async (name): Promise<CpioEntry> => ({
      kind: 'file',
      path: `${target}/${name}`,
      mode: name.includes('.') ? 0o644 : 0o755,
      content: await readFile(path.join(folder, name)),
    })),
  );
}
