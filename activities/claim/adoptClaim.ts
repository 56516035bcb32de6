import type { Beskar7Machine } from '../../crds/beskar7Machine.ts';
import { CLAIM_STAGES, type ClaimStage, type Releasing } from '../../model/claim.ts';
import type { PhysicalHost } from '../../crds/physicalHost.ts';
import type { ClaimState } from '../../contracts/claimRef.ts';
import { markInUse, stateOf } from './claimState.ts';
import type { Dependencies } from '../dependencies.ts';
import { recordProvisioned } from '../provision/handOver.ts';
import { heldHosts } from './heldHosts.ts';

/** What the machine holds. `specHash` is of the spec that the claim was made for; undefined: not recorded. */
export type Adopted =
  | { readonly kind: 'claim'; readonly claim: ClaimState; readonly specHash: string | undefined }
  | { readonly kind: 'provisioned'; readonly message: string };

/**
 * What a machine already holds (`heldHosts`): a claim to continue
 * with (rule 12), or a server that was handed over, for which only the status is written. Never talks to a BMC.
 * `isOver`: a release that belongs to an earlier run or attempt.
 */
export async function adoptClaim(
  deps: Dependencies,
  machine: Beskar7Machine,
  options: { attempt: number; isOver: (claim: Releasing, host: PhysicalHost) => boolean },
): Promise<Adopted | undefined> {
  const { namespace = '', name, uid = '' } = machine.metadata;
  const ref = { namespace, name, uid };
  const held = (await heldHosts(deps, ref, machine))
    .filter(({ host, claim }) => !(claim.stage === 'Releasing' && options.isOver(claim, host)))
    .sort((a, b) => order(b.claim.stage) - order(a.claim.stage));
  const [best] = held;
  if (!best) return undefined;
  const { host, claim } = best;
  if (claim.stage === 'HandedOver') {
    await recordProvisioned(deps, machine, host);
    return {
      kind: 'provisioned',
      message: `already provisioned on host ${host.metadata.name}: its status was written, its server was not touched`,
    };
  }
  if (claim.stage === 'Claimed') await markInUse(deps, host, claim);
  return {
    kind: 'claim',
    claim: stateOf(host, { ...claim, attempt: Math.max(claim.attempt, options.attempt) }, ref, true),
    specHash: claim.specHash,
  };
}

/** The further a claim has come, the better; one that is being released comes last. */
function order(stage: ClaimStage): number {
  return stage === 'Releasing' ? -1 : CLAIM_STAGES.indexOf(stage);
}
