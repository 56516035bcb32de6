import { diskKind, diskBytes } from './reportTotals.ts';
import { diskSize, linkSpeed, memorySize } from './measures.ts';
import type { InspectionReport } from './api.ts';

/** One difference between two reports. `before` absent: it is new; `after` absent: it is gone. */
export interface Change {
  readonly group: 'System' | 'Processors' | 'Memory' | 'Disks' | 'Network' | 'Controllers' | 'Accelerators';
  readonly what: string;
  readonly before?: string;
  readonly after?: string;
}

/** A part of a server: its identity and its description. */
interface Part {
  readonly key: string;
  readonly says: string;
}

/**
 * What changed between two reports of a host. A part is known by what stays with it (serial number of a disk, MAC
 * address of a NIC, slot of a DIMM), so that a disk that only got another device name shows as one change and not as
 * two.
 */
export function diffReports(before: InspectionReport, after: InspectionReport): Change[] {
  return [
    ...diffParts('System', systemParts(before), systemParts(after)),
    ...diffParts('Processors', cpuParts(before), cpuParts(after)),
    ...diffParts('Memory', dimmParts(before), dimmParts(after)),
    ...diffParts('Disks', diskParts(before), diskParts(after)),
    ...diffParts('Network', nicParts(before), nicParts(after)),
    ...diffParts('Controllers', deviceParts(before.storageControllers), deviceParts(after.storageControllers)),
    ...diffParts('Accelerators', deviceParts(before.accelerators), deviceParts(after.accelerators)),
  ];
}

function diffParts(group: Change['group'], before: readonly Part[], after: readonly Part[]): Change[] {
  const old = new Map(unique(before).map((part) => [part.key, part.says]));
  const fresh = new Map(unique(after).map((part) => [part.key, part.says]));
  const changes: Change[] = [];
  for (const [what, says] of old) {
    const now = fresh.get(what);
    if (now === undefined) changes.push({ group, what, before: says });
    else if (now !== says) changes.push({ group, what, before: says, after: now });
  }
  for (const [what, says] of fresh) if (!old.has(what)) changes.push({ group, what, after: says });
  return changes;
}

/** Parts that a report does not tell apart are numbered. */
function unique(parts: readonly Part[]): Part[] {
  const seen = new Map<string, number>();
  return parts.map((part) => {
    const times = (seen.get(part.key) ?? 0) + 1;
    seen.set(part.key, times);
    return times === 1 ? part : { ...part, key: `${part.key} (${times})` };
  });
}

function systemParts({ system, bootMode }: InspectionReport): Part[] {
  return [
    ...named('manufacturer', system?.manufacturer),
    ...named('model', system?.model),
    ...named('serial number', system?.serialNumber),
    ...named('UUID', system?.uuid),
    ...named('BIOS', system?.biosVersion),
    ...named('BMC address', system?.bmcAddress),
    ...named('boot mode', bootMode),
  ];
}

function cpuParts({ cpus }: InspectionReport): Part[] {
  return [
    ...named('model', cpus?.model),
    ...named('architecture', cpus?.architecture),
    ...named('packages', cpus?.count),
    ...named('cores', cpus?.cores),
    ...named('threads', cpus?.threads),
  ];
}

function dimmParts({ memory }: InspectionReport): Part[] {
  const modules = memory?.modules ?? [];
  const total = memory?.totalBytes ?? (memory?.totalGB === undefined ? undefined : memory.totalGB * 2 ** 30);
  if (modules.length === 0) return named('total', total === undefined ? undefined : memorySize(total));
  const usable = memory?.installedBytes === undefined || total === undefined ? undefined : memorySize(total);
  const dimms = modules.map((module, index) => ({
    key: module.id ?? `module ${index + 1}`,
    says: words(module.sizeBytes === undefined ? '' : memorySize(module.sizeBytes), module.type, module.speed),
  }));
  return [...named('usable', usable), ...dimms];
}

function diskParts({ disks }: InspectionReport): Part[] {
  return (disks ?? []).map((disk) => ({
    key: disk.serial ?? disk.device ?? 'disk',
    says: words(disk.device, diskSize(diskBytes(disk)), diskKind(disk), disk.model, disk.readOnly ? 'read-only' : ''),
  }));
}

function nicParts({ nics }: InspectionReport): Part[] {
  return (nics ?? []).map((nic) => ({
    key: nic.macAddress?.toLowerCase() ?? nic.interface ?? 'NIC',
    says: words(
      nic.interface,
      nic.linkStatus && `link ${nic.linkStatus}`,
      nic.speedMbps ? linkSpeed(nic.speedMbps) : '',
      nic.driver,
    ),
  }));
}

function deviceParts(
  devices: readonly { id?: string; vendor?: string; model?: string; type?: string; driver?: string }[] | undefined,
): Part[] {
  return (devices ?? []).map(({ id, vendor, model, type, driver }) => ({
    key: id ?? words(vendor, model),
    says: words(vendor, model, type, driver),
  }));
}

function named(key: string, value: string | number | undefined): Part[] {
  return value === undefined || value === '' ? [] : [{ key, says: String(value) }];
}

function words(...parts: (string | undefined)[]): string {
  return parts.filter(Boolean).join(' ');
}
