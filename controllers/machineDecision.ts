import type { Beskar7Machine } from '../crds/beskar7Machine.ts';
import { claimOf } from '../model/claim.ts';
import { askOf, handledOf, isAskUnhandled, isProvisioned } from '../model/handled.ts';
import { isBeingDeleted, pausedBy, stopOf } from '../model/stops.ts';
import { FINALIZER_MACHINE } from '../crds/names.ts';
import { MACHINE_REASONS, type MachineReason, type WaitReason } from '../crds/reasons.ts';
import type { PhysicalHost } from '../crds/physicalHost.ts';
import type { CapiCluster, CapiMachine } from '../kube/resource.ts';
import { clusterNameOf, ownerMachineOf } from './informers.ts';
import type { ClaimSignal } from './starter.ts';

/** What the caches know of a machine. */
export interface MachineView {
  readonly machine: Beskar7Machine;
  /** The host that it has claimed. */
  readonly host?: PhysicalHost | undefined;
  /** The owner Machine and the Cluster of Cluster API, where they are there. */
  readonly owner?: CapiMachine | undefined;
  readonly cluster?: CapiCluster | undefined;
  /** Whether Cluster API is installed. */
  readonly hasClusterApi: boolean;
}

/** What a watcher does about a machine. It only guesses: each run decides for itself by a live read (rule 9). */
export type MachineDecision =
  | { readonly kind: 'nothing'; readonly why: string }
  | { readonly kind: 'paused'; readonly message: string }
  | { readonly kind: 'wait'; readonly reason: WaitReason; readonly message: string }
  | {
      readonly kind: 'start';
      readonly run: 'provision' | 'deprovision';
      /** Changes when there is a new reason to start, and stays while a run works on the same thing. */
      readonly occasion: string;
      /** The last run has told its end: one that is still open is about to close. */
      readonly isAfterEnd: boolean;
      /** Only when it has stood for a while: a run that ends writes one thing after the other. */
      readonly isPatient?: boolean;
      /** No phase, although a run was admitted: when that lasts, the status was lost, and the run is to look again. */
      readonly isBlank?: boolean;
      /** Facts on the host that the run should have read by now (rule 11). */
      readonly facts: readonly ClaimSignal[];
      readonly claim?: string;
    }
  | {
      readonly kind: 'settled';
      readonly specChangeIgnored?: string;
      /** How its last run failed, for a machine whose status was lost. */
      readonly lostEnd?: { readonly reason: MachineReason; readonly message: string };
    };

/** Decides from what the caches show; pure. */
export function decideMachine(view: MachineView): MachineDecision {
  const { machine } = view;
  const { finalizers = [] } = machine.metadata;
  const moving = stopOf(machine, ['Moving']);
  if (moving) return { kind: 'nothing', why: moving.text };
  const paused = machinePausedBy(view);
  if (isBeingDeleted(machine)) {
    if (!finalizers.includes(FINALIZER_MACHINE)) return { kind: 'nothing', why: 'deleted without our finalizer' };
    if (paused !== undefined) return { kind: 'paused', message: paused };
    return { kind: 'start', run: 'deprovision', occasion: 'deprovision', isAfterEnd: false, facts: [] };
  }
  if (paused !== undefined) return { kind: 'paused', message: paused };
  if (isProvisioned(machine)) return settled(machine);
  // A machine with a providerID but no status was moved or restored: a run writes its status, and nothing else.
  if (machine.spec.providerID === undefined && !isAskUnhandled(machine)) return ended(machine);
  return waitFor(view) ?? startProvision(view);
}

/** Why nothing is started for the object, in words; undefined when it is not paused. */
function machinePausedBy({
  machine,
  cluster,
}: {
  machine: Beskar7Machine;
  cluster?: CapiCluster | undefined;
}): string | undefined {
  const paused = pausedBy(machine, cluster);
  return paused && `${paused}: no work is started.`;
}

function settled(machine: Beskar7Machine): MachineDecision {
  const handled = handledOf(machine);
  if (handled === undefined || handled.specHash === askOf(machine).specHash) return { kind: 'settled' };
  return {
    kind: 'settled',
    specChangeIgnored:
      'The spec was changed after the machine was provisioned: nothing is done about it. Replace the machine to apply the change.',
  };
}

/**
 * The end of a run that failed does not stand in the status. When no run has ever written it, the object was moved or
 * restored. Else the run was terminated between its last two writes: another one tells the end for it.
 */
