import { isIP } from 'node:net';
import type { Conversation, ReadOptions } from './conversation.ts';
import { RedfishError } from './error.ts';
import { field, linkOf, listOf, objectOf, textOf, type JsonObject } from './json.ts';
import type { SystemReader } from './system.ts';

/** One network interface of the server as its BMC knows it. */
export interface NetworkAddress {
  /** `Id` of the interface. */
  interface: string;
  /** Lower case with colons; empty when the BMC does not say. */
  macAddress: string;
  /** IPv4 and IPv6 addresses, without prefix length. */
  addresses: string[];
}

const MAX_INTERFACES = 64;
const MAX_ADDRESSES = 32;

/**
 * The members of the system's EthernetInterfaces. A BMC without them, or with members that cannot be read, has fewer or
 * none: this only fails as the reading of the system does, and when the BMC is away, busy or refuses the credentials.
 */
export async function readNetworkAddresses(
  conversation: Conversation,
  system: SystemReader,
  options: ReadOptions,
): Promise<NetworkAddress[]> {
  const { json } = await system.read(conversation, options);
  const link = linkOf(json['EthernetInterfaces']);
  if (link === undefined) return [];
  const collection = await readIfThere(conversation, link, options);
  const found: NetworkAddress[] = [];
  for (const member of listOf(collection?.['Members'], MAX_INTERFACES)) {
    const path = linkOf(member);
    // Some services expand the members where they stand.
    const expanded = field(member, 'MACAddress') === undefined ? undefined : objectOf(member);
    const nic = expanded ?? (path === undefined ? undefined : await readIfThere(conversation, path, options));
    if (nic !== undefined) found.push(addressOf(nic, path));
  }
  return found;
}

async function readIfThere(conversation: Conversation, link: string, options: ReadOptions) {
  try {
    return (await conversation.get(conversation.resolve(link), options)).json;
  } catch (error) {
    if (error instanceof RedfishError && error.kind === 'Protocol') return undefined;
    throw error;
  }
}

function addressOf(nic: JsonObject, path: string | undefined): NetworkAddress {
  const mac = textOf(nic['MACAddress']) ?? textOf(nic['PermanentMACAddress']) ?? '';
  const addresses = ['IPv4Addresses', 'IPv6Addresses']
    .flatMap((key) => listOf(nic[key], MAX_ADDRESSES))
    .flatMap((entry) => textOf(field(entry, 'Address'))?.split('/')[0] ?? [])
    .filter((address) => isIP(address) !== 0 && address !== '0.0.0.0' && address !== '::');
  return {
    interface: textOf(nic['Id']) ?? textOf(nic['Name']) ?? path?.replace(/\/+$/, '').split('/').at(-1) ?? '',
    macAddress: /^([0-9a-f]{2}[:-]){5}[0-9a-f]{2}$/i.test(mac) ? mac.toLowerCase().replaceAll('-', ':') : '',
    addresses: [...new Set(addresses)],
  };
}
