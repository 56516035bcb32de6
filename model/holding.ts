import type { Beskar7Machine } from '../crds/beskar7Machine.ts';
import {
  claimOf,
  consumerPatch,
  isMovedConsumer,
  restoreHandedOver,
  restoreReleasing,
  type Claim,
  type HandedOver,
  type Releasing,
} from './claim.ts';
import { findCondition } from '../crds/conditions.ts';
import { handledOf } from './handled.ts';
import { ANNOTATION_CLAIM, FINALIZER_HOST, LABEL_CONSUMER_UID } from '../crds/names.ts';
import type { PhysicalHost } from '../crds/physicalHost.ts';
import { providerIDOf } from './providerID.ts';
import { CONDITIONS, HOST_REASONS } from '../crds/reasons.ts';
import { isConsumer } from './references.ts';
import { isBeingDeleted, isBeingMoved } from './stops.ts';

/**
 * Why a claim is lost for good: `missing` says that the annotation is gone, `unreadable` that it is not a whole claim.
 */
export type Loss = 'missing' | 'unreadable';

/**
 * Who holds a host, decided over consumerRef, label, claim annotation and the machine that they lead to. Every part
 * that asks "is this host claimed, and by whom" goes by this: a part of a claim that is missing or cannot be read is
 * never taken for no claim.
 */
export type Holding =
  | { readonly kind: 'none' }
  /** `spec.consumerRef` names another kind: not ours, left alone. */
  | { readonly kind: 'foreign' }
  /** `repairs`: what of the claim's other marks has to be written again. */
  | { readonly kind: 'claim'; readonly claim: Claim; readonly repairs: readonly Repair[] }
  /**
   * The claim is lost and its machine is known. `HandedOver`: the machine's providerID names this host, its server runs
   * it. `Releasing`: Beskar7 had claimed the host for it, and either the server was never handed over or the machine is
   * being deleted.
   */
  | {
      readonly kind: 'lost';
      readonly loss: Loss;
      readonly becomes: 'HandedOver' | 'Releasing';
      readonly machine: Beskar7Machine;
    }
  /**
   * The claim is lost, and whether its server runs somebody's machine is not known: nothing is done without a person.
   */
  | { readonly kind: 'lostUnknown'; readonly loss: Loss; readonly why: 'MachineNotFound' | 'NeverClaimed' };

/** A mark of a claim beside its annotation: `spec.consumerRef`, or the label `beskar7.io/consumer-uid`. */
export type Repair = 'consumerRef' | 'label';

/**
 * The machine that a host leads to, as it was found: by consumerRef, by the label with its uid, or by the machine's own
 * providerID.
 */
export function holdingOf(host: PhysicalHost, machine: Beskar7Machine | undefined): Holding {
  const { consumerRef } = host.spec;
  if (consumerRef !== undefined && consumerRef.kind !== 'Beskar7Machine') return { kind: 'foreign' };
  const text = host.metadata.annotations?.[ANNOTATION_CLAIM];
  const claim = claimOf(host);
  const found = machine !== undefined && isLedTo(host, machine) ? machine : undefined;
  if (claim !== undefined) return { kind: 'claim', claim, repairs: repairsOf(host, found) };
  if (text === undefined && consumerRef === undefined) return { kind: 'none' };
  const loss = text === undefined ? 'missing' : 'unreadable';
  if (found === undefined) return { kind: 'lostUnknown', loss, why: 'MachineNotFound' };
  const isRunBy = isNamedBy(host, found);
  if (isRunBy && !isBeingDeleted(found)) return { kind: 'lost', loss, becomes: 'HandedOver', machine: found };
  if (!wasClaimedByUs(host) && !(isRunBy && handledOf(found)?.outcome === 'Provisioned'))
    return { kind: 'lostUnknown', loss, why: 'NeverClaimed' };
  return { kind: 'lost', loss, becomes: 'Releasing', machine: found };
}

/** Whether the machine's providerID names the host. */
export function isNamedBy({ metadata: { namespace, name } }: PhysicalHost, machine: Beskar7Machine): boolean {
  return machine.metadata.namespace === namespace && machine.spec.providerID === providerIDOf(namespace, name);
}

/**
 * Whether what is left of a host's marks means this machine. One that has another uid has to be the moved or restored
 * one (rule 13).
 */
