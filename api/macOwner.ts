import { isUnclaimed } from '../model/claim.ts';
import { usableMac } from '../model/networkIdentity.ts';
import type { PhysicalHost } from '../crds/physicalHost.ts';
import { macsOf } from '../model/sameServer.ts';

/**
 * Of more hosts with one MAC address than that, none is looked at: cards of a series that were made with the same one.
 */
const MAX_COMPARED = 32;

/** Whose server a MAC address is. */
export type MacOwner =
  | { readonly kind: 'host'; readonly host: PhysicalHost }
  /** No host has it. */
  | { readonly kind: 'unknown' }
  /** Several hosts have it, and nothing tells whose it is. */
  | { readonly kind: 'contested'; readonly hosts: readonly PhysicalHost[] };

/** What the caches know, and whether a host's boot script may be fetched now. */
export interface MacFacts {
  readonly hostsByMac: (mac: string) => readonly PhysicalHost[];
  readonly mayBoot: (host: PhysicalHost) => boolean;
}

/**
 * Which host a MAC address stands for (rule 25). What a person wrote (`spec.bootMACAddress`) comes before what a BMC
 * tells, which may be a lie. Of several BMCs that tell it, the one that shares MAC addresses with the fewest other
 * hosts is believed: one that claims those of many shuts none of them out. Where that is the same for two, it is the
 * one host that may boot now, if the others are free (their servers are off). In doubt `contested`: a server that boots
 * with the token of another host would be the wrong one.
 */
export function ownerOfMac(mac: string, facts: MacFacts): MacOwner {
  const hosts = distinct(facts.hostsByMac(mac));
  const [only, second] = hosts;
  if (only === undefined) return { kind: 'unknown' };
  if (second === undefined) return { kind: 'host', host: only };
  const named = hosts.filter(({ spec }) => usableMac(spec.bootMACAddress) === usableMac(mac));
  if (named.length > 0) return one(named) ?? { kind: 'contested', hosts };
  if (hosts.length > MAX_COMPARED) return { kind: 'contested', hosts };
  const counted = hosts.map((host) => ({ host, shared: countSharing(host, facts) }));
  const least = Math.min(...counted.map(({ shared }) => shared));
  const honest = counted.filter(({ shared }) => shared === least).map(({ host }) => host);
  const booting = honest.filter((host) => facts.mayBoot(host));
  const areOthersOff = honest.every((host) => booting.includes(host) || isUnclaimed(host));
  return one(honest) ?? (areOthersOff ? one(booting) : undefined) ?? { kind: 'contested', hosts };
}

function one(hosts: readonly PhysicalHost[]): MacOwner | undefined {
  const [host] = hosts;
  return host !== undefined && hosts.length === 1 ? { kind: 'host', host } : undefined;
}

/** With how many other hosts one shares MAC addresses. */
function countSharing(host: PhysicalHost, { hostsByMac }: MacFacts): number {
  return distinct(macsOf(host).flatMap((mac) => hostsByMac(mac))).filter((other) => keyOf(other) !== keyOf(host))
    .length;
}

function distinct(hosts: readonly PhysicalHost[]): PhysicalHost[] {
  return [...new Map(hosts.map((host) => [keyOf(host), host])).values()];
}

function keyOf({ metadata }: PhysicalHost): string {
  return `${metadata.namespace}/${metadata.name}`;
}
