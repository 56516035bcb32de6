import { isIP } from 'node:net';
import { readAdapterPorts } from './adapters.ts';
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

/** What a BMC tells of the server's network. */
export interface NetworkInventory {
  readonly interfaces: NetworkAddress[];
  /** Why something of it could not be read, in the BMC's own words where it has some; absent: all was read that there is. */
  readonly problem?: string;
}

const MAX_INTERFACES = 64;
const MAX_ADDRESSES = 32;
/** The interfaces behind `NetworkAdapters` are many small resources: no more of them are read than this. */
const MAX_READS = 64;

/** Reads resources of the network one by one, within a time, and remembers why one was not there to be read. */
export class NetworkReader {
  readonly #conversation: Conversation;
  readonly #expand: string | undefined;
  readonly #signal: AbortSignal | undefined;
  readonly #endMs: number;
  #reads = 0;
  problem: string | undefined;

  constructor(conversation: Conversation, expand: string | undefined, options: ReadOptions) {
    this.#conversation = conversation;
    this.#expand = expand;
    this.#signal = options.signal;
    this.#endMs = performance.now() + (options.timeoutMs ?? Number.POSITIVE_INFINITY);
  }

  /** A resource; undefined when it cannot be read, whatever the reason but a cancel: interfaces are a nicety. */
  async read(link: string): Promise<JsonObject | undefined> {
    const leftMs = this.#endMs - performance.now();
    if (leftMs <= 0 || this.#reads >= MAX_READS) {
      this.problem ??= leftMs <= 0 ? 'its BMC is slow, and there was no time left' : `only ${MAX_READS} were read`;
      return undefined;
    }
    this.#reads += 1;
    try {
      const timeoutMs = Math.min(leftMs, this.#conversation.config.callTimeoutMs);
      return (await this.#conversation.get(this.#conversation.resolve(link), { signal: this.#signal, timeoutMs })).json;
    } catch (error) {
      if (!(error instanceof RedfishError) || error.kind === 'Aborted') throw error;
      // That something is not there is an answer, too.
      if (error.status !== 404) this.problem ??= error.message;
      return undefined;
    }
  }

  /**
   * The members of a collection, page by page, at once where the service expands them (DSP0266 §"Expand"), else one by one. `max` of them: that
   * there are more is a `problem`, and so is one that is listed and not there.
   */
  async *members(link: string, max = MAX_INTERFACES): AsyncGenerator<{ path: string | undefined; json: JsonObject }> {
    let left = max;
    for (let page: string | undefined = link; page !== undefined;) {
      const collection: JsonObject | undefined = (await this.#expanded(page)) ?? (await this.read(page));
      for (const member of listOf(collection?.['Members'])) {
        if (left <= 0) return void (this.problem ??= `it lists more than ${max}`);
        left -= 1;
        const path = linkOf(member);
        const json = isExpanded(member) ? objectOf(member) : path === undefined ? undefined : await this.read(path);
        if (json !== undefined) yield { path, json };
        else this.problem ??= `${path ?? 'a member'} is listed by the BMC and is not there`;
      }
      page = linkOf(collection?.['Members@odata.nextLink']);
    }
  }

  async #expanded(link: string): Promise<JsonObject | undefined> {
    if (this.#expand === undefined || link.includes('?')) return undefined;
    const before = this.problem;
    const read = await this.read(`${link}?${this.#expand}`);
    // One that announces it and does not do it is asked in the plain way.
    this.problem = before;
    return read;
  }
}

function isExpanded(member: unknown): boolean {
  return Object.keys(objectOf(member) ?? {}).some((key) => !key.startsWith('@odata.'));
}

/**
 * The members of the system's EthernetInterfaces; where these tell no MAC address, the ports of its network adapters. What cannot be read is left
 * out, and `problem` says why. Only fails as the reading of the system does, and when it is cancelled. `timeoutMs` is for all of it.
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
 * In one form; empty for what is no MAC address of an interface: zeros of a port that has none, broadcast, multicast. Some BMCs write it
 * without separators.
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
