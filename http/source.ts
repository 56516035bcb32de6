import type { IncomingMessage } from 'node:http';
import { BlockList, isIP, type Socket } from 'node:net';

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
 * The address that a request came from, without the IPv6 form of an IPv4 address. X-Forwarded-For is believed from
 * trusted proxies only, from the right, up to the first address that is not one of them; what is malformed is not
 * believed at all.
 */
export function sourceOf(
  request: { readonly socket: Pick<Socket, 'remoteAddress'>; readonly headers: IncomingMessage['headers'] },
  trusted: BlockList,
): string {
  let source = plain(request.socket.remoteAddress ?? 'unknown');
  const forwarded = [request.headers['x-forwarded-for'] ?? []].flat().join(',').split(',').reverse();
  for (const hop of forwarded) {
    const address = plain(hop.trim());
    if (!isListed(source, trusted) || familyOf(address) === undefined) return source;
    source = address;
  }
  return source;
}

/** Whether an address is one of the list. */
export function isListed(address: string, list: BlockList): boolean {
  const family = familyOf(address);
  return family !== undefined && list.check(address, family);
}

/**
 * Whose budget an address takes from: an IPv4 address its own, an IPv6 address that of its /64, since whoever has one
 * of these has them all (RFC 4291 §2.5.4).
 */
export function budgetOf(source: string): string {
  const [address = ''] = source.split('%');
  if (familyOf(address) !== 'ipv6') return source;
  const [before = '', after] = address.split('::');
  const head = before.split(':').filter((group) => group !== '');
  const tail = (after ?? '').split(':').filter((group) => group !== '');
  // An IPv4 address at the end stands for two groups.
  const length = head.length + tail.length + (address.includes('.') ? 1 : 0);
  const groups = after === undefined ? head : [...head, ...Array<string>(8 - length).fill('0'), ...tail];
  return `${groups
    .slice(0, 4)
    .map((group) => Number.parseInt(group, 16).toString(16))
    .join(':')}::/64`;
}

function plain(address: string): string {
  return address.replace(/^::ffff:(?=\d+\.)/, '');
}

function familyOf(address: string): 'ipv4' | 'ipv6' | undefined {
  const version = isIP(address);
  return version === 0 ? undefined : version === 4 ? 'ipv4' : 'ipv6';
}
