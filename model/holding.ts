import type { Beskar7Machine } from '../crds/beskar7Machine.ts';
import { claimOf, isMovedConsumer, type Claim } from './claim.ts';
import { findCondition } from '../crds/conditions.ts';
import { handledOf } from './handled.ts';
import { ANNOTATION_CLAIM, LABEL_CONSUMER_UID } from '../crds/names.ts';
import type { PhysicalHost } from '../crds/physicalHost.ts';
import { providerIDOf } from './providerID.ts';
import { CONDITIONS, HOST_REASONS } from '../crds/reasons.ts';
import { isConsumer } from './references.ts';
import { isBeingDeleted } from './stops.ts';

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
  | { readonly kind: 'claim'; readonly claim: Claim }
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

/**
 * The machine that a host leads to, as it was found: by consumerRef, by the label with its uid, or by the machine's own
 * providerID.
 */
export function holdingOf(host: PhysicalHost, machine: Beskar7Machine | undefined): Holding {
  const { consumerRef } = host.spec;
  if (consumerRef !== undefined && consumerRef.kind !== 'Beskar7Machine') return { kind: 'foreign' };
  const text = host.metadata.annotations?.[ANNOTATION_CLAIM];
  const claim = claimOf(host);
  if (claim !== undefined) return { kind: 'claim', claim };
  if (text === undefined && consumerRef === undefined) return { kind: 'none' };
  const loss = text === undefined ? 'missing' : 'unreadable';
  const found = machine !== undefined && isLedTo(host, machine) ? machine : undefined;
  if (found === undefined) return { kind: 'lostUnknown', loss, why: 'MachineNotFound' };
  const isRunBy = isNamedBy(host, found);
  if (isRunBy && !isBeingDeleted(found)) return { kind: 'lost', loss, becomes: 'HandedOver', machine: found };
  if (!wasClaimedByUs(host) && !(isRunBy && handledOf(found)?.outcome === 'Provisioned'))
    return { kind: 'lostUnknown', loss, why: 'NeverClaimed' };
  return { kind: 'lost', loss, becomes: 'Releasing', machine: found };
}

/** Whether the machine's providerID names the host, and the machine itself: one that was copied names another. */
export function isNamedBy({ metadata: { namespace, name } }: PhysicalHost, machine: Beskar7Machine): boolean {
  const { metadata, spec } = machine;
  return metadata.namespace === namespace && spec.providerID === providerIDOf(namespace, name, metadata.name);
}

/**
 * Whether what is left of a host's marks means this machine. One that has another uid has to be the moved or restored
 * one (rule 13).
 */
export function isLedTo(host: PhysicalHost, machine: Beskar7Machine): boolean {
  const { namespace, uid } = machine.metadata;
  const { consumerRef } = host.spec;
  const marked = host.metadata.labels?.[LABEL_CONSUMER_UID];
  if (consumerRef === undefined)
    return host.metadata.namespace === namespace && (marked === uid || isNamedBy(host, machine));
  return isConsumer(host, machine) || isMovedConsumer(machine, host);
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
