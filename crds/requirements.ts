import type { HardwareRequirements } from './beskar7Machine.ts';
import type { InspectionReport } from './inspectionReport.ts';

/** What validation needs of a report: small enough for a workflow's history. */
export interface HardwareSummary {
  /** Physical cores, all packages together. */
  readonly cpuCores: number;
  /** Installed memory in bytes: the sum of the DIMMs, else MemTotal rounded up to a whole GiB. */
  readonly memoryBytes: number;
  /** Size of the largest disk that may be written, in bytes. */
  readonly largestDiskBytes: number;
}

const GIB = 2 ** 30;
const GB = 1e9;

/** The summary of a stored report (rule 27). Fields that the report does not have count as zero. */
export function summarize(report: InspectionReport): HardwareSummary {
  const modules = (report.memory?.modules ?? []).reduce((sum, module) => sum + (module.sizeBytes ?? 0), 0);
  const total = report.memory?.totalBytes ?? (report.memory?.totalGB ?? 0) * GIB;
  const disks = (report.disks ?? []).filter((disk) => disk.removable !== true && disk.readOnly !== true);
  return {
    cpuCores: report.cpus?.cores ?? 0,
    memoryBytes: modules > 0 ? modules : Math.ceil(total / GIB) * GIB,
    largestDiskBytes: disks.reduce((most, disk) => Math.max(most, disk.sizeBytes ?? (disk.sizeGB ?? 0) * GB), 0),
  };
}

/** The part of a report that `summarize` and the capacity of templates read, for watch caches, which leave the rest out. */
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
  if (memoryGiB < minMemoryGB) unmet.push(`minMemoryGB: ${minMemoryGB} asked for, ${round(memoryGiB)} found`);
  if (diskGB < minDiskGB) unmet.push(`minDiskGB: ${minDiskGB} asked for, the largest disk has ${round(diskGB)}`);
  return unmet;
}

function round(value: number): number {
  return Math.floor(value * 100) / 100;
}
