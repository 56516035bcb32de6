import type { InspectionReport } from './api.ts';
import { memorySize } from './measures.ts';

type Disk = NonNullable<InspectionReport['disks']>[number];

/**
 * Memory in bytes that counts for requirements: the sum of the DIMMs, unless the server's kernel has less of it; else
 * what is told as a whole.
 */
export function memoryBytes({ memory }: InspectionReport): number {
  const total = memory?.totalBytes ?? (memory?.totalGB ?? 0) * 2 ** 30;
  if (memory?.installedBytes !== undefined) return total;
  const sum = (memory?.modules ?? []).reduce((all, module) => all + (module.sizeBytes ?? 0), 0);
  return sum > 0 ? sum : total;
}

/** The memory that counts, and what is installed where that is more; undefined where the report tells nothing. */
export function memoryText(report: InspectionReport): string | undefined {
  const bytes = memoryBytes(report);
  if (bytes === 0) return undefined;
  const installed = report.memory?.installedBytes;
  return installed === undefined
    ? memorySize(bytes)
    : `${memorySize(bytes)} usable of ${memorySize(installed)} installed`;
}

/** Size of a disk in bytes; 0 when the report does not tell it. */
export function diskBytes(disk: Disk): number {
  return disk.sizeBytes ?? (disk.sizeGB ?? 0) * 1e9;
}

/** What a machine's minDiskGB is held against: the largest disk that may be written. */
export function largestDiskBytes(report: InspectionReport): number {
  const eligible = (report.disks ?? []).filter((disk) => disk.removable !== true && disk.readOnly !== true);
  return Math.max(0, ...eligible.map(diskBytes));
}

/** NVMe, SSD, HDD, or what the report calls it; from the device's name where it says nothing. */
export function diskKind(disk: Disk): string {
  const said = (disk.type ?? '').trim();
  if (/nvme/i.test(said) || (said === '' && /nvme/i.test(disk.device ?? ''))) return 'NVMe';
  if (/ssd|solid/i.test(said)) return 'SSD';
  if (/hdd|rotat|hard/i.test(said)) return 'HDD';
  return said || 'Disk';
}

/** Whether a link is up; undefined when the report does not tell. */
export function isLinkUp(status: string | undefined): boolean | undefined {
  if (status === undefined || status === '') return undefined;
  if (/^(up|linkup|yes|connected|true|1)$/i.test(status)) return true;
  if (/^(down|linkdown|no|disconnected|nolink|false|0)$/i.test(status)) return false;
  return undefined;
}
