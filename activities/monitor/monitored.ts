import { claimIn, isUnclaimed } from '../../model/claim.ts';
import { findCondition } from '../../crds/conditions.ts';
import { connectionHash } from '../../model/connection.ts';
import { isBeingDeleted, stopOf } from '../../model/stops.ts';
import { ANNOTATION_CLAIM } from '../../crds/names.ts';
import type { PhysicalHost } from '../../crds/physicalHost.ts';
import { CONDITIONS } from '../../crds/reasons.ts';

/**
 * Whether the monitor looks at a host now: enrolled and free, or handed over. Others are watched by the run that
 * enrolls, provisions or releases them; what is paused, moved away or about to be retired is left alone.
 */
export function isMonitored(host: PhysicalHost): boolean {
  if (stopOf(host, ['Paused', 'Moving'])) return false;
  if (findCondition(host.status?.conditions, CONDITIONS.paused)?.status === 'True') return false;
  if (isUnclaimed(host)) {
    const { state, enrollment } = host.status ?? {};
    if (isBeingDeleted(host) || state !== 'Available') return false;
    return enrollment?.connectionHash === connectionHash(host.spec);
  }
  // A consumer without a claim: the annotations of a handed-over host were lost.
  return host.metadata.annotations?.[ANNOTATION_CLAIM] === undefined || claimIn(host, 'HandedOver') !== undefined;
}

/** In which of `shards` a host is, and where in the interval its turn comes (from 0 to 1); the same in each process. */
export function placeOf(
  host: { namespace: string; name: string },
  shards: number,
): { readonly shard: number; readonly phase: number } {
  const hash = fnv1a(`${host.namespace}/${host.name}`);
  return { shard: hash % shards, phase: (Math.floor(hash / shards) % 4096) / 4096 };
}

/** 32-bit FNV-1a with a last mixing, since its low bits alone are poor. */
function fnv1a(text: string): number {
  let hash = 0x811c9dc5;
  for (let at = 0; at < text.length; at += 1) hash = Math.imul(hash ^ text.charCodeAt(at), 0x01000193);
  hash = Math.imul(hash ^ (hash >>> 16), 0x85ebca6b);
  hash = Math.imul(hash ^ (hash >>> 13), 0xc2b2ae35);
  return (hash ^ (hash >>> 16)) >>> 0;
}
