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
 * between those whose boot MAC address the BMC does not know, and within each by rendezvous hash, so that many machines
 * spread over them (rule 8).
 */
export function byPreference(hosts: readonly PhysicalHost[], machineUid: string): PhysicalHost[] {
  const ranked = hosts.map((host) => {
    const { conditions } = host.status ?? {};
    const isAway = findCondition(conditions, CONDITIONS.redfishReachable)?.status === 'False';
    // Its BMC may leave out a card that is there: it is tried, after those that are surer.
    const mayNotBoot = findCondition(conditions, CONDITIONS.bootMACUnknown)?.status === 'True';
    const tier = isAway ? 0 : mayNotBoot ? 1 : 2;
    // Below 2 ** 53, and those that are surer above the others.
    return { host, rank: spread(`${machineUid}/${host.metadata.uid ?? ''}`) + tier * 2 ** 32 };
  });
  return ranked.sort((a, b) => b.rank - a.rank).map(({ host }) => host);
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
