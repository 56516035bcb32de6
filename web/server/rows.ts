import type { Beskar7Machine } from '../../crds/beskar7Machine.ts';
import { findCondition } from '../../crds/conditions.ts';
import { LABEL_ZONE } from '../../crds/names.ts';
import type { PhysicalHost } from '../../crds/physicalHost.ts';
import { CONDITIONS } from '../../crds/reasons.ts';
import { alarmOf } from '../../model/alarms.ts';
import { namedConsumer, namedHost } from '../../model/references.ts';
import type { HostRow, MachineRow } from '../shared/api.ts';

/** Of a server with more ports the first ones are searched. */
const MAX_MACS = 16;

/** A host as the list shows it. */
export function hostRow(host: PhysicalHost): HostRow {
  const { metadata, spec, status } = host;
  const { manufacturer, model, serialNumber } = status?.hardware ?? {};
  const zone = metadata.labels?.[LABEL_ZONE];
  const bmc = findCondition(status?.conditions, CONDITIONS.redfishReachable)?.reason;
  const consumer = namedConsumer(host);
  const macs = [...(spec.bootMACAddress === undefined ? [] : [spec.bootMACAddress]), ...(status?.macAddresses ?? [])];
  return {
    namespace: metadata.namespace,
    name: metadata.name,
    state: status?.state ?? 'Enrolling',
    ...(manufacturer === undefined ? {} : { manufacturer }),
    ...(model === undefined ? {} : { model }),
    ...(serialNumber === undefined ? {} : { serial: serialNumber }),
    macs: [...new Set(macs.map((mac) => mac.toLowerCase()))].slice(0, MAX_MACS),
    ...(zone === undefined ? {} : { zone }),
    ...(status?.powerState === undefined ? {} : { power: status.powerState }),
    ...(bmc === undefined ? {} : { bmc }),
    ...(consumer === undefined ? {} : { consumer }),
    createdAt: metadata.creationTimestamp ?? '',
    revision: metadata.resourceVersion,
  };
}

/**
 * A machine as the list shows it. `since`: when its phase was seen to change; not given: when its condition last
 * changed, which is the best that the object itself tells.
 */
export function machineRow(machine: Beskar7Machine, since?: string): MachineRow {
  const { metadata, status } = machine;
  const condition = findCondition(status?.conditions, CONDITIONS.machineProvisioned);
  const alarm = alarmOf(machine);
  const told = alarm ?? condition;
  const host = namedHost(machine);
  const failureDomain = status?.failureDomain;
  return {
    namespace: metadata.namespace,
    name: metadata.name,
    phase: status?.phase ?? 'Pending',
    ...(host === undefined ? {} : { host }),
    ...(failureDomain === undefined ? {} : { zone: failureDomain }),
    ...(told === undefined ? {} : { reason: told.reason, message: told.message }),
    ...(alarm === undefined ? {} : { alarm: alarm.type }),
    ...(metadata.deletionTimestamp === undefined ? {} : { isDeleting: true }),
    since: since ?? condition?.lastTransitionTime ?? metadata.creationTimestamp ?? '',
    revision: metadata.resourceVersion,
  };
}
