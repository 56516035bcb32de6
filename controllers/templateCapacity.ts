import type { Beskar7MachineTemplate } from '../crds/beskar7MachineTemplate.ts';
import type { PhysicalHost } from '../crds/physicalHost.ts';
import { summarize, unmetRequirements } from '../model/requirements.ts';
import { matchesSelector } from '../model/selector.ts';

const GIB = 2 ** 30;

/**
 * What a machine of a template offers at least, as Kubernetes quantities (contract: `status.capacity`, read by the
 * cluster autoscaler to scale up from nothing): the smallest of the inspected hosts that fit it, else what its
 * hardwareRequirements ask for. `cpu` counts threads, as a Node does. Undefined while nothing is known. Pure.
 */
export function capacityOf(
  template: Beskar7MachineTemplate,
  hosts: readonly PhysicalHost[],
): Record<string, string> | undefined {
  const { hostSelector, hardwareRequirements = {} } = template.spec.template.spec;
  let cpu = Infinity;
  let memoryGiB = Infinity;
  for (const { metadata, status } of hosts) {
    const report = status?.inspectionReport;
    if (report === undefined || !matchesSelector(hostSelector, metadata.labels)) continue;
    const found = summarize(report);
    if (found.cpuCores === 0 || found.memoryBytes === 0) continue;
    if (unmetRequirements(hardwareRequirements, found).length > 0) continue;
    cpu = Math.min(cpu, report.cpus?.threads ?? found.cpuCores);
    memoryGiB = Math.min(memoryGiB, Math.floor(found.memoryBytes / GIB));
  }
  const { minCPUCores = 0, minMemoryGB = 0 } = hardwareRequirements;
  const known = {
    cpu: Number.isFinite(cpu) ? cpu : minCPUCores,
    memory: Number.isFinite(memoryGiB) ? memoryGiB : minMemoryGB,
  };
  if (known.cpu === 0 && known.memory === 0) return undefined;
  return {
    ...(known.cpu > 0 ? { cpu: String(known.cpu) } : {}),
    ...(known.memory > 0 ? { memory: `${known.memory}Gi` } : {}),
  };
}
