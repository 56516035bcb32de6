import type { ClaimStage } from '../crds/claim.ts';
import { isUnclaimed } from '../crds/claim.ts';
import { FENCE_MS } from '../crds/deadlines.ts';
import { ANNOTATION_DELETE_FOR_MOVE, ANNOTATION_PAUSED } from '../crds/names.ts';
import type { PhysicalHost } from '../crds/physicalHost.ts';
import type { KubeClient } from '../kube/client.ts';
import type { MutateOptions } from '../redfish/index.ts';
import type { ClaimRef } from './claimRef.ts';
import { stopwatch } from './elapsed.ts';
import { bmcFailure, claimLost } from './failures.ts';
import { readHost, requireClaim } from './hostStore.ts';

/**
 * The fence of rule 2 for calls on behalf of a claim: the host is read live, the claim and its stage are compared, and the
 * request goes out within 2 s of that read or not at all. A mismatch is `ClaimLost`. `alsoCheck` throws what else forbids it.
 */
export function claimFence(
  kube: KubeClient,
  ref: ClaimRef,
  stages: readonly ClaimStage[],
  signal: AbortSignal,
  alsoCheck?: (host: PhysicalHost) => void,
): Pick<MutateOptions, 'fence' | 'userAgent' | 'signal'> {
  return {
    signal,
    userAgent: `beskar7 (${ref.id})`,
    fence: fence(kube, ref, signal, (host) => {
      requireClaim(host, ref, stages);
      refuseMoved(host);
      refusePaused(host);
      if (host !== undefined) alsoCheck?.(host);
    }),
  };
}

/** The fence for the retirement of a host: nobody has claimed it, and it is being deleted (rule 3). */
export function retireFence(
  kube: KubeClient,
  host: { namespace: string; host: string; hostUid: string },
  signal: AbortSignal,
): Pick<MutateOptions, 'fence' | 'userAgent' | 'signal'> {
  return {
    signal,
    userAgent: 'beskar7 (retire)',
    fence: fence(kube, host, signal, (live) => {
      const name = `${host.namespace}/${host.host}`;
      if (live === undefined || live.metadata.uid !== host.hostUid) throw claimLost(`host ${name} is gone`);
      if (live.metadata.deletionTimestamp === undefined) throw claimLost(`host ${name} is not being deleted`);
      if (!isUnclaimed(live)) throw claimLost(`host ${name} is claimed: it is not retired`);
      refuseMoved(live);
      refusePaused(live);
    }),
  };
}

/** What `clusterctl move` is about to delete lives on elsewhere: it gets no BMC call (rule 13). */
export function refuseMoved(host: PhysicalHost | undefined): void {
  if (host?.metadata.annotations?.[ANNOTATION_DELETE_FOR_MOVE] === undefined) return;
  throw claimLost(`host ${host.metadata.namespace ?? ''}/${host.metadata.name} is being moved to another cluster`);
}

/**
 * A host is paused by its own annotation while somebody works on its server (a firmware flash): no call to its BMC begins. It fails in a way that
 * is tried again. Its Cluster's `spec.paused` does not count here: that lets what is under way come to its end (rule 16).
 */
export function refusePaused(host: PhysicalHost | undefined): void {
  if (host?.metadata.annotations?.[ANNOTATION_PAUSED] === undefined) return;
  const { namespace = '', name } = host.metadata;
  throw bmcFailure(
    `host ${namespace}/${name} is paused (annotation ${ANNOTATION_PAUSED}): nothing is sent to its BMC until the annotation is removed`,
    'HostPaused',
  );
}

function fence(
  kube: KubeClient,
  key: { namespace: string; host: string },
  signal: AbortSignal,
  check: (host: PhysicalHost | undefined) => void,
): MutateOptions['fence'] {
  return async () => {
    const elapsedMs = stopwatch();
    const timely = AbortSignal.any([signal, AbortSignal.timeout(FENCE_MS)]);
    check(await readHost(kube, key.namespace, key.host, timely));
    return () => {
      signal.throwIfAborted();
      if (elapsedMs() >= FENCE_MS) {
        throw bmcFailure(
          `host ${key.namespace}/${key.host}: more than 2 s passed between the check of the claim and the call, nothing was sent`,
          'FenceExpired',
        );
      }
    };
  };
}
