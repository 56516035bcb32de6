import type { Beskar7Machine } from '../crds/beskar7Machine.ts';
import { consumerUidOf, isMovedConsumer, isUnclaimed } from '../model/claim.ts';
import { hostRepair } from '../model/repairs.ts';
import type { PhysicalHost } from '../crds/physicalHost.ts';
import { isConsumer, namedConsumer } from '../model/references.ts';
import { isBeingMoved } from '../model/stops.ts';
import type { KubeClient } from '../kube/client.ts';
import { HOSTS, MACHINES } from '../kube/resource.ts';
import { find } from '../kube/swap.ts';
import { machineOn, type Informers } from './informers.ts';
import { applyRepair, type RepairDeps } from './repair.ts';

/** What it takes to look for a machine and to repair its host. */
export interface ConsumerDeps extends RepairDeps {
  readonly kube: Pick<KubeClient, 'get' | 'mergePatch'>;
}

/** What a live look for the machine of a host found. */
export type Looked = { readonly kind: 'there'; readonly machine?: Beskar7Machine } | { readonly kind: 'gone' };

/**
 * Looks live for the machine that holds a host (rule 13). `there`: the cache was behind, or the host's reference has
 * got the new uid of the moved or restored machine, by compare-and-swap and without a call to its BMC. `gone`: there is
 * no such machine, or another one has its name now.
 */
export async function lookForConsumer(deps: ConsumerDeps, host: PhysicalHost): Promise<Looked> {
  if (isOfAnotherKind(host)) return { kind: 'there' };
  const named = namedConsumer(host);
  if (!named) return { kind: 'gone' };
  const machine = await find(deps.kube, MACHINES, named);
  if (machine && isConsumer(host, machine)) return { kind: 'there', machine };
  if (!machine) return { kind: 'gone' };
  // A machine that is about to leave this cluster is nobody's consumer here.
  if (!isMovedConsumer(machine, host) || isBeingMoved(machine)) return { kind: 'gone' };
  const repair = hostRepair(host, machine);
  if (repair?.rows.includes('consumerUid') === true) await applyRepair(deps, HOSTS, host, repair, machine);
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

/**
 * Repairs what a host has lost of its claim (`hostRepair`), by compare-and-swap and without a call to its BMC. Host and
 * machine are as the cache shows them; the machine is read live. False: nothing was written, since the machine is not
 * there any more, leads elsewhere or is being moved, or the host has changed; the next look decides.
 */
export async function repairHost(
  deps: ConsumerDeps,
  host: PhysicalHost,
  cached: Beskar7Machine | undefined,
): Promise<boolean> {
  const { namespace } = host.metadata;
  const machine = cached && (await find(deps.kube, MACHINES, { namespace, name: cached.metadata.name }));
  if (machine?.metadata.uid !== cached?.metadata.uid) return false;
  // The cache may not show it yet.
  if (machine !== undefined && isBeingMoved(machine)) return false;
  const repair = hostRepair(host, machine);
  return repair !== undefined && (await applyRepair(deps, HOSTS, host, repair, machine));
}

/** A reference to another kind is none of ours: it is left alone. */
function isOfAnotherKind({ spec: { consumerRef } }: PhysicalHost): boolean {
  return consumerRef !== undefined && consumerRef.kind !== 'Beskar7Machine';
}
