import type { PhysicalHost } from '../crds/physicalHost.ts';
import {
  duplicateOf,
  isAddressKey,
  isOfSeries,
  macsOf,
  serverKeys,
  sharedMacs,
  type CountMac,
  type Duplicate,
} from '../model/sameServer.ts';
import type { Informers } from './informers.ts';
import { keyOf } from '../kube/store.ts';

type Hosts = Pick<Informers, 'hosts'>;

/** Another host for the same server, out of the cache, in all namespaces that are watched; see `duplicateOf`. */
export function duplicateIn(informers: Hosts, host: PhysicalHost): Duplicate | undefined {
  return duplicateAmong(informers, host, neighbours(informers, host));
}

/** The same among hosts that were read live; how many have a MAC address is known of the cache only. */
export function duplicateAmong(
  informers: Hosts,
  host: PhysicalHost,
  others: readonly PhysicalHost[],
): Duplicate | undefined {
  return duplicateOf(host, others, counter(informers));
}

/** A host that has a MAC address of this one, and that address; those of a series are left out. */
export function macSharedIn(
  informers: Hosts,
  host: PhysicalHost,
): { readonly other: PhysicalHost; readonly mac: string } | undefined {
  const count = counter(informers);
  for (const mac of macsOf(host)) {
    const others = withMac(informers, host, mac);
    // In its own namespace first: that one may be named.
    const [other] = others.sort((a, b) => distance(host, a) - distance(host, b) || (keyOf(a) < keyOf(b) ? -1 : 1));
    if (other !== undefined && sharedMacs(host, other, count).includes(mac)) return { other, mac };
  }
  return undefined;
}

/**
 * Other hosts with a MAC address that is not one of a series: of all namespaces, or where other namespaces report it
 * too, of this one.
 */
function withMac({ hosts }: Hosts, host: PhysicalHost, mac: string): PhysicalHost[] {
  const own = within(host.metadata.namespace, mac);
  const found = isOfSeries(hosts.countByIndex('byMac', mac))
    ? isOfSeries(hosts.countByIndex('byMacWithin', own))
      ? []
      : hosts.byIndex('byMacWithin', own)
    : hosts.byIndex('byMac', mac);
  return found.filter((other) => keyOf(other) !== keyOf(host));
}

/**
 * More hosts than that with one UUID or serial number are a series, whose text tells nothing: to compare each with each
 * would not end.
 */
const MAX_SAME_TEXT = 256;

/** Hosts that may stand for the same server, or share a MAC address that is not one of a series. */
export function neighbours({ hosts }: Hosts, host: PhysicalHost): PhysicalHost[] {
  const found = new Map<string, PhysicalHost>();
  const add = (others: readonly PhysicalHost[]) => {
    for (const other of others) found.set(keyOf(other), other);
  };
  for (const key of serverKeys(host)) {
    const own = within(host.metadata.namespace, key);
    if (isAddressKey(key) || hosts.countByIndex('byServer', key) < MAX_SAME_TEXT) add(hosts.byIndex('byServer', key));
    // Hosts of other namespaces that report it in great numbers hide no neighbour.
    else if (hosts.countByIndex('byServerWithin', own) < MAX_SAME_TEXT) add(hosts.byIndex('byServerWithin', own));
  }
  for (const mac of macsOf(host)) add(withMac({ hosts }, host, mac));
  found.delete(keyOf(host));
  return [...found.values()];
}

function counter({ hosts }: Hosts): CountMac {
  return (mac, namespace) =>
    namespace === undefined
      ? hosts.countByIndex('byMac', mac)
      : hosts.countByIndex('byMacWithin', within(namespace, mac));
}

/** The value of an index that holds a namespace's hosts only (`byMacWithin`, `byServerWithin`). */
function within(namespace: string | undefined, value: string): string {
  return `${namespace ?? ''}/${value}`;
}

function distance(host: PhysicalHost, other: PhysicalHost): number {
  return host.metadata.namespace === other.metadata.namespace ? 0 : 1;
}
