import type { Beskar7Machine } from '../crds/beskar7Machine.ts';
import { LABEL_CONSUMER_UID } from '../crds/names.ts';
import type { PhysicalHost } from '../crds/physicalHost.ts';
import { parseProviderID } from './providerID.ts';

/** An object of a namespace by its name. */
export interface NamedObject {
  readonly namespace: string;
  readonly name: string;
}

/** A machine that holds a host: a name alone is that of whoever has it now. */
export interface Consumer extends NamedObject {
  readonly uid: string;
}

type HostMarks = Pick<PhysicalHost, 'metadata'> & { readonly spec: Pick<PhysicalHost['spec'], 'consumerRef'> };
type MachineMarks = Pick<Beskar7Machine, 'metadata'>;

/*
 * Every reference between hosts and machines is resolved here. A reference leads to objects of its own namespace only:
 * whoever may write objects in one namespace has no right in another (docs/security.md), and Beskar7's account may read
 * all of them.
 */

/**
 * The machine that a host's `spec.consumerRef` names, by name alone: good for reading it, never for trusting it.
 * Undefined: there is no reference, or one to another kind or another namespace.
 */
export function namedConsumer({ metadata, spec: { consumerRef } }: HostMarks): NamedObject | undefined {
  if (consumerRef?.kind !== 'Beskar7Machine' || consumerRef.namespace !== metadata.namespace) return undefined;
  return { namespace: consumerRef.namespace, name: consumerRef.name };
}

/**
 * The same with the machine's uid, by the reference or else by the host's label. Undefined also where neither has one.
 */
export function consumerOf(host: HostMarks): Consumer | undefined {
  const named = namedConsumer(host);
  const uid = host.spec.consumerRef?.uid ?? host.metadata.labels?.[LABEL_CONSUMER_UID];
  return named === undefined || uid === undefined || uid === '' ? undefined : { ...named, uid };
}

/** Whether a host's reference means this very machine: namespace, name and uid. */
export function isConsumer(host: HostMarks, { metadata }: MachineMarks): boolean {
  const consumer = consumerOf(host);
  return (
    consumer !== undefined &&
    consumer.namespace === metadata.namespace &&
    consumer.name === metadata.name &&
    consumer.uid === metadata.uid
  );
}

/**
 * The host that a machine names in `status.hostRef`, in its own namespace. It has no uid: the host counts as the
 * machine's where it leads back (`isConsumer`). Undefined: there is no reference, or one to another namespace.
 */
export function namedHost({ metadata, status }: Beskar7Machine): NamedObject | undefined {
  const { hostRef } = status ?? {};
  if (hostRef === undefined || hostRef.namespace !== metadata.namespace) return undefined;
  return { namespace: hostRef.namespace, name: hostRef.name };
}

/** The host that a machine's providerID names, in its own namespace, whichever machine it names beside it. */
export function hostOfProviderID({ metadata, spec }: Beskar7Machine): NamedObject | undefined {
  const named = parseProviderID(spec.providerID);
  if (named === undefined || named.namespace !== metadata.namespace) return undefined;
  return { namespace: named.namespace, name: named.host };
}
