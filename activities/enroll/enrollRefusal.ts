import { ANNOTATION_DELETE_FOR_MOVE, ANNOTATION_PAUSED } from '../../crds/names.ts';
import type { PhysicalHost } from '../../crds/physicalHost.ts';
import { isUnclaimed } from '../../model/claim.ts';

/** What `refusal` says of a claimed host: its Secrets are marked all the same. */
export const CLAIMED = 'is claimed';

/** Why a host is not enrolled now, as the end of a sentence about it; undefined: it is. */
export function refusal(host: PhysicalHost | undefined, uid: string): string | undefined {
  if (!host || host.metadata.uid !== uid) return `(uid ${uid}) is gone`;
  const { annotations = {}, deletionTimestamp } = host.metadata;
  if (deletionTimestamp !== undefined) return 'is being deleted';
  if (annotations[ANNOTATION_DELETE_FOR_MOVE] !== undefined) return 'is being moved';
  if (annotations[ANNOTATION_PAUSED] !== undefined) return 'is paused';
  if (!isUnclaimed(host)) return CLAIMED;
  return undefined;
}
