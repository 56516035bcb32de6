import { KubeConfig } from '@kubernetes/client-node';
import { UsageError } from './config.ts';

/** The kubeconfig that the flags name; without a flag the service account in a pod, else as kubectl does. */
export function loadKubeConfig(flags: { kubeconfig: string | undefined; context: string | undefined }): KubeConfig {
  const config = new KubeConfig();
  try {
    if (flags.kubeconfig === undefined) config.loadFromDefault();
    else config.loadFromFile(flags.kubeconfig);
  } catch (error) {
    const what = flags.kubeconfig ?? 'the default kubeconfig';
    throw new UsageError(
      `beskar7: ${what} cannot be read: ${(error as Error).message}; name a good one with --kubeconfig`,
    );
  }
  if (flags.context !== undefined) {
    if (config.getContextObject(flags.context) === null) {
      throw new UsageError(
        `beskar7: the kubeconfig has no context "${flags.context}"; see kubectl config get-contexts`,
      );
    }
    config.setCurrentContext(flags.context);
  }
  if (config.getCurrentCluster() === null) {
    throw new UsageError('beskar7: the kubeconfig names no cluster; set a current context, or use --context');
  }
  return config;
}
