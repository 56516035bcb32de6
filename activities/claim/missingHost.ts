import type { RunContext } from '../../contracts/claimRef.ts';
import { ANNOTATION_BLOCK_MOVE } from '../../crds/names.ts';
import { MACHINE_REASONS } from '../../crds/reasons.ts';
import { MACHINES } from '../../kube/resource.ts';
import { unlessChanged } from '../../kube/swap.ts';
import type { Dependencies } from '../dependencies.ts';
import { writeMachineStatus } from '../store/machineStatus.ts';
import type { Refused } from './admitMachine.ts';

/**
 * A machine that runs somewhere gets no second server (rule 13): it says so, and is looked at again with the next
 * resync.
 */
export async function withoutItsHost(deps: Dependencies, run: RunContext, providerID: string): Promise<Refused> {
  const message =
    `Its providerID is ${providerID}, but there is no such PhysicalHost with this machine as its consumer (yet): nothing was claimed or touched. ` +
    'Restore the host, or delete this machine to replace it. One that was made from the manifest of another machine: make it again without spec.providerID.';
  const { namespace, name, uid } = run.machine;
  const metadata = { uid, annotations: { [ANNOTATION_BLOCK_MOVE]: null } };
  // Gone, or another one of its name: that is for the next run to see.
  await unlessChanged(async () => {
    const { resourceVersion = '' } = (await deps.kube.mergePatch(MACHINES, namespace, name, { metadata })).metadata;
    const current = { ...run, machineVersion: resourceVersion };
    await writeMachineStatus(deps.kube, current, { phase: 'Pending', reason: MACHINE_REASONS.hostMissing, message });
  });
  return { kind: 'notDue', reason: 'HostMissing', message };
}
