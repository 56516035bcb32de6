import type { Beskar7Machine } from '../../crds/beskar7Machine.ts';
import { plannedSpec, planText } from '../../model/plan.ts';
import { handledOf, isAskUnhandled, isProvisioned, superseded, type Handled } from '../../model/handled.ts';
import { stopOf } from '../../model/stops.ts';
import { ANNOTATION_BLOCK_MOVE, ANNOTATION_HANDLED, ANNOTATION_PLAN, FINALIZER_MACHINE } from '../../crds/names.ts';
import { consumerOf } from '../../model/references.ts';
import { MACHINES } from '../../kube/resource.ts';
import { pinned, swap } from '../../kube/swap.ts';
import type { ObjectRef } from '../../contracts/names.ts';
import type { Dependencies } from '../dependencies.ts';
import { heldHosts } from './heldHosts.ts';
import { readMachine } from '../store/machineStore.ts';
import { stoppedWithCluster } from './owner.ts';

/** Nothing is to be done, and nothing was touched. */
export interface Refused {
  readonly kind: 'notDue';
  readonly reason: 'Gone' | 'Deleting' | 'Paused' | 'Moving' | 'AlreadyHandled' | 'AlreadyProvisioned' | 'HostMissing';
  /** For the operator, as the result of the run. */
  readonly message: string;
}

/** Whether a run may work on a machine; `machine` is the object as it is after the patch. */
export type Admission =
  | Refused
  | {
      readonly kind: 'admitted';
      readonly machine: Beskar7Machine;
      /**
       * An earlier run may have made a claim: finalizer or status of one stood there already, or a host names the
       * machine.
       */
      readonly mayHaveClaim: boolean;
      /** How the last run has ended, if one has: a release that it left under way is not this run's. */
      readonly lastEnd?: Handled;
    };

/**
 * The live read that decides whether work is due (rule 9). When it is, the machine gets our finalizer and `block-move`
 * in one patch with its resourceVersion, before anything is claimed for it; what is planned goes along. `isReset`: the
 * run was made by `temporal workflow reset`.
 */
export async function admitMachine(deps: Dependencies, ref: ObjectRef, isReset: boolean): Promise<Admission> {
  return swap({
    what: `Beskar7Machine ${ref.namespace}/${ref.name}`,
    read: () => readMachine(deps.kube, ref),
    write: async (machine) => (machine ? admit(deps, machine, isReset) : gone(ref)),
    onGone: () => gone(ref),
  });
}

/** One try: throws Conflict when the machine has changed since it was read. */
async function admit(deps: Dependencies, machine: Beskar7Machine, isReset: boolean): Promise<Admission> {
  const { namespace = '', name, uid = '' } = machine.metadata;
  const refused = refusal(machine, isReset) ?? (await pausedWithCluster(deps, machine));
  if (refused?.reason === 'Paused') await allowMove(deps, machine);
  if (refused) return refused;
  const finalizers = machine.metadata.finalizers ?? [];
  const isOwned = finalizers.includes(FINALIZER_MACHINE);
  // `kubectl replace` takes the finalizer off, and leaves status and claim.
  const mayHaveClaim =
    isOwned || machine.status?.workflow !== undefined || isNamedByHost(deps, { namespace, name, uid });
  const lastEnd = handledOf(machine);
  const ended = lastEnd === undefined ? {} : { lastEnd };
  // A run that is terminated has to be found unfinished, also when the user asks meanwhile for what the last one has
  // dealt with.
  const isOver = lastEnd !== undefined && lastEnd.specHash !== '' && machine.spec.providerID === undefined;
  if (isOwned && machine.metadata.annotations?.[ANNOTATION_BLOCK_MOVE] !== undefined && !isOver) {
    return { kind: 'admitted', machine, mayHaveClaim, ...ended };
  }
  const over = isOver ? { [ANNOTATION_HANDLED]: JSON.stringify(superseded(lastEnd)) } : {};
  // Where a claim may stand, what it was made for stands too.
  const isPlanned = mayHaveClaim && plannedSpec(machine) !== undefined;
  const plan =
    isPlanned || machine.spec.providerID !== undefined ? {} : { [ANNOTATION_PLAN]: planText(machine, machine.spec) };
  const metadata = {
    finalizers: isOwned ? finalizers : [...finalizers, FINALIZER_MACHINE],
    annotations: { [ANNOTATION_BLOCK_MOVE]: 'true', ...over, ...plan },
  };
  const patched = await deps.kube.mergePatch(MACHINES, namespace, name, pinned(machine, { metadata }));
  return { kind: 'admitted', machine: patched, mayHaveClaim, ...ended };
}

function isNamedByHost(deps: Dependencies, { namespace, name, uid }: ObjectRef): boolean {
  return deps.caches.hostsNaming(namespace, name).some((host) => consumerOf(host)?.uid === uid);
}

/**
 * The Cluster is read live, like the machine: a run that waited for a host learns here that nothing new is to begin
 * (rule 16).
 */
async function pausedWithCluster(deps: Dependencies, machine: Beskar7Machine): Promise<Refused | undefined> {
  const { namespace = '', name } = machine.metadata;
  const stop = await stoppedWithCluster(deps.kube, machine);
  return stop && { kind: 'notDue', reason: 'Paused', message: `Beskar7Machine ${namespace}/${name} ${stop.text}` };
}

/**
 * `clusterctl move` pauses, then waits for `block-move` to go: nothing is under way for a machine without a claim. A
 * release continues by itself, as after the end of a run.
 */
async function allowMove(deps: Dependencies, machine: Beskar7Machine): Promise<void> {
  const { namespace = '', name, uid = '', annotations = {} } = machine.metadata;
  if (annotations[ANNOTATION_BLOCK_MOVE] === undefined) return;
  const held = await heldHosts(deps, { namespace, name, uid }, machine);
  if (held.some(({ claim }) => claim.stage !== 'Releasing')) return;
  const patch = { metadata: { annotations: { [ANNOTATION_BLOCK_MOVE]: null } } };
  await deps.kube.mergePatch(MACHINES, namespace, name, pinned(machine, patch));
}

function gone(ref: ObjectRef): Refused {
  return {
    kind: 'notDue',
    reason: 'Gone',
    message: `Beskar7Machine ${ref.namespace}/${ref.name} (uid ${ref.uid}) is gone`,
  };
}

function refusal(machine: Beskar7Machine, isReset: boolean): Refused | undefined {
  const { name, namespace } = machine.metadata;
  const refuse = (reason: Refused['reason'], message: string): Refused => ({ kind: 'notDue', reason, message });
  const what = `Beskar7Machine ${namespace ?? ''}/${name}`;
  const stop = stopOf(machine, ['Deleting', 'Moving', 'Paused']);
  if (stop) return refuse(stop.reason, `${what} ${stop.text}`);
  if (isProvisioned(machine)) {
    return refuse(
      'AlreadyProvisioned',
      `${what} is already provisioned on ${machine.spec.providerID}: nothing was touched`,
    );
  }
  // Moved or restored: what it runs on is recorded, its status is not (rule 13).
  if (machine.spec.providerID !== undefined) return undefined;
  // A reset of a run without success asks for the same once more (rule 14).
  const isRepeat = isReset && handledOf(machine)?.outcome !== 'Provisioned';
  if (!isRepeat && !isAskUnhandled(machine)) {
    return refuse(
      'AlreadyHandled',
      `a finished run has dealt with ${what} as it is: change its spec or set the annotation beskar7.io/retry to a new value`,
    );
  }
  return undefined;
}
