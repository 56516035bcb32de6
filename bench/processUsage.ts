import { readFile } from 'node:fs/promises';
import { round } from './statistics.ts';

/** What a process has used since it started. */
export interface ProcessUsage {
  readonly cpuSeconds: number;
  readonly peakMemoryMiB: number;
}

/**
 * USER_HZ, the unit of times in /proc: 100 on every Linux platform that Node runs on (proc(5), sysconf(_SC_CLK_TCK)).
 */
const TICKS_PER_SECOND = 100;

/**
 * CPU time and peak resident set of a process, all its threads included, from Linux's /proc. NaN for both when the
 * process is gone, or where there is no /proc.
 */
export async function readProcessUsage(pid: number): Promise<ProcessUsage> {
  try {
    const [stat, status] = await Promise.all([
      readFile(`/proc/${pid}/stat`, 'utf8'),
      readFile(`/proc/${pid}/status`, 'utf8'),
    ]);
    return { cpuSeconds: parseCpuSeconds(stat), peakMemoryMiB: parsePeakMemoryMiB(status) };
  } catch {
    return { cpuSeconds: Number.NaN, peakMemoryMiB: Number.NaN };
  }
}

/** utime + stime of /proc/<pid>/stat (fields 14 and 15). The name in field 2 may hold spaces and brackets. */
export function parseCpuSeconds(stat: string): number {
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
  return (Number(fields[11]) + Number(fields[12])) / TICKS_PER_SECOND;
}

/** VmHWM of /proc/<pid>/status, which is in kB of 1024 bytes. */
export function parsePeakMemoryMiB(status: string): number {
  const kibibytes = /^VmHWM:\s+(\d+) kB$/m.exec(status)?.[1];
  return kibibytes === undefined ? Number.NaN : round(Number(kibibytes) / 1024, 1);
}
