import type { Beskar7Machine } from '../crds/beskar7Machine.ts';
import { consumerPatch, consumerUidOf, consumerUidPatch, isMovedConsumer, isUnclaimed } from '../model/claim.ts';
import {
  handedOverAgain,
  holdingOf,
  isNamedBy,
  repairPatch,
  withHostFinalizer,
  type HoldingPatch,
} from '../model/holding.ts';
import { isProviderIDOurs } from '../model/handled.ts';
import type { PhysicalHost } from '../crds/physicalHost.ts';
import { isConsumer, namedConsumer } from '../model/references.ts';
import { isBeingDeleted, isBeingMoved } from '../model/stops.ts';
import type { KubeClient } from '../kube/client.ts';
import { HOSTS, MACHINES } from '../kube/resource.ts';
import { find, pinned, unlessChanged } from '../kube/swap.ts';
import { machineOn, type Informers } from './informers.ts';

/** What a live look for the machine of a host found. */
export type Looked = { readonly kind: 'there'; readonly machine?: Beskar7Machine } | { readonly kind: 'gone' };

/**
 * Looks live for the machine that holds a host (rule 13). `there`: the cache was behind, or the host's reference has
 * got the new uid of the moved or restored machine, by compare-and-swap and without a call to its BMC. `gone`: there is
 * no such machine, or another one has its name now.
 */
export async function lookForConsumer(
  kube: Pick<KubeClient, 'get' | 'mergePatch'>,
  host: PhysicalHost,
): Promise<Looked> {
  if (isOfAnotherKind(host)) return { kind: 'there' };
  const named = namedConsumer(host);
  if (!named) return { kind: 'gone' };
  const machine = await find(kube, MACHINES, named);
  if (machine && isConsumer(host, machine)) return { kind: 'there', machine };
  if (!machine) return { kind: 'gone' };
  const { uid = '' } = machine.metadata;
  // A machine that is about to leave this cluster is nobody's consumer here.
  if (!isMovedConsumer(machine, host) || isBeingMoved(machine)) return { kind: 'gone' };
  const { name, namespace } = host.metadata;
  // Where the host has changed meanwhile the next look decides.
  await unlessChanged(() => kube.mergePatch(HOSTS, namespace, name, pinned(host, consumerUidPatch(uid))));
  return { kind: 'there', machine };
}

/**
 * The machine that a host leads to by the cache: by name, else by the uid of its label, else by that machine's own
 * providerID.
 */
export function machineLedTo(informers: Pick<Informers, 'machines'>, host: PhysicalHost): Beskar7Machine | undefined {
  if (host.spec.consumerRef !== undefined) {
    const named = namedConsumer(host);
    return named && informers.machines.get(named.namespace, named.name);
  }
  const uid = isUnclaimed(host) ? undefined : consumerUidOf(host);
  const marked = uid === undefined ? [] : informers.machines.byIndex('byUid', uid);
  const { namespace } = host.metadata;
  return marked.find(({ metadata }) => metadata.namespace === namespace) ?? machineOn(informers, host);
}

/** Whether the cache shows the consumer of a host; `machine` as `machineLedTo` gave it. */
export function isConsumerSeen(host: PhysicalHost, machine: Beskar7Machine | undefined): boolean {
  if (isOfAnotherKind(host)) return true;
  if (machine === undefined) return false;
  return host.spec.consumerRef === undefined || isConsumer(host, machine);
}

/** What was written on a host whose claim was lost in whole or in part. */
export type Repaired = 'handedOver' | 'releasing' | 'marks';

/**
 * Writes again what a host has lost of its claim, by compare-and-swap and without a call to its BMC: the consumer that
 * its server runs (decision 0017), a claim that is gone or cannot be read, or one of its marks (`holdingOf`). Host and
 * machine are as the cache shows them; the machine is read live. Undefined: the machine is not there any more, or says
 * something else, or the host has changed; the next look decides.
 */
export async function repairHost(
  kube: Pick<KubeClient, 'get' | 'mergePatch'>,
  host: PhysicalHost,
  { metadata: cached }: Beskar7Machine,
): Promise<Repaired | undefined> {
  const { name, namespace } = host.metadata;
  const machine = await find(kube, MACHINES, { namespace, name: cached.name });
  if (!machine || machine.metadata.uid !== cached.uid) return undefined;
  if (isBeingMoved(machine)) return undefined;
  const holding = holdingOf(host, machine);
  const patch = holding.kind === 'none' ? givenBack(host, machine) : repairPatch(host, holding, machine);
  if (patch === undefined) return undefined;
  const written = await unlessChanged(() => kube.mergePatch(HOSTS, namespace, name, pinned(host, patch)));
  if (written === undefined) return undefined;
  if (holding.kind === 'claim') return 'marks';
  return holding.kind === 'lost' && holding.becomes === 'Releasing' ? 'releasing' : 'handedOver';
}

function givenBack(host: PhysicalHost, machine: Beskar7Machine): HoldingPatch | undefined {
  if (isBeingDeleted(machine) || !isNamedBy(host, machine)) return undefined;
  if (!isProviderIDOurs(machine)) return undefined;
  return withHostFinalizer(host, consumerPatch(machine, handedOverAgain(host, machine)));
}

/** A reference to another kind is none of ours: it is left alone. */
function isOfAnotherKind({ spec: { consumerRef } }: PhysicalHost): boolean {
  return consumerRef !== undefined && consumerRef.kind !== 'Beskar7Machine';
}
