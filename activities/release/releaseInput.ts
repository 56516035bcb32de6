import type { ClaimRef } from '../../contracts/claimRef.ts';

/** What one attempt to release a host is given. */
export interface ReleaseHostInput {
  readonly claim: ClaimRef;
  /** Which try this is, from 1, and when the next one is due if it fails; both are reported on the host. */
  readonly attempt: number;
  readonly nextAttemptInMs: number;
}