function ended(machine: Beskar7Machine): MachineDecision {
  const handled = handledOf(machine);
  const { phase, workflow } = machine.status ?? {};
  if (handled === undefined || handled.outcome === 'Provisioned') return { kind: 'settled' };
  if (workflow !== undefined) {
    if (phase === 'Failed' || phase === 'Provisioned') return { kind: 'settled' };
    const occasion = JSON.stringify(['end', handled.specHash, handled.retry, workflow.runID]);
    return { kind: 'start', run: 'provision', occasion, isAfterEnd: false, isPatient: true, facts: [] };
  }
  const isCancelled = handled.outcome === 'Cancelled';
  const reason = handled.reason ?? (isCancelled ? MACHINE_REASONS.cancelled : MACHINE_REASONS.unexpectedError);
  const what = isCancelled ? 'was cancelled' : 'failed';
  const message =
    `The last run ${what} before this object was restored or moved, and its message was lost with the status. ` +
    'To try again: change the spec, or set the annotation beskar7.io/retry to a new value.';
  return { kind: 'settled', lostEnd: { reason, message } };
}

/** Cluster API's order (InfraMachine contract): owner, the Cluster's infrastructure, bootstrap data. */
function waitFor(view: MachineView): MachineDecision | undefined {
  const { machine, owner, cluster, hasClusterApi } = view;
  // A run has been admitted before: what it has begun is finished, whatever the Cluster looks like now.
  if (machine.metadata.finalizers?.includes(FINALIZER_MACHINE) || machine.spec.providerID !== undefined)
    return undefined;
  const ownerName = ownerMachineOf(machine);
  const clusterName = clusterNameOf(machine) ?? owner?.spec.clusterName;
  if (ownerName === undefined) {
    if (clusterName === undefined) return undefined;
    return wait(
      'WaitingForOwner',
      `Waits until Cluster API has set its Machine of Cluster ${clusterName} as the owner.`,
    );
  }
  if (!hasClusterApi) return undefined;
  if (!owner) return wait('WaitingForOwner', `Waits for the owner Machine ${ownerName}, which is not there (yet).`);
  if (!cluster || !isInfrastructureReady(cluster)) {
    const what = cluster ? 'to be ready' : ', which is not there (yet)';
    return wait(
      'WaitingForClusterInfrastructure',
      `Waits for the infrastructure of Cluster ${clusterName ?? '?'} ${what}.`,
    );
  }
  if (!owner.spec.bootstrap?.dataSecretName) {
    return wait(
      'WaitingForBootstrapData',
      `Waits for the bootstrap data of Machine ${ownerName} (spec.bootstrap.dataSecretName).`,
    );
  }
  return undefined;
}

/** Contract v1beta1 or v1beta2. */
function isInfrastructureReady({ status }: CapiCluster): boolean {
  return status?.infrastructureReady === true || status?.initialization?.infrastructureProvisioned === true;
}

function wait(reason: WaitReason, message: string): MachineDecision {
  return { kind: 'wait', reason, message: message.replace(' ,', ',') };
}

function startProvision({ machine, host }: MachineView): MachineDecision {
  const { specHash, retry } = askOf(machine);
  const { phase, workflow } = machine.status ?? {};
  // A run that ended while something else was asked for is an occasion of its own; so is the host of a moved machine,
  // which may come after it.
  const isLost = phase === undefined || phase === 'Pending';
  const hasArrived = machine.spec.providerID !== undefined && isLost && host !== undefined;
  const isAfterEnd = phase === 'Failed' || hasArrived;
  const ended = phase === 'Failed' ? (workflow?.runID ?? '') : hasArrived ? host.metadata.uid : '';
  const claim = host && claimOf(host)?.id;
  // A run that was admitted shows a phase a moment later: without one the status was lost, and a run that waits for a
  // host does not know it.
  const isAdmitted = machine.metadata.finalizers?.includes(FINALIZER_MACHINE) === true;
  const isBlank = phase === undefined && isAdmitted && machine.spec.providerID === undefined && host === undefined;
  return {
    kind: 'start',
    run: 'provision',
    occasion: JSON.stringify(['provision', specHash, retry, ended]),
    isAfterEnd,
    ...(isBlank ? { isBlank } : {}),
    facts: claim === undefined ? [] : factsFor(machine, host, claim),
    ...(claim === undefined ? {} : { claim }),
  };
}

/** What stands on the host for this claim, while the machine still waits for just that. */
function factsFor(machine: Beskar7Machine, host: PhysicalHost | undefined, claim: string): ClaimSignal[] {
  const { inspection, handover } = host?.status ?? {};
  switch (machine.status?.phase) {
    case 'Inspecting':
      // An image that gives up without a report reports that here.
      return [
        ...(inspection?.claim === claim && inspection.reportDigest !== undefined
          ? (['inspectionReported'] as const)
          : []),
        ...(handover?.claim === claim && handover.outcome === 'Failed' ? (['handoverReported'] as const) : []),
      ];
    case 'Provisioning':
      if (handover?.claim !== claim) return [];
      return [
        ...(handover.outcome === undefined ? [] : (['handoverReported'] as const)),
        ...(handover.osReadyAt === undefined ? [] : (['osReported'] as const)),
      ];
    default:
      return [];
  }
}
