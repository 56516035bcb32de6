import type { IncomingMessage } from 'node:http';
import { BlockList, isIP } from 'node:net';

/** The addresses and CIDR blocks as a list to check against. Throws an Error that names what is neither. */
export function blockListOf(entries: readonly string[]): BlockList {
  const blocks = new BlockList();
  for (const entry of entries) {
    const [address = '', prefix] = entry.split('/');
    const family = familyOf(address);
    const bits = family === 'ipv6' ? 128 : 32;
    const length = prefix === undefined ? bits : Number(prefix);
    const isPrefix = prefix === undefined || (/^\d{1,3}$/.test(prefix) && length <= bits);
    if (family === undefined || !isPrefix) throw new Error(`"${entry}" is no IP address and no CIDR block`);
    blocks.addSubnet(address, length, family);
  }
  return blocks;
}

/**
 * The address that a request came from, without the IPv6 form of an IPv4 address. X-Forwarded-For is believed from trusted proxies only,
 * from the right, up to the first address that is not one of them; what is malformed is not believed at all.
 */
export function sourceOf(request: Pick<IncomingMessage, 'socket' | 'headers'>, trusted: BlockList): string {
  let source = plain(request.socket.remoteAddress ?? 'unknown');
  const forwarded = [request.headers['x-forwarded-for'] ?? []].flat().join(',').split(',').reverse();
  for (const hop of forwarded) {
    const family = familyOf(source);
    const address = plain(hop.trim());
    if (family === undefined || !trusted.check(source, family) || familyOf(address) === undefined) return source;
    source = address;
  }
  return source;
}

function plain(address: string): string {
  return address.replace(/^::ffff:(?=\d+\.)/, '');
}

function familyOf(address: string): 'ipv4' | 'ipv6' | undefined {
  const version = isIP(address);
  return version === 0 ? undefined : version === 4 ? 'ipv4' : 'ipv6';
}
