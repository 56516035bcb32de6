import { claimIn } from '../../model/claim.ts';
import { isBeingDeleted, stopOf } from '../../model/stops.ts';
import { ANNOTATION_BLOCK_MOVE, FINALIZER_MACHINE } from '../../crds/names.ts';
import type { ObjectRef, ReleaseInput } from '../../contracts/names.ts';
import type { ClaimRef } from '../../contracts/claimRef.ts';
import { refOf } from '../claim/claimState.ts';
import type { Dependencies } from '../dependencies.ts';
import { retryable } from '../failures.ts';
import { heldHosts } from '../claim/heldHosts.ts';
import { readHost } from '../store/hostStore.ts';
import { patchMachine, readMachine } from '../store/machineStore.ts';
import { stoppedWithCluster } from '../claim/owner.ts';

/** Whether a deprovision may start; `message` says why not, for the operator. */
export type DeprovisionDue = { readonly kind: 'due' } | { readonly kind: 'notDue'; readonly message: string };

/** The live read that decides whether a deprovision is due: deleted, ours, neither paused nor moved away. */
export async function checkDeprovision(deps: Dependencies, ref: ObjectRef): Promise<DeprovisionDue> {
  const what = `Beskar7Machine ${ref.namespace}/${ref.name}`;
  const machine = await readMachine(deps.kube, ref);
  if (!machine) return { kind: 'notDue', message: `${what} (uid ${ref.uid}) is gone` };
  const { finalizers = [] } = machine.metadata;
  if (!isBeingDeleted(machine)) return { kind: 'notDue', message: `${what} is not being deleted` };
  if (!finalizers.includes(FINALIZER_MACHINE)) return { kind: 'notDue', message: `${what} has no finalizer of ours` };
  const stop = stopOf(machine, ['Moving', 'Paused']) ?? (await stoppedWithCluster(deps.kube, machine));
  return stop ? { kind: 'notDue', message: `${what} ${stop.text}` } : { kind: 'due' };
}

/**
 * The claims of a machine. Those of a moved or restored one get its new uid first (rule 13), those that are lost are
 * written again.
 */
export async function findClaims(deps: Dependencies, ref: ObjectRef): Promise<ClaimRef[]> {
  const held = await heldHosts(deps, ref, await readMachine(deps.kube, ref));
  return held.map(({ host, claim }) => refOf(host, claim, ref));
}

/** A claim by its host and id, read live; undefined when it has ended, or is in another stage than `Releasing`. */
export async function findReleasing(deps: Dependencies, input: ReleaseInput): Promise<ClaimRef | undefined> {
  const host = await readHost(deps.kube, input.namespace, input.name);
  const claim = host && claimIn(host, 'Releasing');
  if (!host || host.metadata.uid !== input.uid || claim?.id !== input.claim) return undefined;
  const { name = '', uid = '' } = host.spec.consumerRef ?? {};
  return refOf(host, claim, { namespace: input.namespace, name, uid });
}

/** A claim in stage `Releasing`, whose release is to be run. */
export interface RequestReleaseInput {
  readonly claim: ClaimRef;
  /** An open run tries at once; a later request only sees to it that there is one. */
  readonly isFirst: boolean;
}

/**
 * Has `release/<ns>/<host>` started for the claim, or woken: the id of that run is what keeps two from calling one BMC.
 */
export async function requestRelease(
  deps: Pick<Dependencies, 'releases'>,
  { claim, isFirst }: RequestReleaseInput,
): Promise<void> {
  const { namespace, host: name, hostUid: uid, id, pool, machine } = claim;
  const input: ReleaseInput = { namespace, name, uid, claim: id, machine, ...(pool === undefined ? {} : { pool }) };
  await (isFirst ? deps.releases.startOrWake(input) : deps.releases.start(input));
}

/**
 * Removes our finalizer and `block-move`: the machine may go. Nothing is created (rule 17). Fails, to be repeated,
 * while a host is still held for the machine: a claim that was lost while it was released comes back as `Releasing`,
 * and the power-off of its server is not confirmed yet.
 */
export async function removeMachineFinalizer(deps: Dependencies, ref: ObjectRef): Promise<void> {
  await patchMachine(deps.kube, ref, async (machine) => {
    const finalizers = machine.metadata.finalizers ?? [];
    if (!finalizers.includes(FINALIZER_MACHINE)) return undefined;
    const [held] = await heldHosts(deps, ref, machine);
    if (held)
      throw retryable(
        `host ${ref.namespace}/${held.host.metadata.name} is still claimed for ${ref.name}: its release comes first`,
      );
    return {
      metadata: {
        finalizers: finalizers.filter((finalizer) => finalizer !== FINALIZER_MACHINE),
        annotations: { [ANNOTATION_BLOCK_MOVE]: null },
      },
    };
  });
}
