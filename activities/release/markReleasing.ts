import { claimOf, type Claim, type ClaimStage } from '../../model/claim.ts';
import { ANNOTATION_DELETE_FOR_MOVE } from '../../crds/names.ts';
import type { PhysicalHost } from '../../crds/physicalHost.ts';
import { beginReleasePatch, reportEarlyForce } from './beginRelease.ts';
import type { ClaimRef } from '../../contracts/claimRef.ts';
import type { Dependencies } from '../dependencies.ts';
import { claimLost, retryable } from '../failures.ts';
import { patchHost, readHost, requireClaim } from '../store/hostStore.ts';
import { readMachine } from '../store/machineStatus.ts';
import { releasingText, tellReleasing } from './releaseTold.ts';

/** So long the way to the power-off may take to tell the machine of it. */
const TELL_MS = 1_000;

export interface MarkReleasingInput {
  readonly claim: ClaimRef;
  /** Why, for the operator. */
  readonly reason: string;
  /** A provision run may end claims in `Claimed` and `Armed` only, a deprovision any (rule 3). */
  readonly stages: readonly ClaimStage[];
  /** Temporal's run id of the caller; a run that was reset has another than before. Absent: of `release/<ns>/<host>`, or of an earlier version. */
  readonly run?: string;
}

interface Marked {
  /** RFC 3339: when the stage was written. */
  readonly since: string;
  /** The server was handed over: it runs its final OS, and is asked to shut down in good order. */
  readonly wasHandedOver: boolean;
}

export type MarkReleasingResult =
  | (Marked & { readonly kind: 'releasing' })
  /** The stage stood already. Workflow code of before goes on as with `releasing`. */
  | (Marked & {
      readonly kind: 'underWay';
      /** Why, as whoever began it wrote it. */
      readonly reason?: string;
      /** Another run began the release; absent: not known, since an earlier version marked it, or no run of a machine. */
      readonly isOfAnother?: true;
    })
  /** The claim has ended already. */
  | { readonly kind: 'ended' };

/**
 * The first step of a release (rule 4): from here on no call of the run passes its fence, and no callback its token. The machine of the claim
 * is told.
 */
export async function markReleasing(deps: Dependencies, input: MarkReleasingInput): Promise<MarkReleasingResult> {
  const { claim: ref } = input;
  const host = await readHost(deps.kube, ref.namespace, ref.host);
  if (host === undefined || host.metadata.uid !== ref.hostUid || claimOf(host)?.id !== ref.id) return { kind: 'ended' };
  if (host.metadata.annotations?.[ANNOTATION_DELETE_FOR_MOVE] !== undefined) return { kind: 'ended' };
  if (claimOf(host)?.stage === 'HandedOver') await requireDeletion(deps, ref);
  let isUnderWay = false;
  let before: PhysicalHost | undefined;
  const marked = await patchHost(
    deps.kube,
    ref,
    (live) => {
      const claim = requireClaim(live, ref, [...input.stages, 'Releasing']);
      isUnderWay = claim.stage === 'Releasing';
      if (claim.stage === 'HandedOver' && claimOf(host)?.stage !== 'HandedOver')
        throw retryable(`host ${ref.namespace}/${ref.host} was handed over meanwhile: its machine is read again`);
      before = isUnderWay ? undefined : live;
      if (isUnderWay) return undefined;
      return beginReleasePatch(live, claim, input.reason, input.run);
    },
    host,
  );
  if (before) reportEarlyForce(deps, before);
  const claim = requireClaim(marked, ref, ['Releasing']);
  const { since, releasedFrom, reason } = claim;
  await tellReleasing(deps, ref, releasingText(marked, ref), AbortSignal.timeout(TELL_MS));
  // From the claim, not from this call: one that is repeated because its answer was lost says the same.
  const told = { since, wasHandedOver: releasedFrom === 'HandedOver' };
  const isOurs = input.run !== undefined && claim.releasedBy === input.run;
  if (!isUnderWay || isOurs) return { kind: 'releasing', ...told };
  const isOfAnother = isBegunByAnother(claim, input.run);
  return {
    kind: 'underWay',
    ...told,
    ...(reason === undefined ? {} : { reason }),
    ...(isOfAnother ? { isOfAnother } : {}),
  };
}

/** A server that was handed over is released for the deletion of its machine alone, whoever asks for it (rule 4). */
async function requireDeletion(deps: Dependencies, { namespace, host, machine }: ClaimRef): Promise<void> {
  const live = await readMachine(deps.kube, machine);
  if (live?.metadata.deletionTimestamp !== undefined) return;
  const name = `Beskar7Machine ${machine.namespace}/${machine.name}`;
  throw claimLost(
    live === undefined
      ? `host ${namespace}/${host} was handed over to ${name}, which is gone: it is released by beskar7.io/force-release only`
      : `host ${namespace}/${host} was handed over to ${name}, which is not being deleted: it is not released`,
  );
}

/** Whether it is known that another run began this release than `run`. */
export function isBegunByAnother({ releasedBy }: Claim, run: string | undefined): boolean {
  return run !== undefined && releasedBy !== undefined && releasedBy !== run;
}
