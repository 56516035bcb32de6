import type { Beskar7Machine } from '../../crds/beskar7Machine.ts';
import { isMovedConsumer, type Claim } from '../../model/claim.ts';
import { holdingOf } from '../../model/holding.ts';
import { hostRepair, type Repair } from '../../model/repairs.ts';
import { isBeingMoved } from '../../model/stops.ts';
import { LABEL_CONSUMER_UID } from '../../crds/names.ts';
import type { PhysicalHost } from '../../crds/physicalHost.ts';
import { consumerOf, hostOfProviderID } from '../../model/references.ts';
import { HOSTS } from '../../kube/resource.ts';
import type { ObjectRef } from '../../contracts/names.ts';
import type { Dependencies } from '../dependencies.ts';
import { isClaimLost } from '../failures.ts';
import { patchHost, readHost } from '../store/hostStore.ts';

/** A host that is held for a machine, with its claim as it is now. */
export interface HeldHost {
  readonly host: PhysicalHost;
  readonly claim: Claim;
}

/**
 * The hosts that are held for a machine, read live: by the label with its uid (rule 8), by consumerRef as the cache
 * shows it, and by its providerID (rule 13). What of a claim is lost or cannot be read is written again first
 * (`hostRepair`), so that none of its hosts is passed over. `machine`: as it was read live; undefined when it is gone,
 * and then nothing is repaired. Never talks to a BMC.
 */
export async function heldHosts(
  deps: Dependencies,
  ref: ObjectRef,
  machine: Beskar7Machine | undefined,
): Promise<HeldHost[]> {
  const found = new Map<string, PhysicalHost>();
  const moved = machine && (await adoptMoved(deps, machine));
  if (moved) found.set(moved.metadata.name, moved);
  const { items } = await deps.kube.list(HOSTS, {
    namespace: ref.namespace,
    labelSelector: `${LABEL_CONSUMER_UID}=${ref.uid}`,
  });
  for (const host of items) found.set(host.metadata.name, host);
  for (const { metadata } of deps.caches.hostsNaming(ref.namespace, ref.name)) {
    if (found.has(metadata.name)) continue;
    const host = await readHost(deps.kube, ref.namespace, metadata.name);
    if (host) found.set(metadata.name, host);
  }
  const held: HeldHost[] = [];
  for (const host of found.values()) {
    const whole = machine === undefined ? host : await repaired(deps, host, machine);
    if (whole === undefined || !isHeldFor(whole, ref)) continue;
    const holding = holdingOf(whole, machine);
    if (holding.kind === 'claim') held.push({ host: whole, claim: holding.claim });
  }
  return held;
}

function isHeldFor(host: PhysicalHost, ref: ObjectRef): boolean {
  if (host.spec.consumerRef === undefined) return host.metadata.labels?.[LABEL_CONSUMER_UID] === ref.uid;
  const consumer = consumerOf(host);
  return consumer?.name === ref.name && consumer.uid === ref.uid;
}

/**
 * The host with the marks of its claim whole, and an event for what was repaired; undefined when it is gone. A machine
 * that is being moved lives on in another cluster: nothing is written for it (rule 13).
 */
async function repaired(
  deps: Dependencies,
  host: PhysicalHost,
  machine: Beskar7Machine,
): Promise<PhysicalHost | undefined> {
  if (isBeingMoved(machine)) return host;
  const key = { namespace: host.metadata.namespace, host: host.metadata.name };
  let repair: Repair | undefined;
  const whole = await patchHost(deps.kube, key, (live) => (repair = hostRepair(live, machine))?.patch, host).catch(
    (error: unknown) => {
      if (isClaimLost(error)) return undefined;
      throw error;
    },
  );
  for (const { reason, message, onMachineToo } of (whole && repair?.events) ?? []) {
    deps.recorder.event(host, 'Warning', reason, message);
    if (onMachineToo === true) deps.recorder.event(machine, 'Warning', reason, message);
  }
  return whole;
}

/**
 * The host that a moved or restored machine's providerID names, with the machine's new uid on it: that is written by
 * compare-and-swap, without a call to its BMC (rule 13).
 */
export async function adoptMoved(deps: Dependencies, machine: Beskar7Machine): Promise<PhysicalHost | undefined> {
  const named = hostOfProviderID(machine);
  if (!named) return undefined;
  const host = await readHost(deps.kube, named.namespace, named.name);
  if (!host || !isMovedConsumer(machine, host) || isBeingMoved(host)) return undefined;
  return repaired(deps, host, machine);
}
