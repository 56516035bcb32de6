import { BlockList, isIP } from 'node:net';

/** The addresses and CIDR blocks as a list to check against. Throws an Error that names what is neither. */
export function blockListOf(entries: readonly string[]): BlockList {
  const blocks = new BlockList();
  for (const entry of entries) {
    const [address = '', prefix, ...rest] = entry.split('/');
    const family = familyOf(address);
    const bits = family === 'ipv6' ? 128 : 32;
    const length = prefix === undefined ? bits : /^\d{1,3}$/.test(prefix) ? Number(prefix) : Infinity;
    if (family === undefined || length > bits || rest.length > 0)
      throw new Error(`"${entry}" is no IP address and no CIDR block`);
    blocks.addSubnet(address, length, family);
  }
  return blocks;
}

/** Whether an address is one of the list. */
export function isListed(address: string, list: BlockList): boolean {
  const family = familyOf(address);
  return family !== undefined && list.check(address, family);
}

/** Undefined: it is no IP address. */
export function familyOf(address: string): 'ipv4' | 'ipv6' | undefined {
  const version = isIP(address);
  return version === 0 ? undefined : version === 4 ? 'ipv4' : 'ipv6';
}
