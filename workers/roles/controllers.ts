import { startControllers } from '../../controllers/index.ts';
import { CAPI_CLUSTERS, CAPI_MACHINES, CLUSTERS, HOSTS, MACHINE_TEMPLATES, MACHINES } from '../../kube/resource.ts';
import type { RoleDefinition, TemporalContext } from './role.ts';

/**
 * Role `controllers`: the watchers. Starts last, when the workers of the same process can take what they start. Stopped
 * first: no workflow is started by a process that shuts down.
 */
export const controllersRole: RoleDefinition = {
  name: 'controllers',
  does: 'watches the kinds, starts and signals workflows',
  needs: 'Kubernetes, Temporal',
  watches: [HOSTS, MACHINES, CLUSTERS, MACHINE_TEMPLATES, CAPI_MACHINES, CAPI_CLUSTERS],
  usesTemporal: true,
  servesRequests: false,
  after: 'temporal',
  start,
};

function start({ config, kube, starter, logger, recorder, informers, parts }: TemporalContext): Promise<void> {
  const controllers = startControllers({
    kube,
    starter,
    logger,
    recorder,
    informers,
    timing: { resyncMs: config.resync, orphanReleaseMs: config.orphanReleaseAfter },
    monitor: {
      shards: config.monitorInterval > 0 ? config.monitorShards : 0,
      intervalMs: config.monitorInterval,
    },
  });
  parts.add('controllers', () => controllers.stop());
  return Promise.resolve();
}
