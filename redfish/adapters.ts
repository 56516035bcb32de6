import { field, linkOf, listOf, textOf, type JsonObject } from './json.ts';
import type { NetworkReader } from './networkReader.ts';

/** A port of a network adapter; `mac` as its BMC writes it. */
interface Port {
  readonly name: string;
  readonly mac: string;
}

/** Where the MAC addresses of an adapter, or of its NetworkInterface, can stand: the first that has some counts. */
const COLLECTIONS: readonly { readonly link: string; macs(member: JsonObject): readonly unknown[] }[] = [
  { link: 'Ports', macs: (port) => listOf(field(port, 'Ethernet', 'AssociatedMACAddresses')) },
  { link: 'NetworkPorts', macs: (port) => listOf(port['AssociatedNetworkAddresses']) },
  {
    link: 'NetworkDeviceFunctions',
    macs: (port) => [field(port, 'Ethernet', 'MACAddress') ?? field(port, 'Ethernet', 'PermanentMACAddress')],
  },
];

/**
 * MAC addresses of a server whose BMC has no EthernetInterfaces: of the ports of its NetworkInterfaces, or of the
 * NetworkAdapters of its chassis (DSP2046 NetworkAdapter, Port, NetworkPort, NetworkDeviceFunction).
 */
export async function readAdapterPorts(reader: NetworkReader, system: JsonObject): Promise<Port[]> {
  const ports: Port[] = [];
  const interfaces = linkOf(system['NetworkInterfaces']);
  if (interfaces !== undefined)
    for await (const { json } of reader.members(interfaces)) ports.push(...(await portsOf(reader, json)));
  if (ports.length > 0) return ports;
  for (const link of listOf(field(system, 'Links', 'Chassis'), 4)) {
    const chassis = linkOf(link);
    const adapters = chassis && linkOf((await reader.read(chassis))?.['NetworkAdapters']);
    if (adapters) for await (const { json } of reader.members(adapters)) ports.push(...(await portsOf(reader, json)));
  }
  return ports;
}

async function portsOf(reader: NetworkReader, adapter: JsonObject): Promise<Port[]> {
  const ports: Port[] = [];
  for (const { link, macs } of COLLECTIONS) {
    const collection = linkOf(adapter[link]);
    if (collection === undefined) continue;
    for await (const { path, json } of reader.members(collection)) {
      const name = textOf(json['Id']) ?? path?.replace(/\/+$/, '').split('/').at(-1) ?? '';
      ports.push(...macs(json).flatMap((mac) => ({ name, mac: textOf(mac) ?? '' })));
    }
    if (ports.some(({ mac }) => mac !== '')) break;
  }
  return ports;
}
