import { ANNOTATION_CLAIM } from '../../crds/names.ts';
import { parseClaim, type Claim, type ClaimStage, type Minted } from '../../model/claim.ts';

/** What a test says of a claim; the rest is made up. */
export interface ClaimFields extends Partial<Minted> {
  readonly id?: string;
  readonly attempt?: number;
  readonly tried?: readonly string[];
  readonly deadline?: string;
  readonly since?: string;
  readonly specHash?: string;
  readonly traceparent?: string;
  readonly reason?: string;
  readonly releasedFrom?: Exclude<ClaimStage, 'Releasing'>;
}

/** The text of a claim's annotation in that stage: the fields that the stage needs, and those that are given. */
export function claimText(stage: ClaimStage, fields: ClaimFields = {}): string {
  const at = '2026-01-01T00:00:00Z';
  const made = { id: 'claim-1', attempt: 1, deadline: at, since: at };
  const minted = { tokenHash: 'aa', nonceHash: 'bb', bootSecret: 'boot' };
  const needed = {
    Claimed: { specHash: 'spec' },
    Armed: { specHash: 'spec', ...minted },
    HandedOver: {},
    Releasing: { reason: 'a test' },
  };
  return JSON.stringify({ ...made, stage, ...needed[stage], ...fields });
}

/** The annotation of a claim in that stage. */
export function claimAnnotation(stage: ClaimStage, fields: ClaimFields = {}): Record<string, string> {
  return { [ANNOTATION_CLAIM]: claimText(stage, fields) };
}

/** The claim that this annotation is read as. Throws when the fields are not a whole claim. */
export function claimWith(stage: ClaimStage, fields: ClaimFields = {}): Claim {
  const claim = parseClaim(claimText(stage, fields));
  if (claim === undefined) throw new Error(`no whole claim: ${claimText(stage, fields)}`);
  return claim;
}
