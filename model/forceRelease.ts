import { claimOf } from './claim.ts';
import { ANNOTATION_FORCE_RELEASE } from '../crds/names.ts';
import type { PhysicalHost } from '../crds/physicalHost.ts';

/** A value may start with the id of the claim that it is meant for. */
const UUID = /^[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}(?![0-9a-f-])/i;

/**
 * Why an operator ends a release without the BMC (`beskar7.io/force-release`); undefined: that was not asked for. A
 * blank text is no reason. One that starts with the id of another claim than the host's is not meant for this one.
 */
export function forceReasonOf(host: Pick<PhysicalHost, 'metadata'>): string | undefined {
  const reason = textOf(host);
  const named = reason === undefined ? undefined : UUID.exec(reason)?.[0];
  const claim = claimOf(host);
  return named !== undefined && claim !== undefined && claim.id !== named ? undefined : reason;
}

/**
 * The force-release that a host carries before its release has started, and that does not name its claim: it would lie
 * in wait and free a live host at the first failure of its BMC, however long ago it was set. Whoever starts the release
 * removes it.
 */
export function earlyForceOf(host: Pick<PhysicalHost, 'metadata'>): string | undefined {
  const reason = textOf(host);
  const id = claimOf(host)?.id;
  return reason === undefined || (id !== undefined && reason.startsWith(id)) ? undefined : reason;
}

function textOf({ metadata }: Pick<PhysicalHost, 'metadata'>): string | undefined {
  const reason = metadata.annotations?.[ANNOTATION_FORCE_RELEASE]?.trim();
  return reason === '' ? undefined : reason;
}

/** For the event `ForceReleaseRefused`: what was removed, why, and what to do. */
export function forceRefusedText(host: Pick<PhysicalHost, 'metadata'>, reason: string): string {
  return (
    `The annotation ${ANNOTATION_FORCE_RELEASE} ("${reason.slice(0, 200)}") was set before a release of this host started, or for another claim. It has no effect and was removed: ` +
    `it counts only for a release that is under way, for a deletion that the host says it cannot finish, or once the host says ConsumerMissing. If its BMC fails then, set it again: ${forceReleaseCommand(host.metadata)}`
  );
}

/** What to type for it. */
export function forceReleaseCommand({
  namespace = '',
  name,
}: {
  readonly namespace?: string;
  readonly name: string;
}): string {
  return `kubectl annotate physicalhost ${name} -n ${namespace} ${ANNOTATION_FORCE_RELEASE}="<reason>"`;
}
