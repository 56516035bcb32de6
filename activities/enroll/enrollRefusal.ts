import type { PhysicalHost } from '../../crds/physicalHost.ts';
import { isUnclaimed } from '../../model/claim.ts';
import { stopOf } from '../../model/stops.ts';

/** What `refusal` says of a claimed host: its Secrets are marked all the same. */
export const CLAIMED = 'is claimed';

/** Why a host is not enrolled now, as the end of a sentence about it; undefined: it is. */
export function refusal(host: PhysicalHost | undefined, uid: string): string | undefined {
  if (!host || host.metadata.uid !== uid) return `(uid ${uid}) is gone`;
  const stop = stopOf(host, ['Deleting', 'Moving', 'Paused']);
  if (stop) return stop.text;
  if (!isUnclaimed(host)) return CLAIMED;
  return undefined;
}
