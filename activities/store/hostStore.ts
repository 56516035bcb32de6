import { claimOf, isIn, serializeClaim, type Claim, type ClaimIn, type ClaimStage } from '../../model/claim.ts';
import { ANNOTATION_CLAIM } from '../../crds/names.ts';
import type { PhysicalHost, PhysicalHostStatus } from '../../crds/physicalHost.ts';
import type { KubeClient } from '../../kube/client.ts';
import { KubeError } from '../../kube/error.ts';
import { HOSTS } from '../../kube/resource.ts';
import { find, pinned, swap, type MergePatch } from '../../kube/swap.ts';
import type { ClaimRef } from '../../contracts/claimRef.ts';
import type { Caches } from '../dependencies.ts';
import { claimLost } from '../failures.ts';

/** A merge patch of a host's status. */
export type StatusPatch = MergePatch<PhysicalHostStatus>;

/** Reads a host live; undefined when it is gone. */
export function readHost(
  kube: KubeClient,
  namespace: string,
  name: string,
  signal?: AbortSignal,
): Promise<PhysicalHost | undefined> {
  return find(kube, HOSTS, { namespace, name }, signal && { signal });
}

/**
 * The host of a claim, out of the watch cache when that shows the claim already, else read live. Good for what cannot
 * change while the claim stands (the connection) and as the start of a compare-and-swap, which proves it; never for a
 * fence.
 */
export async function hostForClaim(
  deps: { kube: KubeClient; caches: Caches },
  ref: ClaimRef,
  signal?: AbortSignal,
): Promise<PhysicalHost | undefined> {
  const cached = deps.caches.host(ref.namespace, ref.host);
  if (hasClaim(cached, ref)) return cached;
  return readHost(deps.kube, ref.namespace, ref.host, signal);
}

/** Whether that very host is there, with that very claim, in whatever stage. */
export function hasClaim(host: PhysicalHost | undefined, ref: ClaimRef): host is PhysicalHost {
  return host?.metadata.uid === ref.hostUid && claimOf(host)?.id === ref.id;
}

/** A host with its claim, in one of these stages. */
export interface ClaimedHost<S extends ClaimStage> {
  readonly host: PhysicalHost;
  readonly claim: ClaimIn<S>;
}

/**
 * Host and claim of the caller, out of a host that was read live; throws `ClaimLost` when the host is gone, the claim
 * is not the caller's, or is in another stage.
 */
export function requireClaim<const S extends ClaimStage>(
  host: PhysicalHost | undefined,
  ref: ClaimRef,
  stages: readonly S[],
): ClaimedHost<S> {
  const name = `${ref.namespace}/${ref.host}`;
  if (host === undefined || host.metadata.uid !== ref.hostUid) throw claimLost(`host ${name} is gone`);
  const claim = claimOf(host);
  if (claim?.id !== ref.id) {
    throw claimLost(
      `host ${name} is ${claim ? 'claimed by another run' : 'no longer claimed'}: nothing was sent to its BMC`,
    );
  }
  if (host.spec.consumerRef?.uid !== undefined && host.spec.consumerRef.uid !== ref.machine.uid) {
    throw claimLost(`host ${name} is claimed for another machine (${host.spec.consumerRef.name})`);
  }
  if (!isIn(claim, stages)) {
    throw claimLost(`the claim on host ${name} is in stage ${claim.stage}, not in ${stages.join(' or ')}`);
  }
  return { host, claim };
}

/**
 * Changes a host's metadata and spec by compare-and-swap: `change` gets the live host and gives a merge patch, or
 * undefined when there is nothing to do. `start` saves the first read when the caller has just read or written the
 * host. Throws `ClaimLost` when that very host is gone, also when another one has its name now.
 */
export async function patchHost(
  kube: KubeClient,
  key: { namespace: string; host: string },
  change: (host: PhysicalHost) => { metadata?: object; spec?: object } | undefined,
  start?: PhysicalHost,
): Promise<PhysicalHost> {
  return swapHost(kube, key, start, async (host) => {
    const patch = change(host);
    return patch === undefined ? host : kube.mergePatch(HOSTS, key.namespace, key.host, pinned(host, patch));
  });
}

/** The same for the status. */
export async function patchHostStatus(
  kube: KubeClient,
  key: { namespace: string; host: string },
  change: (host: PhysicalHost) => StatusPatch | undefined,
  start?: PhysicalHost,
): Promise<PhysicalHost> {
  return swapHost(kube, key, start, async (host) => {
    const status = change(host);
    if (status === undefined) return host;
    return kube.mergePatch(HOSTS, key.namespace, key.host, pinned(host, { status }), { subresource: 'status' });
  });
}

/** Writes another stage of the claim that the host has; other fields of the claim stay. */
export function claimPatch(claim: Claim): { metadata: object } {
  return { metadata: { annotations: { [ANNOTATION_CLAIM]: serializeClaim(claim) } } };
}

function swapHost(
  kube: KubeClient,
  key: { namespace: string; host: string },
  start: PhysicalHost | undefined,
  write: (host: PhysicalHost) => Promise<PhysicalHost>,
): Promise<PhysicalHost> {
  const what = `host ${key.namespace}/${key.host}`;
  let uid = start?.metadata.uid;
  return swap({
    what,
    start,
    read: () => readHost(kube, key.namespace, key.host),
    write: (host) => {
      uid ??= host?.metadata.uid;
      // Another one that has its name now is not what the caller looked at.
      if (host === undefined || host.metadata.uid !== uid) throw claimLost(`${what} is gone`);
      return write(host);
    },
    onGone: () => {
      throw claimLost(`${what} is gone`);
    },
    // What a cached start made the caller refuse may be the cache's lag: a refusal needs a live read.
    isStale: (error, isLive) => !isLive && !(error instanceof KubeError),
  });
}
