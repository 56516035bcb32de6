import { leadsToManager, reachableAddress } from '../../model/networkIdentity.ts';
import type { PhysicalHost } from '../../crds/physicalHost.ts';
import type { MachineAddress } from '../../crds/schema.ts';

/**
 * Where the server is reached: by the report of this claim first, then by what was known `before` the status was lost,
 * then by what the BMC told at enrolment. The first one may become the endpoint of a control plane.
 */
export function machineAddresses(host: PhysicalHost, before: readonly MachineAddress[] = []): MachineAddress[] {
  const nics = (host.status?.inspectionReport?.nics ?? []).filter(
    (nic) => !leadsToManager(nic.interface ?? '', nic.ipAddresses ?? []),
  );
  const reported = nics
    .flatMap((nic) => nic.ipAddresses ?? [])
    .map((address) => ({ type: 'InternalIP' as const, address }));
  const all: MachineAddress[] = [
    { type: 'Hostname', address: host.metadata.name },
    ...[...reported, ...before, ...(host.status?.addresses ?? [])].flatMap(reachable),
  ];
  return [...new Map(all.map((entry) => [`${entry.type} ${entry.address}`, entry])).values()].slice(0, 128);
}

/** Link-local, loopback and the like lead no other machine to the server; names stay. */
function reachable(entry: MachineAddress): MachineAddress[] {
  if (entry.type !== 'InternalIP' && entry.type !== 'ExternalIP') return [entry];
  const address = reachableAddress(entry.address);
  return address === undefined ? [] : [{ ...entry, address }];
}
