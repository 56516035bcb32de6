import type { ConditionPatch } from '../../crds/conditions.ts';
import { ANNOTATION_ACCEPT_SERVER, ANNOTATION_SERVER } from '../../crds/names.ts';
import { leadsToManager, reachableAddress, usableMac } from '../../model/networkIdentity.ts';
import type { PhysicalHost } from '../../crds/physicalHost.ts';
import { CONDITIONS } from '../../crds/reasons.ts';
import {
  compareServer,
  isAccepted,
  isRecordedPlace,
  recordedServer,
  recordOf,
  serializeServer,
  type ServerShown,
} from '../../model/serverIdentity.ts';
import type { NetworkAddress, NetworkInventory, SystemInfo } from '../../redfish/index.ts';
import type { Dependencies } from '../dependencies.ts';
import { claimLost, differentServer } from '../failures.ts';
import { patchHost, type StatusPatch } from '../store/hostStore.ts';
import { sharedMessage, whyDifferent } from '../bmc/serverCheck.ts';

/** What an enrolment found behind a BMC address. */
export interface FoundServer {
  readonly info: SystemInfo;
  readonly network: NetworkInventory;
  readonly shown: ServerShown;
}

/**
 * Records which server a host stands for, and gives the host as it is then. At an address that the host had before,
 * another server than was recorded fails (`DifferentServer`) unless a person has accepted it: a lease or a swapped sled
 * is no order to take what is there. A host whose address was changed is meant for what is found there. Fails
 * (`DuplicateServer`) where another host for the same server comes first.
 */
export async function recordServer(
  deps: Pick<Dependencies, 'kube' | 'caches' | 'recorder'>,
  host: PhysicalHost,
  found: FoundServer,
  mayStill: (live: PhysicalHost) => boolean,
): Promise<PhysicalHost> {
  const { shown } = found;
  requireOwn(host, shown);
  const before = recordedServer(host);
  const now = new Date().toISOString();
  const recorded = await patchHost(
    deps.kube,
    { namespace: host.metadata.namespace, host: host.metadata.name },
    (live) => {
      if (!mayStill(live)) throw claimLost(`host ${host.metadata.name} is claimed, paused or going`);
      requireOwn(live, shown);
      const { annotations = {} } = live.metadata;
      const record = serializeServer(recordOf(live.spec, shown, recordedServer(live), now));
      if (annotations[ANNOTATION_SERVER] === record && annotations[ANNOTATION_ACCEPT_SERVER] === undefined)
        return undefined;
      return { metadata: { annotations: { [ANNOTATION_SERVER]: record, [ANNOTATION_ACCEPT_SERVER]: null } } };
    },
    host,
  );
  if (before !== undefined && isRecordedPlace(host, before) && compareServer(before, shown) !== 'same') {
    const message = `The server behind its BMC address was accepted (${ANNOTATION_ACCEPT_SERVER}) and is enrolled in place of the earlier one.`;
    deps.recorder.event(host, 'Warning', 'ServerAccepted', message);
  }
  const macAddresses = macsFound(found.network.interfaces);
  const duplicate = deps.caches.duplicateOf({ ...recorded, status: { ...recorded.status, macAddresses } });
  if (duplicate !== undefined && !duplicate.isFirst)
    throw differentServer(sharedMessage(recorded, duplicate), 'DuplicateServer');
  return recorded;
}

function requireOwn(host: PhysicalHost, shown: ServerShown): void {
  const recorded = recordedServer(host);
  if (recorded === undefined || !isRecordedPlace(host, recorded)) return;
  const why = whyDifferent(host, shown);
  if (why !== undefined) throw differentServer(`it is not offered to machines: ${why}`, 'DifferentServer');
}

/** Whether another server than before is enrolled: what is known of the earlier one is not true of it. */
export function isAnotherServer(host: PhysicalHost, shown: ServerShown): boolean {
  const before = recordedServer(host);
  if (before === undefined) return false;
  return !isRecordedPlace(host, before) || compareServer(before, shown) !== 'same' || isAccepted(host, shown);
}

/** Takes away what was known of a server that the host stands for no longer. */
export function forgottenServer(): StatusPatch {
  return {
    inspectionReport: null,
    inspectionPhase: null,
    inspectionTimestamp: null,
    releasedAt: null,
    lastFailure: null,
    hardware: null,
    macAddresses: null,
    addresses: null,
    powerState: null,
  };
}

/** What is written of a server: as much as its BMC tells, one line each. */
export function hardwareFound({ info, shown }: FoundServer) {
  const { manufacturer, model, serialNumber } = info;
  return {
    manufacturer: manufacturer ? manufacturer.slice(0, 256) : null,
    model: model ? model.slice(0, 256) : null,
    serialNumber: serialNumber ? serialNumber.slice(0, 256) : null,
    uuid: shown.uuid?.slice(0, 256) ?? null,
  };
}

/**
 * MAC addresses by which the server can be told: not that of the interface to its own BMC, which a series may share.
 */
export function macsFound(nics: readonly NetworkAddress[]): string[] {
  const macs = ownNics(nics).map(({ macAddress }) => usableMac(macAddress));
  return [...new Set(macs.filter((mac) => mac !== undefined))].slice(0, 128);
}

/** Addresses at which others reach the server. */
export function addressesFound(nics: readonly NetworkAddress[]) {
  const all = ownNics(nics)
    .flatMap(({ addresses }) => addresses)
    .map(reachableAddress)
    .filter((address) => address !== undefined);
  return [...new Set(all)].slice(0, 128).map((address) => ({ type: 'InternalIP' as const, address }));
}

function ownNics(nics: readonly NetworkAddress[]): readonly NetworkAddress[] {
  return nics.filter((nic) => !leadsToManager(nic.interface, nic.addresses));
}

/**
 * The condition where the host's boot MAC address is none of those that its BMC tells; undefined where it is, where
 * nothing is told, or where what is told is not all there is, since interfaces could not be read.
 */
export function bootMacUnknown(
  { spec }: PhysicalHost,
  { interfaces: nics, problem }: FoundServer['network'],
): ConditionPatch | undefined {
  if (problem !== undefined) return undefined;
  const wanted = usableMac(spec.bootMACAddress);
  const told = [...new Set(nics.map(({ macAddress }) => usableMac(macAddress)).filter((mac) => mac !== undefined))];
  if (spec.bootMACAddress === undefined || told.length === 0 || (wanted !== undefined && told.includes(wanted)))
    return undefined;
  const list = told.slice(0, 8).join(', ') + (told.length > 8 ? ', …' : '');
  const message =
    `spec.bootMACAddress ${spec.bootMACAddress} is none of the MAC addresses that the BMC tells (${list}): correct it. ` +
    'If it is that of a card which the BMC does not list, nothing is wrong; machines prefer other hosts.';
  return { type: CONDITIONS.bootMACUnknown, status: 'True', reason: 'NotTold', message };
}
