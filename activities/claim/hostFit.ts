import { findCondition } from '../../crds/conditions.ts';
import { mismatch, type Demand } from '../../model/demand.ts';
import { whyNotOffered } from '../../model/offer.ts';
import type { PhysicalHost } from '../../crds/physicalHost.ts';
import { CONDITIONS } from '../../crds/reasons.ts';

/** Whether a host may be claimed for the demand. */
export function fits(host: PhysicalHost, demand: Demand): boolean {
  return unfitReason(host, demand) === undefined;
}

/**
 * Hosts in the order in which a machine tries them: those whose BMC answers before those whose BMC is known not to, in
 * between those on which the last run failed, and those whose boot MAC address the BMC does not know; among these,
 * those that were released just now last: the machine that takes the place of one that failed gets another server,
 * where there is one. Within all that by rendezvous hash, so that many machines spread over them (rule 8).
 */
export function byPreference(hosts: readonly PhysicalHost[], machineUid: string, nowMs = Date.now()): PhysicalHost[] {
  const ranked = hosts.map((host) => {
    const { conditions, lastFailure } = host.status ?? {};
    const isAway = findCondition(conditions, CONDITIONS.redfishReachable)?.status === 'False';
    // Its BMC may leave out a card that is there: it is tried, after those that are surer.
    const mayNotBoot = findCondition(conditions, CONDITIONS.bootMACUnknown)?.status === 'True';
    const tier = isAway ? 0 : lastFailure !== undefined ? 1 : mayNotBoot ? 2 : 3;
    // Below 2 ** 53, and those that are surer above the others.
    const step = tier * RESTS.length + restOf(host, nowMs);
    return { host, rank: spread(`${machineUid}/${host.metadata.uid ?? ''}`) + step * 2 ** 32 };
  });
  return ranked.sort((a, b) => b.rank - a.rank).map(({ host }) => host);
}

/**
 * Up to which age of its last release, in ms, a host is behind those that were released longer ago; the last one is for
 * all older releases, and for none. Few steps: within one, machines that choose at the same time do not collide.
 */
const RESTS = [60_000, 240_000, 960_000, 3_840_000, Infinity];

function restOf({ status }: PhysicalHost, nowMs: number): number {
  const ageMs = nowMs - Date.parse(status?.releasedAt ?? '');
  return Number.isNaN(ageMs) ? RESTS.length - 1 : RESTS.findIndex((limitMs) => ageMs < limitMs || limitMs === Infinity);
}

/**
 * 32 bits that look random (FNV-1a, mixed as MurmurHash3 ends): nothing is kept secret by it, and it is asked for each
 * host of a fleet.
 */
function spread(text: string): number {
  let hash = 0x811c9dc5;
  for (let at = 0; at < text.length; at += 1) hash = Math.imul(hash ^ text.charCodeAt(at), 0x01000193);
  hash = Math.imul(hash ^ (hash >>> 16), 0x85ebca6b);
  hash = Math.imul(hash ^ (hash >>> 13), 0xc2b2ae35);
  return (hash ^ (hash >>> 16)) >>> 0;
}

/** Why a host is not claimed, in words that follow a count ("3 not Available"); undefined when it fits. */
export function unfitReason(host: PhysicalHost, demand: Demand): string | undefined {
  return whyNotOffered(host) ?? mismatch(host, demand);
}
