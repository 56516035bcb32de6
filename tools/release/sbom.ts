import { readFile, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { runCommand } from '../toolchain/command.ts';

const ROOT = path.join(import.meta.dirname, '..', '..');

interface Sbom {
  metadata: { component: { 'bom-ref': string } };
  components: { 'bom-ref': string; name: string; version: string }[];
  dependencies: { ref: string; dependsOn: string[] }[];
}

/** By path under the project, as package-lock.json lists them. */
type Locked = Record<string, { version?: string; dev?: boolean; devOptional?: boolean }>;

/**
 * Writes the packages that run in production, out of package-lock.json, in the format CycloneDX (JSON). `version`
 * without the v.
 */
export async function writeSbom(file: string, version: string): Promise<void> {
  const npm = process.env.npm_execpath;
  const words = ['sbom', '--sbom-format=cyclonedx', '--sbom-type=application', '--package-lock-only'];
  const isScript = npm?.endsWith('.js') === true;
  const { code, output, stdout } = await runCommand(
    isScript ? process.execPath : 'npm',
    isScript ? [npm, ...words] : words,
    { cwd: ROOT, timeoutMs: 120_000 },
  );
  if (code !== 0) throw new Error(`beskar7: npm sbom failed: ${output.trim()}`);
  const lock = JSON.parse(await readFile(path.join(ROOT, 'package-lock.json'), 'utf8')) as { packages: Locked };
  const sbom = productionOf(JSON.parse(stdout) as Sbom, lock.packages);
  // npm takes the name of the folder.
  Object.assign(sbom.metadata.component, { name: 'beskar7', version });
  await writeFile(file, `${JSON.stringify(sbom, undefined, 2)}\n`);
}

/** `npm sbom --omit=dev` also leaves out what both need, typebox for example: so we choose. */
function productionOf(sbom: Sbom, packages: Locked): Sbom {
  const production = new Set(
    Object.entries(packages)
      .filter(([, locked]) => locked.dev !== true && locked.devOptional !== true)
      .map(([place, { version = '' }]) => `${place.split('node_modules/').at(-1) ?? ''}@${version}`),
  );
  const components = sbom.components.filter(({ name, version }) => production.has(`${name}@${version}`));
  const kept = new Set([sbom.metadata.component['bom-ref'], ...components.map((component) => component['bom-ref'])]);
  const dependencies = sbom.dependencies
    .filter(({ ref }) => kept.has(ref))
    .map(({ ref, dependsOn }) => ({ ref, dependsOn: dependsOn.filter((other) => kept.has(other)) }));
  return { ...sbom, components, dependencies };
}
