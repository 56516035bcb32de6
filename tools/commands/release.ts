import path from 'node:path';
import { Command } from 'commander';
import { currentVersion, writeRelease } from '../release/index.ts';
import { writePlainManifests } from '../release/manifests.ts';
import { ensureTools } from '../toolchain/index.ts';

const program = new Command('release')
  .description('Makes the files of a release, laid out as a local repository of clusterctl.')
  .option('--version <version>', 'of the release, as v1.2.3 (default: that of package.json)')
  .option('--out <folder>', 'where they go (default: dist/infrastructure-beskar7/<version>)');
const options = program.parse().opts<{ version?: string; out?: string }>();

try {
  const version = options.version ?? (await currentVersion());
  const folder = path.resolve(options.out ?? path.join('dist', 'infrastructure-beskar7', version));
  const { helm } = await ensureTools(['helm']);
  await writePlainManifests(helm);
  for (const name of await writeRelease({ helm, version, folder }))
    process.stdout.write(`${path.join(folder, name)}\n`);
} catch (error) {
  process.stderr.write(`${(error as Error).message}\n`);
  process.exitCode = 2;
}
