import { mkdir, readFile, readdir, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { runCommand } from '../toolchain/command.ts';
import { CHART } from './chart.ts';
import { components } from './components.ts';
import { checkHistories, HISTORIES } from './histories.ts';
import { writeSbom } from './sbom.ts';

const ROOT = path.join(import.meta.dirname, '..', '..');
const CLUSTERCTL = path.join(ROOT, 'deploy', 'clusterctl');

export interface ReleaseOptions {
  /** The path of helm. */
  readonly helm: string;
  /** `v1.2.3`. */
  readonly version: string;
  /** Made when it is not there; files of an earlier release in it are overwritten. */
  readonly folder: string;
  /** Where the recorded histories of each version are; default: those of the replay tests. */
  readonly histories?: string;
}

/** The version of package.json, with the v. */
export async function currentVersion(): Promise<string> {
  const { version } = JSON.parse(await readFile(path.join(ROOT, 'package.json'), 'utf8')) as { version: string };
  return `v${version}`;
}

/**
 * Writes all files of a release and gives their names: what clusterctl reads (metadata.yaml,
 * infrastructure-components.yaml, cluster templates, ClusterClass), the chart as beskar7-<version>.tgz, and the SBOM.
 * Throws for a version that metadata.yaml has no series for, and for one whose runs no replay test would look after.
 */
export async function writeRelease({
  helm,
  version,
  folder,
  histories = HISTORIES,
}: ReleaseOptions): Promise<string[]> {
  const number = numberOf(version);
  await checkSeries(number);
  await checkHistories(number, histories);
  await mkdir(folder, { recursive: true });
  const files = new Map([['infrastructure-components.yaml', await components(helm, number)]]);
  for (const name of await readdir(CLUSTERCTL)) files.set(name, await readFile(path.join(CLUSTERCTL, name), 'utf8'));
  for (const [name, content] of files) await writeFile(path.join(folder, name), content);
  const chart = await packageChart(helm, number, folder);
  const sbom = `beskar7-${number}-sbom.cdx.json`;
  await writeSbom(path.join(folder, sbom), number);
  return [...files.keys(), chart, sbom].sort();
}

function numberOf(version: string): string {
  const [, number] = /^v(\d+\.\d+\.\d+(?:-[0-9A-Za-z.-]+)?)$/.exec(version) ?? [];
  if (number === undefined) throw new Error(`beskar7: "${version}" is no version: give it as v1.2.3`);
  return number;
}

async function checkSeries(number: string): Promise<void> {
  const [major = '', minor = ''] = number.split('.');
  const text = await readFile(path.join(CLUSTERCTL, 'metadata.yaml'), 'utf8');
  if (new RegExp(`- major: ${major}\\n +minor: ${minor}\\n`).test(text)) return;
  throw new Error(
    `beskar7: deploy/clusterctl/metadata.yaml has no releaseSeries ${major}.${minor}: add it with its contract`,
  );
}

async function packageChart(helm: string, number: string, folder: string): Promise<string> {
  const words = ['package', CHART, '--destination', folder, '--version', number, '--app-version', number];
  const { code, output } = await runCommand(helm, words, { timeoutMs: 60_000 });
  if (code !== 0) throw new Error(`beskar7: helm package failed: ${output.trim()}`);
  return `beskar7-${number}.tgz`;
}
