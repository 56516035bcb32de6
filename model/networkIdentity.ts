import { BlockList, isIP } from 'node:net';

/**
 * A MAC address in one form (lower case, colons), from any of the forms in use (`0025909a1b2c`, dashes, dots);
 * undefined for what is none, for zeros, and for a group address (broadcast and multicast: IEEE 802-2014, 8.2.2).
 */
export function usableMac(text: string | undefined): string | undefined {
  const trimmed = (text ?? '').trim().toLowerCase();
  const isOne =
    /^([0-9a-f]{12}|([0-9a-f]{2}:){5}[0-9a-f]{2}|([0-9a-f]{2}-){5}[0-9a-f]{2}|([0-9a-f]{4}\.){2}[0-9a-f]{4})$/;
  if (!isOne.test(trimmed)) return undefined;
  const hex = trimmed.replace(/[:.-]/g, '');
  if (/^0+$/.test(hex) || (parseInt(hex.slice(0, 2), 16) & 1) === 1) return undefined;
  return (hex.match(/../g) ?? []).join(':');
}

/** Addresses at which no other machine reaches a server. */
const UNREACHABLE = new BlockList();
for (const [network, prefix] of [
  // This host, loopback, link-local, multicast, reserved with broadcast (RFC 6890).
  ['0.0.0.0', 8],
  ['127.0.0.0', 8],
  ['169.254.0.0', 16],
  ['224.0.0.0', 4],
  ['240.0.0.0', 4],
] as const) {
  UNREACHABLE.addSubnet(network, prefix, 'ipv4');
}
for (const [network, prefix] of [
  ['::', 128],
  ['::1', 128],
  ['fe80::', 10],
  ['ff00::', 8],
] as const) {
  UNREACHABLE.addSubnet(network, prefix, 'ipv6');
}

/**
 * An address (a prefix length and a zone aside) that leads others to the server; undefined for link-local, loopback and
 * the like.
 */
export function reachableAddress(text: string): string | undefined {
  const [bare = '', zone] = (text.trim().split('/')[0] ?? '').split('%');
  const family = isIP(bare);
  if (family === 0 || zone !== undefined) return undefined;
  // An IPv4 address in IPv6 is checked as what it is: BlockList compares the families apart.
  const [, inner] = /^::ffff:(\d+\.\d+\.\d+\.\d+)$/i.exec(bare) ?? [];
  if (inner !== undefined) return reachableAddress(inner);
  return UNREACHABLE.check(bare, family === 4 ? 'ipv4' : 'ipv6') ? undefined : bare;
}

/** Interfaces between a server and its own BMC, by the names that BMCs and Linux give them. */
const TO_MANAGER =
  /^(to_?manager|(host|bmc)[-_ ]?(usb|interface|eth.*)|usb[-_ ]?\w*|usb\d+|idrac|bmc\d*|cdc.*|rndis.*|enx.*usb.*|xclarity.*|ilo.*)$/i;

/**
 * Whether an interface leads to the server's own BMC only: by its name, or since its addresses are all link-local IPv4.
 */
export function leadsToManager(name: string, addresses: readonly string[]): boolean {
  if (TO_MANAGER.test(name.trim())) return true;
  const v4 = addresses.map((address) => address.split('/')[0] ?? '').filter((address) => isIP(address) === 4);
  return v4.length > 0 && v4.every((address) => address.startsWith('169.254.'));
}