function isLedTo(host: PhysicalHost, machine: Beskar7Machine): boolean {
  const { namespace, uid } = machine.metadata;
  const { consumerRef } = host.spec;
  const marked = host.metadata.labels?.[LABEL_CONSUMER_UID];
  if (consumerRef === undefined)
    return host.metadata.namespace === namespace && (marked === uid || isNamedBy(host, machine));
  return isConsumer(host, machine) || isMovedConsumer(machine, host);
}

function repairsOf(host: PhysicalHost, machine: Beskar7Machine | undefined): Repair[] {
  const { consumerRef } = host.spec;
  if (consumerRef === undefined) return machine === undefined ? [] : ['consumerRef'];
  const { uid } = consumerRef;
  return uid === undefined || host.metadata.labels?.[LABEL_CONSUMER_UID] === uid ? [] : ['label'];
}

/**
 * Whether the status, which a copied or hand-written manifest does not bring along, shows a claim of ours. Without
 * that, a consumerRef was written by somebody else, and the server behind it is none that Beskar7 switched on.
 */
export function wasClaimedByUs({ status }: PhysicalHost): boolean {
  if (status?.state === 'InUse' || status?.state === 'Inspecting' || status?.state === 'Ready') return true;
  if (status?.inspection !== undefined || status?.handover !== undefined) return true;
  return findCondition(status?.conditions, CONDITIONS.ready)?.reason === HOST_REASONS.releasePending;
}

/**
 * A merge patch of a host's metadata and spec; the caller adds uid and resourceVersion, which make it a
 * compare-and-swap.
 */
export interface HoldingPatch {
  readonly metadata: object;
  readonly spec?: object;
}

/**
 * The write that makes the marks of a claim whole again; undefined when nothing is to be repaired, or nothing is known
 * that could be. It never leads to a power-on: a lost claim comes back as `HandedOver` or as `Releasing` (rule 3).
 */
export function repairPatch(
  host: PhysicalHost,
  holding: Holding,
  machine: Beskar7Machine | undefined,
): HoldingPatch | undefined {
  if (isBeingMoved(host)) return undefined;
  switch (holding.kind) {
    case 'none':
    case 'foreign':
    case 'lostUnknown':
      return undefined;
    case 'lost': {
      const { becomes, machine: of } = holding;
      const claim = becomes === 'HandedOver' ? handedOverAgain(host, of) : releasedForLoss(host, of);
      return withHostFinalizer(host, consumerPatch(of, claim));
    }
    case 'claim': {
      if (holding.repairs.includes('consumerRef') && machine !== undefined)
        return withHostFinalizer(host, consumerPatch(machine, holding.claim));
      if (!holding.repairs.includes('label')) return undefined;
      return { metadata: { labels: { [LABEL_CONSUMER_UID]: host.spec.consumerRef?.uid } } };
    }
  }
}

/** A new claim for a server that runs its machine: what belonged to the lost one (tokens, deadlines) ended with it. */
export function handedOverAgain(host: PhysicalHost, machine: Beskar7Machine): HandedOver {
  return restoreHandedOver(lostIdOf(host), handledOf(machine)?.specHash);
}

/** The claim by which a host is released whose own claim was lost. */
function releasedForLoss(host: PhysicalHost, machine: Beskar7Machine): Releasing {
  const reason = `ClaimLost: the claim (annotation ${ANNOTATION_CLAIM}) of host ${host.metadata.name} was lost or could not be read.`;
  return restoreReleasing(lostIdOf(host), { reason, wasHandedOver: isNamedBy(host, machine) });
}

/**
 * The id of the lost claim, where the status still has it: its run, its boot Secret and its facts are found by it.
 */
function lostIdOf({ status }: PhysicalHost): string | undefined {
  return status?.bootToken?.claim ?? status?.inspection?.claim ?? status?.handover?.claim;
}

/** The same patch with our finalizer, where the host lacks it and may still get it. */
export function withHostFinalizer(host: PhysicalHost, patch: HoldingPatch): HoldingPatch {
  const { finalizers = [] } = host.metadata;
  if (finalizers.includes(FINALIZER_HOST) || isBeingDeleted(host)) return patch;
  return { ...patch, metadata: { ...patch.metadata, finalizers: [...finalizers, FINALIZER_HOST] } };
}
