import type { PhysicalHost } from '../crds/physicalHost.ts';
import {
  duplicateOf,
  isAddressKey,
  isOfSeries,
  macsOf,
  serverKeys,
  sharedMacs,
  type Duplicate,
} from '../crds/sameServer.ts';
import type { Informers } from './informers.ts';
import { keyOf } from './store.ts';

type Hosts = Pick<Informers, 'hosts'>;

/** Another host for the same server, out of the cache, in all namespaces that are watched; see `duplicateOf`. */
export function duplicateIn(informers: Hosts, host: PhysicalHost): Duplicate | undefined {
  return duplicateOf(host, neighbours(informers, host), counter(informers));
}

/** A host that has a MAC address of this one, and that address; those of a series are left out. */
export function macSharedIn(
  informers: Hosts,
  host: PhysicalHost,
): { readonly other: PhysicalHost; readonly mac: string } | undefined {
  const count = counter(informers);
  for (const mac of macsOf(host)) {
    if (isOfSeries(count(mac))) continue;
    const others = informers.hosts.byIndex('byMac', mac).filter((other) => keyOf(other) !== keyOf(host));
    // In its own namespace first: that one may be named.
    const [other] = others.sort((a, b) => distance(host, a) - distance(host, b) || (keyOf(a) < keyOf(b) ? -1 : 1));
    if (other !== undefined && sharedMacs(host, other, count).includes(mac)) return { other, mac };
  }
  return undefined;
}

/** More hosts than that with one UUID or serial number are a series, whose text tells nothing: to compare each with each would not end. */
const MAX_SAME_TEXT = 256;

/** Hosts that may stand for the same server, or share a MAC address that is not one of a series. */
export function neighbours({ hosts }: Hosts, host: PhysicalHost): PhysicalHost[] {
  const found = new Map<string, PhysicalHost>();
  const add = (index: string, value: string, most: number) => {
    if (hosts.countByIndex(index, value) >= most) return;
    for (const other of hosts.byIndex(index, value)) found.set(keyOf(other), other);
  };
  for (const key of serverKeys(host)) add('byServer', key, isAddressKey(key) ? Infinity : MAX_SAME_TEXT);
  // With this host, which may not be in the cache yet.
  for (const mac of macsOf(host)) if (!isOfSeries(hosts.countByIndex('byMac', mac))) add('byMac', mac, Infinity);
  found.delete(keyOf(host));
  return [...found.values()];
}

function counter({ hosts }: Hosts): (mac: string) => number {
  return (mac) => hosts.countByIndex('byMac', mac);
}

function distance(host: PhysicalHost, other: PhysicalHost): number {
  return host.metadata.namespace === other.metadata.namespace ? 0 : 1;
}
