import { readFile, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { runCommand } from '../toolchain/command.ts';
import type { ControlPlane } from './index.ts';
import { kubeconfig } from './kubeconfig.ts';

const ROOT = path.join(import.meta.dirname, '..', '..');
const NAMESPACE = 'beskar7-system';
const ACCOUNT = 'beskar7';

/** A call of kubectl that did not end well. */
export class KubectlFailed extends Error {}

/** Runs kubectl with every right, and gives its standard output; throws KubectlFailed with both outputs. */
export async function kubectl(
  plane: Pick<ControlPlane, 'kubectl' | 'adminKubeconfig'>,
  ...args: string[]
): Promise<string> {
  const { code, output, stdout } = await runCommand(plane.kubectl, ['--kubeconfig', plane.adminKubeconfig, ...args], {
    timeoutMs: 120_000,
  });
  if (code !== 0) throw new KubectlFailed(`beskar7: kubectl ${args.join(' ')} failed: ${output.trim()}`);
  return stdout;
}

/**
 * Installs the CustomResourceDefinitions and what else is shipped (accounts, their rights, admission policies), waits
 * until the kinds are served, and makes a kubeconfig of the account with every role. Returns its path: Beskar7 runs
 * with it, never as admin (rule 20).
 */
export async function installBeskar7(plane: ControlPlane): Promise<string> {
  await kubectl(plane, 'apply', '--server-side', '--force-conflicts', '-f', path.join(ROOT, 'crds', 'generated'));
  const manifests = path.join(ROOT, 'deploy', 'manifests');
  const account = path.join(manifests, 'all-in-one', 'account.yaml');
  await kubectl(plane, 'apply', '--server-side', '--force-conflicts', '-f', manifests, '-f', account);
  await kubectl(
    plane,
    'wait',
    '--for=condition=Established',
    '--timeout=60s',
    '-f',
    path.join(ROOT, 'crds', 'generated'),
  );
  return beskar7Kubeconfig(plane);
}

/**
 * Makes a kubeconfig of a shipped ServiceAccount, which has to be there, and gives its path. Default: the one with
 * every role.
 */
export async function beskar7Kubeconfig(
  plane: Pick<ControlPlane, 'kubectl' | 'adminKubeconfig' | 'dataFolder' | 'apiServerUrl' | 'caFile'>,
  account = ACCOUNT,
): Promise<string> {
  const token = (await kubectl(plane, 'create', 'token', account, '-n', NAMESPACE, '--duration=8760h')).trim();
  const file = path.join(plane.dataFolder, `${account}.kubeconfig`);
  const text = kubeconfig({ server: plane.apiServerUrl, ca: await readFile(plane.caFile), token, user: account });
  await writeFile(file, text, { mode: 0o600 });
  return file;
}
