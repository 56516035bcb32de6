import { claimIn, type ClaimStage } from '../../model/claim.ts';
import { isBeingDeleted, isBeingMoved } from '../../model/stops.ts';
import type { PhysicalHost } from '../../crds/physicalHost.ts';
import { beginReleasePatch, reportEarlyForce } from './beginRelease.ts';
import type { ClaimRef } from '../../contracts/claimRef.ts';
import type { Dependencies } from '../dependencies.ts';
import { claimLost, retryable } from '../failures.ts';
import { hasClaim, patchHost, readHost, requireClaim } from '../store/hostStore.ts';
import { readMachine } from '../store/machineStore.ts';
import { releasingText, reportReleasing } from './releaseReport.ts';

/** So long the way to the power-off may take to tell the machine of it. */
const TELL_MS = 1_000;

/** A claim to end. One in another stage than `stages` and `Releasing` is a lost claim (`ClaimLost`). */
export interface MarkReleasingInput {
  readonly claim: ClaimRef;
  /** Why, for the operator. */
  readonly reason: string;
  /** A provision run may end claims in `Claimed` and `Armed` only, a deprovision any (rule 3). */
  readonly stages: readonly ClaimStage[];
}

/** What became of the claim. */
export type MarkReleasingResult =
  /** The stage stands, whoever wrote it. */
  | { readonly kind: 'releasing' }
  /** The claim has ended already. */
  | { readonly kind: 'ended' };

/**
 * The first step of a release (rule 4), which may be repeated: from here on no call of the run passes its fence, and no
 * callback its token. The machine of the claim says so.
 */
export async function markReleasing(deps: Dependencies, input: MarkReleasingInput): Promise<MarkReleasingResult> {
  const { claim: ref } = input;
  const host = await readHost(deps.kube, ref.namespace, ref.host);
  if (!hasClaim(host, ref)) return { kind: 'ended' };
  if (isBeingMoved(host)) return { kind: 'ended' };
  const wasHandedOver = claimIn(host, 'HandedOver') !== undefined;
  if (wasHandedOver) await requireDeletion(deps, ref);
  let before: PhysicalHost | undefined;
  const marked = await patchHost(
    deps.kube,
    ref,
    (live) => {
      const { claim } = requireClaim(live, ref, [...input.stages, 'Releasing']);
      if (claim.stage === 'HandedOver' && !wasHandedOver)
        throw retryable(`host ${ref.namespace}/${ref.host} was handed over in between: its machine is read again`);
      before = undefined;
      if (claim.stage === 'Releasing') return undefined;
      before = live;
      return beginReleasePatch(live, claim, input.reason);
    },
    host,
  );
  if (before) reportEarlyForce(deps, before);
  await reportReleasing(deps, ref, releasingText(marked, ref), AbortSignal.timeout(TELL_MS));
  return { kind: 'releasing' };
}

/** A server that was handed over is released for the deletion of its machine alone, whoever asks for it (rule 4). */
async function requireDeletion(deps: Dependencies, { namespace, host, machine }: ClaimRef): Promise<void> {
  const live = await readMachine(deps.kube, machine);
  if (live !== undefined && isBeingDeleted(live)) return;
  const name = `Beskar7Machine ${machine.namespace}/${machine.name}`;
  throw claimLost(
    live === undefined
      ? `host ${namespace}/${host} was handed over to ${name}, which is gone: it is released by beskar7.io/force-release only`
      : `host ${namespace}/${host} was handed over to ${name}, which is not being deleted: it is not released`,
  );
}
