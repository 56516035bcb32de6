import type { IncomingMessage } from 'node:http';
import type { BlockList, Socket } from 'node:net';
import { familyOf, isListed } from '../untrusted/addresses.ts';

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
