import type { HardwareRequirements } from '../crds/beskar7Machine.ts';
import type { InspectionReport } from '../crds/inspectionReport.ts';

/** What validation needs of a report: small enough for a workflow's history. */
export interface HardwareSummary {
  /** Physical cores, all packages together. */
  readonly cpuCores: number;
  /**
   * Memory in bytes that counts: the sum of the DIMMs, unless the kernel has less of it; without DIMMs MemTotal, up to
   * a whole GiB.
   */
  readonly memoryBytes: number;
  /** Sum of the DIMMs, where the kernel can use clearly less. */
  readonly installedMemoryBytes?: number;
  /** Size of the largest disk that may be written, in bytes. */
  readonly largestDiskBytes: number;
}

const GIB = 2 ** 30;
const GB = 1e9;

/**
 * The memory of a report that counts (rule 27), and what is installed where that is clearly more: DIMMs that are mapped
 * out, mirrored or spared are in the table and not at hand. Up to 1/16 and 1 GiB less than the DIMMs is what kernels
 * and firmware keep for themselves, by the totals of inspectors that do not tell `installedBytes`.
 */
export function memoryOf(memory: InspectionReport['memory']): { countedBytes: number; installedBytes?: number } {
  const modules = (memory?.modules ?? []).reduce((sum, module) => sum + (module.sizeBytes ?? 0), 0);
  const total = memory?.totalBytes ?? (memory?.totalGB ?? 0) * GIB;
  const countedBytes = Math.ceil(total / GIB) * GIB;
  const installedBytes = memory?.installedBytes ?? (total > 0 && total < modules - modules / 16 - GIB ? modules : 0);
  if (installedBytes > countedBytes) return { countedBytes, installedBytes };
  return { countedBytes: modules > 0 ? modules : countedBytes };
}

/** The summary of a stored report (rule 27). Fields that the report does not have count as zero. */
export function summarize(report: InspectionReport): HardwareSummary {
  const { countedBytes, installedBytes } = memoryOf(report.memory);
  const disks = (report.disks ?? []).filter((disk) => disk.removable !== true && disk.readOnly !== true);
  return {
    cpuCores: report.cpus?.cores ?? 0,
    memoryBytes: countedBytes,
    ...(installedBytes === undefined ? {} : { installedMemoryBytes: installedBytes }),
    largestDiskBytes: disks.reduce((most, disk) => Math.max(most, disk.sizeBytes ?? (disk.sizeGB ?? 0) * GB), 0),
  };
}

/**
 * The part of a report that `summarize` and the capacity of templates read, for watch caches, which leave the rest out.
 */
export function slimReport({ cpus, memory, disks }: InspectionReport): InspectionReport {
  const sizes = memory?.modules?.flatMap(({ sizeBytes }) => (sizeBytes === undefined ? [] : [{ sizeBytes }]));
  return {
    ...(cpus?.cores === undefined && cpus?.threads === undefined
      ? {}
      : {
          cpus: {
            ...(cpus.cores === undefined ? {} : { cores: cpus.cores }),
            ...(cpus.threads === undefined ? {} : { threads: cpus.threads }),
          },
        }),
    ...(memory === undefined
      ? {}
      : {
          memory: {
            ...(memory.totalBytes === undefined ? {} : { totalBytes: memory.totalBytes }),
            ...(memory.totalGB === undefined ? {} : { totalGB: memory.totalGB }),
            ...(memory.installedBytes === undefined ? {} : { installedBytes: memory.installedBytes }),
            ...(sizes === undefined ? {} : { modules: sizes }),
          },
        }),
    ...(disks === undefined
      ? {}
      : {
          disks: disks.map(({ sizeBytes, sizeGB, removable, readOnly }) => ({
            ...(sizeBytes === undefined ? {} : { sizeBytes }),
            ...(sizeGB === undefined ? {} : { sizeGB }),
            ...(removable === undefined ? {} : { removable }),
            ...(readOnly === undefined ? {} : { readOnly }),
          })),
        }),
  };
}

/** What is missing, one sentence each, in words for the operator; empty when the hardware is good. */
export function unmetRequirements(requirements: HardwareRequirements | undefined, found: HardwareSummary): string[] {
  const unmet: string[] = [];
  const memoryGiB = found.memoryBytes / GIB;
  const diskGB = found.largestDiskBytes / GB;
  const { minCPUCores = 0, minMemoryGB = 0, minDiskGB = 0 } = requirements ?? {};
  if (found.cpuCores < minCPUCores) unmet.push(`minCPUCores: ${minCPUCores} asked for, ${found.cpuCores} found`);
  if (memoryGiB < minMemoryGB) {
    unmet.push(`minMemoryGB: ${minMemoryGB} asked for, ${round(memoryGiB)} found${installedText(found)}`);
  }
  if (diskGB < minDiskGB) unmet.push(`minDiskGB: ${minDiskGB} asked for, the largest disk has ${round(diskGB)}`);
  return unmet;
}

function installedText({ memoryBytes, installedMemoryBytes }: HardwareSummary): string {
  if (installedMemoryBytes === undefined) return '';
  return ` (${round(installedMemoryBytes / GIB)} GiB are installed, the server's kernel has ${round(memoryBytes / GIB)})`;
}

function round(value: number): number {
  return Math.floor(value * 100) / 100;
}
