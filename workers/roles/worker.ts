import { HOSTS, MACHINES, CAPI_CLUSTERS } from '../../kube/resource.ts';
import type { RoleDefinition, TemporalContext } from './role.ts';

/**
 * Role `worker`: Temporal workers for the queues `beskar7` (workflows, and activities that talk to Kubernetes),
 * `await-run` and `power-on`, in this order. A worker that dies is made again. At shutdown it stops polling; activities
 * under way finish, or abort within 30 s, before the connection to Temporal is closed.
 */
export const workerRole: RoleDefinition = {
  name: 'worker',
  does: 'workflows, and activities that talk to Kubernetes; permits to power on',
  needs: 'Kubernetes, Temporal',
  watches: [HOSTS, MACHINES, CAPI_CLUSTERS],
  usesTemporal: true,
  servesRequests: false,
  after: 'temporal',
  start,
};

async function start({ config, work }: TemporalContext): Promise<void> {
  const { workers, deps } = work();
  await workers.startForKubernetes(config, deps);
}
