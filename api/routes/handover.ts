import type { Claim } from '../../model/claim.ts';
import type { PhysicalHost, PhysicalHostStatus } from '../../crds/physicalHost.ts';
import { handoverOf, isBearerOver } from '../claimWindow.ts';
import { conflict, unauthorized } from '../errors.ts';
import { replacement, type Claimed, type Decision, type StatusPatch } from '../hostFacts.ts';
import type { ApiParts } from '../parts.ts';
import type { SignalKind } from '../dependencies.ts';

type Handover = NonNullable<PhysicalHostStatus['handover']>;

/** The decision of one route per stage in which its bearer is good. */
export interface HandoverCases {
  readonly armed: (facts: Handover | undefined) => Decision;
  readonly handedOver: (facts: Handover | undefined) => Decision;
}

/**
 * What the three routes of the hand-over have in common: who is refused, and that a claim that is being released takes
 * nothing.
 */
export function decideHandover(parts: ApiParts, { host, claim }: Claimed, cases: HandoverCases): Decision {
  if (isBearerOver(host, claim, parts.waits, Date.now())) return refused('the token has expired');
  const facts = handoverOf(host, claim);
  switch (claim.stage) {
    case 'Armed':
      return cases.armed(facts);
    case 'HandedOver':
      return cases.handedOver(facts);
    case 'Releasing':
      return { kind: 'refused', error: conflict('the host is being released') };
    case 'Claimed':
      return refused('the claim is not armed');
  }
}

/** Stores facts of the hand-over beside those that the claim has; what an earlier claim left is removed. */
export function storeHandover(
  host: PhysicalHost,
  claim: Claim,
  facts: Partial<Handover>,
  signal?: SignalKind,
): Decision {
  const handover = replacement(host.status?.handover, { ...handoverOf(host, claim), ...facts, claim: claim.id });
  return { kind: 'store', status: { handover } as StatusPatch, ...(signal === undefined ? {} : { signal }) };
}

function refused(why: string): Decision {
  return { kind: 'refused', error: unauthorized(why) };
}
