import type { Beskar7Machine } from '../../crds/beskar7Machine.ts';
import type { Claim, ClaimStage } from '../../model/claim.ts';
import type { PhysicalHost } from '../../crds/physicalHost.ts';
import type { ClaimState } from '../../contracts/claimRef.ts';
import { markInUse, stateOf } from './claimState.ts';
import type { Dependencies } from '../dependencies.ts';
import { recordProvisioned } from '../provision/handOver.ts';
import { heldHosts } from './heldHosts.ts';

export type Adopted =
  | { readonly kind: 'claim'; readonly claim: ClaimState; readonly specHash: string | undefined }
  | { readonly kind: 'provisioned'; readonly message: string };

/**
 * What a machine already holds (`heldHosts`): a claim to go on
 * with (rule 12), or a server that was handed over, for which only the status is written. Never talks to a BMC.
 * `isOver`: a release that belongs to an earlier run or attempt.
 */
export async function adoptClaim(
  deps: Dependencies,
  machine: Beskar7Machine,
  options: { attempt: number; isOver: (claim: Claim, host: PhysicalHost) => boolean },
): Promise<Adopted | undefined> {
  const { namespace = '', name, uid = '' } = machine.metadata;
  const held = (await heldHosts(deps, { namespace, name, uid }, machine))
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
    claim: stateOf(host, { ...claim, attempt: Math.max(claim.attempt, options.attempt) }, machine, true),
    specHash: claim.specHash,
  };
}

function order(stage: ClaimStage): number {
  return ['Releasing', 'Claimed', 'Armed', 'HandedOver'].indexOf(stage);
}
