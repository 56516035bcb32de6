import { release, serializeClaim, type Held } from '../../model/claim.ts';
import { earlyForceOf, forceRefusedText } from '../../model/forceRelease.ts';
import { ANNOTATION_CLAIM, ANNOTATION_FORCE_RELEASE } from '../../crds/names.ts';
import type { PhysicalHost } from '../../crds/physicalHost.ts';
import type { Dependencies } from '../dependencies.ts';

/**
 * The write with which a release starts: stage `Releasing` (rule 4). A force-release that stood there before is removed
 * with it, in the same compare-and-swap: it was not set for this release.
 */
export function beginReleasePatch(host: PhysicalHost, claim: Held, reason: string): { metadata: object } {
  const early = earlyForceOf(host) === undefined ? {} : { [ANNOTATION_FORCE_RELEASE]: null };
  const annotations = { [ANNOTATION_CLAIM]: serializeClaim(release(claim, reason)), ...early };
  return { metadata: { annotations } };
}

/** Says so on the host, after that write; `before`: the host as it was. */
export function reportEarlyForce(deps: Pick<Dependencies, 'recorder'>, before: PhysicalHost): void {
  const early = earlyForceOf(before);
  if (early !== undefined)
    deps.recorder.event(before, 'Warning', 'ForceReleaseRefused', forceRefusedText(before, early));
}
