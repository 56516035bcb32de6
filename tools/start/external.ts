import os from 'node:os';
import path from 'node:path';
import { KubeConfig } from '@kubernetes/client-node';
import { temporalTarget } from '../../workers/temporal.ts';
import { ensureTools } from '../toolchain/index.ts';
import type { StartOptions } from './options.ts';
import { WrongUsage } from './options.ts';

/**
 * The user's own control plane: the kubeconfig's current context, and Temporal as its command line is set up. Prints
 * both.
 */
export async function externalTarget(options: StartOptions) {
  const file = process.env.KUBECONFIG?.split(path.delimiter)[0] || path.join(os.homedir(), '.kube', 'config');
  const config = new KubeConfig();
  try {
    config.loadFromFile(file);
  } catch (error) {
    throw new WrongUsage(`beskar7: --external: ${file} cannot be read: ${(error as Error).message}; set KUBECONFIG`);
  }
  const context = options.context ?? config.getCurrentContext();
  if (!config.getContextObject(context))
    throw new WrongUsage(`beskar7: --external: ${file} has no context "${context}"`);
  const temporal = temporalTarget({ temporalAddress: undefined, temporalNamespace: undefined });
  const { kubectl } = await ensureTools(['kubectl']);
  process.stderr.write(
    `beskar7: uses context ${context} of ${file} and Temporal at ${temporal.connection.address}, namespace ${temporal.namespace}\n`,
  );
  return {
    adminKubeconfig: file,
    kubectl,
    beskar7Args: [`--kubeconfig=${file}`, `--context=${context}`],
    lines: [
      `Kubernetes:   context ${context} of ${file}`,
      `Temporal:     ${temporal.connection.address}, namespace ${temporal.namespace}`,
      `kubectl:      kubectl --context ${context} get physicalhosts,beskar7machines -A`,
    ],
  };
}
