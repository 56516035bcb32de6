import type { Beskar7Machine } from '../crds/beskar7Machine.ts';
import { claimOf, consumerUidPatch, isMovedConsumer, type Claim } from '../crds/claim.ts';
import { ANNOTATION_DELETE_FOR_MOVE, LABEL_CONSUMER_UID } from '../crds/names.ts';
import type { PhysicalHost } from '../crds/physicalHost.ts';
import { parseProviderID } from '../crds/providerID.ts';
import { HOSTS } from '../kube/resource.ts';
import type { ClaimState } from './claimRef.ts';
import { markInUse, stateOf } from './claimState.ts';
import type { Dependencies } from './dependencies.ts';
import { recordProvisioned } from './handOver.ts';
import { patchHost, readHost } from './hostStore.ts';

export type Adopted =
  | { readonly kind: 'claim'; readonly claim: ClaimState; readonly specHash: string | undefined }
  | { readonly kind: 'provisioned'; readonly message: string };

/**
 * What a machine already holds, found by a live list on the label (rule 8) or by its providerID (rule 13): a claim to go on
 * with (rule 12), or a server that was handed over, for which only the status is written. Never talks to a BMC. `isOver`: a release that
 * belongs to an earlier run or attempt.
 */
export async function adoptClaim(
  deps: Dependencies,
  machine: Beskar7Machine,
  options: { attempt: number; isOver: (claim: Claim, host: PhysicalHost) => boolean },
): Promise<Adopted | undefined> {
  const moved = await adoptMoved(deps, machine);
  const hosts = moved ? [moved] : await claimedHosts(deps, machine);
  const held = hosts
    .map((host) => ({ host, claim: claimOf(host) }))
    .filter(({ host, claim }) => !(claim?.stage === 'Releasing' && options.isOver(claim, host)))
    .sort((a, b) => order(b.claim?.stage) - order(a.claim?.stage));
  const [best] = held;
  if (!best) return undefined;
  const { host, claim } = best;
  if (claim === undefined || claim.stage === 'HandedOver') {
    if (machine.spec.providerID === undefined && claim === undefined) return undefined;
    await recordProvisioned(deps, machine, host);
    return {
      kind: 'provisioned',
      message: `already provisioned on host ${host.metadata.name}: its status was written, its server was not touched`,
    };
  }
  if (claim.stage === 'Claimed') await markInUse(deps, host, claim);
  return {
    kind: 'claim',
    claim: stateOf(host, { ...claim, attempt: Math.max(claim.attempt, options.attempt) }, machine, true),
    specHash: claim.specHash,
  };
}

/** Hosts that carry the machine's uid, read live. */
export async function claimedHosts(deps: Dependencies, machine: Beskar7Machine): Promise<PhysicalHost[]> {
  const { items } = await deps.kube.list(HOSTS, {
    namespace: machine.metadata.namespace ?? '',
    labelSelector: `${LABEL_CONSUMER_UID}=${machine.metadata.uid ?? ''}`,
  });
  return items.filter((host) => host.spec.consumerRef?.name === machine.metadata.name);
}

/**
 * The host that a moved or restored machine's providerID names. A new uid of the machine is written to it by compare-and-swap, without
 * a call to its BMC (rule 13).
 */
export async function adoptMoved(deps: Dependencies, machine: Beskar7Machine): Promise<PhysicalHost | undefined> {
  const named = parseProviderID(machine.spec.providerID);
  if (!named || named.namespace !== machine.metadata.namespace) return undefined;
  const host = await readHost(deps.kube, named.namespace, named.host);
  if (!host || !isMovedConsumer(machine, host) || isBeingMoved(host)) return undefined;
  const uid = machine.metadata.uid ?? '';
  if (host.spec.consumerRef?.uid === uid && host.metadata.labels?.[LABEL_CONSUMER_UID] === uid) return host;
  return patchHost(
    deps.kube,
    { namespace: named.namespace, host: named.host },
    (live) => (isMovedConsumer(machine, live) && !isBeingMoved(live) ? consumerUidPatch(uid) : undefined),
    host,
  );
}

function isBeingMoved({ metadata }: PhysicalHost): boolean {
  return metadata.annotations?.[ANNOTATION_DELETE_FOR_MOVE] !== undefined;
}

function order(stage: string | undefined): number {
  return ['Releasing', 'Claimed', 'Armed', 'HandedOver'].indexOf(stage ?? 'HandedOver');
}
