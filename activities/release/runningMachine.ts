import type { Beskar7Machine } from '../../crds/beskar7Machine.ts';
import { consumerPatch } from '../../model/claim.ts';
import { handledOf } from '../../model/handled.ts';
import { isNamedBy } from '../../model/holding.ts';
import { handedOverAgain, withHostFinalizer } from '../../model/repairs.ts';
import type { PhysicalHost } from '../../crds/physicalHost.ts';
import { namedConsumer } from '../../model/references.ts';
import { isBeingDeleted } from '../../model/stops.ts';
import { MACHINES } from '../../kube/resource.ts';
import { find } from '../../kube/swap.ts';
import type { ClaimRef } from '../../contracts/claimRef.ts';
import type { Dependencies } from '../dependencies.ts';
import { claimLost } from '../failures.ts';
import { patchHost } from '../store/hostStore.ts';

/**
 * The machine that the server of a host runs, read live: it was provisioned on this host by its own record, and is not
 * being deleted. Looked for by the host's consumerRef, and by the machines whose providerID names the host, since
 * whoever may write a host may have replaced its marks. Undefined: there is none. One GET for each name. Throws
 * KubeError.
 */
async function machineRunningOn(
  deps: Pick<Dependencies, 'kube' | 'caches'>,
  host: PhysicalHost,
  signal?: AbortSignal,
): Promise<Beskar7Machine | undefined> {
  const { namespace = '' } = host.metadata;
  const named = deps.caches.machineOn(host)?.metadata.name;
  for (const name of new Set([namedConsumer(host)?.name, named])) {
    if (name === undefined) continue;
    const machine = await find(deps.kube, MACHINES, { namespace, name }, signal && { signal });
    if (machine && isRunning(host, machine)) return machine;
  }
  return undefined;
}

function isRunning(host: PhysicalHost, machine: Beskar7Machine): boolean {
  return !isBeingDeleted(machine) && isNamedBy(host, machine) && handledOf(machine)?.outcome === 'Provisioned';
}

/**
 * Refuses to release a server that runs its machine, whoever wrote `Releasing`: the host is handed over again, an event
 * says so, and `ClaimLost` is thrown. Nothing is sent to the BMC. Does nothing for every other host (rule 4).
 */
export async function refuseRunning(
  deps: Dependencies,
  ref: ClaimRef,
  host: PhysicalHost,
  signal?: AbortSignal,
): Promise<void> {
  const machine = await machineRunningOn(deps, host, signal);
  if (machine === undefined) return;
  const name = `Beskar7Machine ${machine.metadata.namespace ?? ''}/${machine.metadata.name}`;
  await patchHost(
    deps.kube,
    ref,
    (live) => withHostFinalizer(live, consumerPatch(machine, handedOverAgain(live, machine))),
    host,
  );
  deps.recorder.event(
    host,
    'Warning',
    'ReleaseRefused',
    `The host was marked as being released, but ${name} runs on it and is not being deleted: nothing was sent to its BMC, ` +
      'and the host is handed over again. To release it, delete the machine.',
  );
  throw claimLost(`host ${ref.namespace}/${ref.host} runs ${name}, which is not being deleted: it is not released`);
}
