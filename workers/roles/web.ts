import { HOSTS, MACHINES } from '../../kube/resource.ts';
import { startWebPage } from '../web.ts';
import type { RoleDefinition, TemporalContext } from './role.ts';

const CHECK = 'web';

/**
 * Role `web`: the page, where `--web-bind-address` says. Starts once Temporal has been reached, and serves on without
 * it. Where it is the only thing that a Service sends requests to, the process is not ready before it listens. At
 * shutdown it closes its listener before the watch caches that it shows are stopped.
 */
export const webRole: RoleDefinition = {
  name: 'web',
  does: 'the web page',
  needs: 'Kubernetes, Temporal; people must reach it',
  watches: [HOSTS, MACHINES],
  usesTemporal: true,
  servesRequests: true,
  announce: ({ config: { roles, webBindAddress }, health }) => {
    if (webBindAddress === undefined || roles.includes('api') || roles.includes('webhook')) return;
    health.set(CHECK, () => 'does not listen yet');
  },
  after: 'temporal',
  start,
};

async function start(context: TemporalContext): Promise<void> {
  const { config, kubeConfig, informers, client, target, recorder, logger, health, parts } = context;
  if (config.webBindAddress === undefined) return;
  const web = await startWebPage(
    { kubeConfig, informers, client, temporalNamespace: target.namespace, recorder, logger },
    config.webBindAddress,
    config,
  );
  health.set(CHECK, () => undefined);
  parts.add(CHECK, () => web.stop());
}
