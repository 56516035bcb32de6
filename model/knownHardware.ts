import type { HardwareRequirements } from '../crds/beskar7Machine.ts';
import type { InspectionReport } from '../crds/inspectionReport.ts';
import type { PhysicalHost } from '../crds/physicalHost.ts';
import { summarize } from './requirements.ts';

/** A requirement that a report can answer. */
export type Requirement = keyof HardwareRequirements;
/** All of them, in the order in which a shortfall is named. */
export const REQUIREMENTS = ['minCPUCores', 'minMemoryGB', 'minDiskGB'] as const satisfies readonly Requirement[];

/** What is missing, in words that follow "with". */
const SHORTFALLS: Record<Requirement, string> = {
  minCPUCores: 'too few CPU cores',
  minMemoryGB: 'too little memory',
  minDiskGB: 'too small disks',
};

/** How a reason ends that the last report is to blame for. */
export const BY_LAST_REPORT = 'by their last report';

const GIB = 2 ** 30;
const GB = 1e9;

/** What a report says of each requirement, in its unit (cores, GiB, GB). What it does not say is absent: not known. */
type Known = Partial<Record<Requirement, number>>;

/** Cached reports never change, and many machines ask for each. */
const known = new WeakMap<InspectionReport, Known>();

/**
 * What the last report of a host says of its hardware. An enrolment that finds another server has removed the report
 * (`forgottenServer`), so it is always that of the server that the host stands for.
 */
export function knownHardware({ status }: Pick<PhysicalHost, 'status'>): Known {
  const report = status?.inspectionReport;
  if (report === undefined) return {};
  let made = known.get(report);
  if (made === undefined) {
    const { cpuCores, memoryBytes, largestDiskBytes } = summarize(report);
    made = {
      // A server without cores or memory has sent no report: a tool said nothing.
      ...(cpuCores === 0 ? {} : { minCPUCores: cpuCores }),
      ...(memoryBytes === 0 ? {} : { minMemoryGB: memoryBytes / GIB }),
      // An empty list says that there is no disk.
      ...(report.disks === undefined ? {} : { minDiskGB: largestDiskBytes / GB }),
    };
    known.set(report, made);
  }
  return made;
}

/**
 * Why the last report of a host rules it out for these requirements, in words that follow a count ("3 with too little
 * memory by their last report"); undefined when it fits, or when that is not known: then its server is inspected.
 */
export function knownShortfall(
  requirements: HardwareRequirements | undefined,
  host: Pick<PhysicalHost, 'status'>,
): string | undefined {
  if (requirements === undefined) return undefined;
  const found = knownHardware(host);
  const short = REQUIREMENTS.filter((name) => (found[name] ?? Infinity) < (requirements[name] ?? 0));
  if (short.length === 0) return undefined;
  return `with ${short.map((name) => SHORTFALLS[name]).join(' and ')} ${BY_LAST_REPORT}`;
}

/** `minMemoryGB=512,minDiskGB=100`, for messages; empty when nothing is required. */
export function requirementsText(requirements: HardwareRequirements | undefined): string {
  return REQUIREMENTS.flatMap((name) => {
    const value = requirements?.[name] ?? 0;
    return value > 0 ? [`${name}=${value}`] : [];
  }).join(',');
}
