import { ANNOTATION_FORCE_RELEASE } from './names.ts';
import type { PhysicalHost } from './physicalHost.ts';

/** Why an operator ends a release without the BMC (`beskar7.io/force-release`); undefined: nobody has said so. A blank text is no reason. */
export function forceReasonOf({ metadata }: Pick<PhysicalHost, 'metadata'>): string | undefined {
  const reason = metadata.annotations?.[ANNOTATION_FORCE_RELEASE]?.trim();
  return reason === '' ? undefined : reason;
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
