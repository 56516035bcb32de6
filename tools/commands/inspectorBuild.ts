import path from 'node:path';
import { Command, Option } from 'commander';
import { buildInspector, writeWhole, type Built } from '../../inspector/build/image.ts';
import { FLAVOURS, readPackagesLock, type Flavour } from '../../inspector/build/lock.ts';
import type { PackageStore } from '../../inspector/build/packages.ts';
import { updateLock } from '../../inspector/build/update.ts';
import { buildTargetOs, type BuiltTargetOs } from '../../inspector/build/targetOs.ts';
import { updateNodeLock } from '../vm/nodeImage.ts';
import { cacheFolder } from '../toolchain/cache.ts';

const program = new Command('inspector:build')
  .description(
    'Builds the inspection image (vmlinuz and initrd.img) out of the Debian packages of inspector/packages.lock.json.',
  )
  .addOption(new Option('--flavour <flavour...>', 'which ones').choices(FLAVOURS).default(FLAVOURS, 'all'))
  .option('--out <folder>', 'where <flavour>/vmlinuz and <flavour>/initrd.img go', path.join('dist', 'inspector'))
  .option('--mirror <url>', 'a Debian mirror, asked where apt cannot give a package', 'http://deb.debian.org')
  .option('--snapshot-url <url>', 'asked where the mirror has a newer version', 'https://snapshot.debian.org/archive')
  .option('--no-apt', 'do not ask apt-get download first')
  .option(
    '--update',
    'locks the versions of today, also of the node that tests boot (Debian bookworm with apt; run `apt-get update` before)',
  );
const options = program.parse().opts<{
  flavour: readonly Flavour[];
  out: string;
  mirror: string;
  snapshotUrl: string;
  apt: boolean;
  update?: boolean;
}>();

const store: PackageStore = {
  folder: path.join(cacheFolder(), 'inspector'),
  mirror: options.mirror.replace(/\/+$/, ''),
  snapshotUrl: options.snapshotUrl.replace(/\/+$/, ''),
  useApt: options.apt,
  say: (line) => void process.stderr.write(`inspector: ${line}\n`),
};

try {
  const lock = options.update ? await updateLock(store) : await readPackagesLock();
  if (options.update) await updateNodeLock();
  for (const flavour of options.flavour) {
    const folder = path.resolve(options.out, flavour);
    const built: Built & Partial<BuiltTargetOs> =
      flavour === 'target-os' ? await buildTargetOs(lock, store) : await buildInspector(flavour, lock, store);
    const { vmlinuz, initrd, kernel } = built;
    await writeWhole(path.join(folder, 'vmlinuz'), vmlinuz);
    await writeWhole(path.join(folder, 'initrd.img'), initrd);
    if (built.archive && built.disk) {
      await writeWhole(path.join(folder, 'target-os.tar.gz'), built.archive);
      await writeWhole(path.join(folder, 'target-os.img'), built.disk);
    }
    const megabytes = ((vmlinuz.length + initrd.length) / 1e6).toFixed(1);
    process.stdout.write(`${folder}: Linux ${kernel}, ${megabytes} MB\n`);
  }
} catch (error) {
  process.stderr.write(`${(error as Error).message}\n`);
  process.exitCode = 2;
}
