import type { ClaimStage } from '../../model/claim.ts';
import { isUnclaimed } from '../../model/claim.ts';
import { FENCE_MS } from '../../model/deadlines.ts';
import { isBeingDeleted, isBeingMoved, isPaused } from '../../model/stops.ts';
import { ANNOTATION_PAUSED } from '../../crds/names.ts';
import type { PhysicalHost } from '../../crds/physicalHost.ts';
import type { MutateOptions } from '../../redfish/index.ts';
import type { ClaimRef } from '../../contracts/claimRef.ts';
import type { Dependencies } from '../dependencies.ts';
import type { BmcCalls } from './bmcCalls.ts';
import { stopwatch } from '../elapsed.ts';
import { bmcFailure, claimLost } from '../failures.ts';
import { readHost, requireClaim } from '../store/hostStore.ts';
import { serverCheck, type ServerDependencies } from './serverCheck.ts';

/** What a fence needs. */
export type FenceDependencies = ServerDependencies & Pick<Dependencies, 'kube'>;
/** The options of a BMC request that is sent only while its fence holds (rule 2). */
export type Fenced = Pick<MutateOptions, 'fence' | 'identify' | 'userAgent' | 'signal'>;

/**
 * The fence of rule 2 for calls on behalf of a claim: the host is read live, the claim and its stage are compared, and
 * the request goes out within 2 s of that read or not at all. A mismatch is `ClaimLost`. `alsoCheck` throws what else
 * forbids it. Each read of the system is compared with the server that `host`, the host as the caller knows it, stands
 * for: `DifferentServer`. The first request that passes writes `calls` onto the host before.
 */
export function claimFence(
  deps: FenceDependencies,
  calls: BmcCalls,
  ref: ClaimRef,
  host: PhysicalHost,
  stages: readonly ClaimStage[],
  signal: AbortSignal,
  alsoCheck?: (host: PhysicalHost) => void,
): Fenced {
  const server = serverCheck(deps, host);
  return {
    signal,
    userAgent: `beskar7 (${ref.id})`,
    identify: server.identify,
    fence: fence(deps, calls, ref, signal, (live) => {
      const { host: claimed } = requireClaim(live, ref, stages);
      refuseMoved(claimed);
      refusePaused(claimed);
      alsoCheck?.(claimed);
      server.atFence(claimed);
    }),
  };
}

/** The fence for the retirement of a host: it has no claim, and it is being deleted (rule 3). */
export function retireFence(deps: FenceDependencies, calls: BmcCalls, host: PhysicalHost, signal: AbortSignal): Fenced {
  const { namespace, name, uid } = host.metadata;
  const server = serverCheck(deps, host);
  return {
    signal,
    userAgent: 'beskar7 (retire)',
    identify: server.identify,
    fence: fence(deps, calls, { namespace, host: name }, signal, (live) => {
      const what = `${namespace}/${name}`;
      if (live === undefined || live.metadata.uid !== uid) throw claimLost(`host ${what} is gone`);
      if (!isBeingDeleted(live)) throw claimLost(`host ${what} is not being deleted`);
      if (!isUnclaimed(live)) throw claimLost(`host ${what} is claimed: it is not retired`);
      refuseMoved(live);
      refusePaused(live);
      server.atFence(live);
    }),
  };
}

/** What `clusterctl move` is about to delete lives on elsewhere: it gets no BMC call (rule 13). */
export function refuseMoved(host: PhysicalHost): void {
  if (!isBeingMoved(host)) return;
  throw claimLost(`host ${host.metadata.namespace}/${host.metadata.name} is being moved to another cluster`);
}

/**
 * A host is paused by its own annotation while somebody works on its server (a firmware flash): no call to its BMC
 * begins. It fails in a way that is tried again. Its Cluster's `spec.paused` does not count here: that lets what is
 * under way come to its end (rule 16).
 */
export function refusePaused(host: PhysicalHost): void {
  if (!isPaused(host)) return;
  const { namespace, name } = host.metadata;
  throw bmcFailure(
    `host ${namespace}/${name} is paused (annotation ${ANNOTATION_PAUSED}): nothing is sent to its BMC until the annotation is removed`,
    'HostPaused',
  );
}

function fence(
  { kube }: FenceDependencies,
  calls: BmcCalls,
  key: { namespace: string; host: string },
  signal: AbortSignal,
  check: (host: PhysicalHost | undefined) => void,
): MutateOptions['fence'] {
  return async () => {
    let elapsedMs = stopwatch();
    const timely = AbortSignal.any([signal, AbortSignal.timeout(FENCE_MS)]);
    const live = await readHost(kube, key.namespace, key.host, timely);
    check(live);
    // A compare-and-swap looks at the host once more: what it has seen is as live as a read at that moment.
    if (live !== undefined && !calls.passes(live))
      await calls.take(live, (host) => {
        elapsedMs = stopwatch();
        check(host);
      });
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
