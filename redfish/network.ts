import { isIP } from 'node:net';
import { readAdapterPorts } from './adapters.ts';
import type { Conversation } from './conversation.ts';
import { field, linkOf, listOf, textOf, type JsonObject } from './json.ts';
import { NetworkReader } from './networkReader.ts';
import type { ReadOptions } from './requests.ts';
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

/** What a BMC tells of the server's network. */
export interface NetworkInventory {
  readonly interfaces: NetworkAddress[];
  /**
   * Why something of it could not be read, in the BMC's own words where it has some; absent: all was read that there
   * is.
   */
  readonly problem?: string;
}

const MAX_ADDRESSES = 32;

/**
 * The members of the system's EthernetInterfaces; where these tell no MAC address, the ports of its network adapters.
 * What cannot be read is left out, and `problem` says why. Only fails as the reading of the system does, and when it is
 * cancelled. `timeoutMs` is for all of it.
 */
export async function readNetwork(
  conversation: Conversation,
  system: SystemReader,
  options: ReadOptions,
): Promise<NetworkInventory> {
  const { json } = await system.read(conversation, { ...options, maxAgeMs: SYSTEM_AGE_MS });
  const reader = new NetworkReader(conversation, system.expandQuery, options);
  const interfaces: NetworkAddress[] = [];
  const link = linkOf(json['EthernetInterfaces']);
  if (link !== undefined)
    for await (const { json: nic, path } of reader.members(link)) interfaces.push(addressOf(nic, path));
  if (!interfaces.some(({ macAddress }) => macAddress !== ''))
    for (const { name, mac } of await readAdapterPorts(reader, json)) {
      const macAddress = macIn(mac);
      if (macAddress !== '') interfaces.push({ interface: name, macAddress, addresses: [] });
    }
  return { interfaces, ...(reader.problem === undefined ? {} : { problem: reader.problem }) };
}

/** The links of a system do not change: what enrolment has just read of it is good enough. */
const SYSTEM_AGE_MS = 60_000;

/**
 * In one form; empty for what is no MAC address of an interface: zeros of a port that has none, broadcast, multicast.
 * Some BMCs write it without separators.
 */
function macIn(text: string): string {
  const hex = text.trim().toLowerCase().replace(/[:.-]/g, '');
  if (!/^[0-9a-f]{12}$/.test(hex) || /^0{12}$/.test(hex)) return '';
  const isGroup = (parseInt(hex.slice(0, 2), 16) & 1) === 1;
  return isGroup ? '' : (hex.match(/../g) ?? []).join(':');
}

function addressOf(nic: JsonObject, path: string | undefined): NetworkAddress {
  const macs = [nic['MACAddress'], nic['PermanentMACAddress']].map((mac) => macIn(textOf(mac) ?? ''));
  const addresses = ['IPv4Addresses', 'IPv6Addresses']
    .flatMap((key) => listOf(nic[key], MAX_ADDRESSES))
    .flatMap((entry) => textOf(field(entry, 'Address'))?.split('/')[0] ?? [])
    .filter((address) => isIP(address) !== 0 && address !== '0.0.0.0' && address !== '::');
  return {
    interface: textOf(nic['Id']) ?? textOf(nic['Name']) ?? path?.replace(/\/+$/, '').split('/').at(-1) ?? '',
    macAddress: macs.find((mac) => mac !== '') ?? '',
    addresses: [...new Set(addresses)],
  };
}
