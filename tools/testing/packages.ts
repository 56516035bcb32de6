import { spawnSync } from 'node:child_process';
import path from 'node:path';
import type { ProcessGroups } from './process.ts';

/** A Debian package that some tests drive and that is not installed. */
export interface MissingPackage {
  readonly name: string;
  readonly neededFor: string;
}

const LIMIT_MS = 15 * 60_000;

/** What is not installed. Empty where that cannot be found out (no shell): the tests say themselves what they skip. */
export function missingPackages(root: string): MissingPackage[] {
  const { stdout } = spawnSync(path.join(root, '.ci', 'packages'), ['--missing'], { encoding: 'utf8' });
  return (stdout ?? '')
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => {
      const [name = '', ...rest] = line.split(' ');
      return { name, neededFor: rest.join(' ') };
    });
}

/** Installs what is missing, where this may be done: as root, with apt. Elsewhere it does nothing. */
export async function installPackages(root: string, groups: ProcessGroups): Promise<void> {
  if (missingPackages(root).length === 0) return;
  await groups.run(path.join(root, '.ci', 'packages'), [], { cwd: root, isShown: true, limitMs: LIMIT_MS });
}

/** Why tests were skipped, and the one line that changes it; empty when nothing is missing. */
export function adviceOn(missing: readonly MissingPackage[]): string {
  if (missing.length === 0) return '';
  const list = missing.map(({ name, neededFor }) => `  ${name}: ${neededFor}\n`).join('');
  const line = `sudo apt-get install -y --no-install-recommends ${missing.map(({ name }) => name).join(' ')}`;
  return `not installed, so that tests are skipped:\n${list}install it with:\n  ${line}\n`;
}
