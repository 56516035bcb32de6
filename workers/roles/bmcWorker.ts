import { HOSTS, MACHINES } from '../../kube/resource.ts';
import type { RoleDefinition, TemporalContext } from './role.ts';

/**
 * Role `bmc-worker`: one Temporal worker for the calls to the BMCs of its site (`--worker-pool`). It only dials out. At
 * shutdown it stops polling and aborts the calls in flight; then the connections to BMCs are closed, their sessions
 * ended.
 */
export const bmcWorkerRole: RoleDefinition = {
  name: 'bmc-worker',
  does: 'activities that talk to BMCs',
  needs: 'Kubernetes, Temporal, the BMCs of its site',
  watches: [HOSTS, MACHINES],
  usesTemporal: true,
  servesRequests: false,
  after: 'temporal',
  start,
};

async function start({ config, work }: TemporalContext): Promise<void> {
  const { workers, deps } = work();
  await workers.startForBmcs(config, deps);
}
