import { lookup, type LookupAddress, type LookupAllOptions } from 'node:dns';
import type { BlockList, LookupFunction } from 'node:net';
import { blockListOf, familyOf, isListed } from '../untrusted/addresses.ts';

/** Never a BMC's, whoever says so: this network, link-local with the metadata of clouds, multicast, broadcast. */
const NEVER: readonly string[] = [
  '0.0.0.0/8',
  '169.254.0.0/16',
  '224.0.0.0/4',
  '240.0.0.0/4',
  '::/128',
  'fe80::/10',
  'ff00::/8',
  // Metadata services outside of link-local: Alibaba and Oracle, AWS and Google by IPv6.
  '100.100.100.200/32',
  '192.0.0.0/24',
  'fd00:ec2::254/128',
  'fd20:ce::254/128',
];
/**
 * The IPv6 addresses by which a gateway leads to IPv4 ones: NAT64 (RFC 6052 §2.1), 6to4 (RFC 3056 §2), and the
 * deprecated IPv4-compatible ones (RFC 4291 §2.5.5.1). IPv4-mapped ones are the same address to a BlockList.
 */
function embedded(block: string): string[] {
  const [address = '', prefix = '32'] = block.split('/');
  if (familyOf(address) !== 'ipv4') return [];
  const [a = 0, b = 0, c = 0, d = 0] = address.split('.').map(Number);
  const pair = (high: number, low: number) => (high * 256 + low).toString(16);
  return [
    `64:ff9b::${address}/${96 + Number(prefix)}`,
    `::${address}/${96 + Number(prefix)}`,
    `2002:${pair(a, b)}:${pair(c, d)}::/${16 + Number(prefix)}`,
  ];
}

const LOOPBACK: readonly string[] = ['127.0.0.0/8', '::1/128'];

/** An address that nothing may be sent to: no connection is made. */
export class AddressRefused extends Error {
  override readonly name = 'AddressRefused';
  readonly code = 'EBMCADDRESS';
}

/** Where BMCs may be, as CIDR blocks or addresses. Throws an Error that names what is neither. */
export interface BmcNetworksOptions {
  /** Only these; absent or empty: anywhere but where no BMC is (`NEVER`, and what `refused` says). */
  readonly allowed?: readonly string[];
  /** Further ones that are refused where `allowed` is empty, such as the address of the API server. */
  readonly refused?: readonly string[];
  /** Whether a BMC may be at this machine itself where `allowed` is empty: simulated ones are. */
  readonly allowsLoopback?: boolean;
  /** Resolves names; default: as the system does. */
  readonly resolve?: (
    hostname: string,
    options: LookupAllOptions,
    done: (error: NodeJS.ErrnoException | null, addresses: LookupAddress[]) => void,
  ) => void;
}

/**
 * Which addresses BMCs may have. Whoever may create a PhysicalHost makes this process open connections, with
 * credentials of that namespace: each connection is checked by the address that is connected to, so that a name which
 * resolves to another one later is of no use.
 */
export class BmcNetworks {
  readonly #allowed: BlockList | undefined;
  readonly #refused: BlockList;
  readonly #allowedText: string;
  readonly #resolve: NonNullable<BmcNetworksOptions['resolve']>;

  constructor({ allowed = [], refused = [], allowsLoopback = true, resolve = lookup }: BmcNetworksOptions = {}) {
    this.#resolve = resolve;
    this.#allowed = allowed.length === 0 ? undefined : blockListOf(allowed);
    const all = [...NEVER, ...refused, ...(allowsLoopback ? [] : LOOPBACK)];
    this.#refused = blockListOf([...all, ...all.flatMap(embedded)]);
    this.#allowedText = allowed.join(', ');
  }

  /** Why no connection to an IP address is made; undefined: it is. */
  refusal(address: string): string | undefined {
    const plain = address.split('%')[0] ?? address;
    if (familyOf(plain) === undefined) return `${plain} is no IP address`;
    if (this.#allowed !== undefined) {
      if (isListed(plain, this.#allowed)) return undefined;
      return `${plain} is not in --bmc-networks (${this.#allowedText})`;
    }
    if (!isListed(plain, this.#refused)) return undefined;
    return `${plain} is no address of a BMC (this machine, link-local, metadata, multicast, or the API server); name the networks of BMCs by --bmc-networks`;
  }

  /** `dns.lookup` for `net.connect`, which leaves out the addresses that are refused. */
  readonly lookup: LookupFunction = (hostname, options, callback) => {
    this.#resolve(hostname, { ...options, all: true }, (error, found) => {
      if (error) return callback(error, '');
      const allowed = found.filter(({ address }) => this.refusal(address) === undefined);
      const [first] = allowed;
      if (first === undefined) {
        const why = found.map(({ address }) => this.refusal(address))[0] ?? 'it has no address';
        return callback(new AddressRefused(`${hostname} resolves to ${why}`), '');
      }
      if (options.all === true) return callback(null, allowed);
      callback(null, first.address, first.family);
    });
  };
}
