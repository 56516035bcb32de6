import type { Beskar7Machine } from '../../crds/beskar7Machine.ts';
import { claimOf } from '../../model/claim.ts';
import type { PhysicalHost } from '../../crds/physicalHost.ts';
import { isConsumer, namedHost } from '../../model/references.ts';
import { summarize, type HardwareSummary } from '../../model/requirements.ts';
import { MACHINES } from '../../kube/resource.ts';
import { machineActions } from '../../view/actions.ts';
import type { MachineDetail, MachineRow, ObjectName, Requirement } from '../shared/api.ts';
import type { Access, Visitor } from './access.ts';
import { offered } from './actions.ts';
import type { WebDependencies, WebOptions } from './dependencies.ts';
import { machineLines, workflowLinks } from './elsewhere.ts';
import type { FleetFeed } from './feed.ts';
import { eventsOf } from './objectEvents.ts';
import { machineRow } from './rows.ts';
import type { LastRun } from './runs.ts';

const TIMEOUT_MS = 5_000;
const GIB = 2 ** 30;
const GB = 1e9;

/**
 * All about one machine. Throws 403, KubeError; what Temporal cannot tell is missing, with the reason in
 * `stepsMissing`.
 */
export async function machineDetail(
  deps: WebDependencies,
  options: WebOptions,
  access: Access,
  feed: FleetFeed,
  visitor: Visitor,
  at: ObjectName,
): Promise<MachineDetail> {
  const { namespace, name } = at;
  await access.require(visitor, 'get', 'machines', namespace, name);
  const machine = await deps.kube.get(MACHINES, namespace, name, { timeoutMs: TIMEOUT_MS });
  const [maySeeEvents, actions, run] = await Promise.all([
    access.may(visitor, 'list', 'events', namespace),
    offered(access, visitor, 'machines', machine, machineActions(machine)),
    lastRun(deps, at),
  ]);
  const row = machineRow(machine, feed.sinceOf(namespace, name));
  const host = hostOf(deps, machine);
  const { spec, status } = machine;
  const attempt = (host && claimOf(host)?.attempt) ?? run.last?.progress?.attempt;
  const waiting = waitingOf(row, run.last);
  return {
    row,
    ...(waiting === undefined ? {} : { waiting }),
    ...(spec.providerID === undefined ? {} : { providerID: spec.providerID }),
    targetOSImage: spec.targetOSImage,
    ...(attempt === undefined ? {} : { attempt }),
    attempts: spec.attempts ?? 1,
    steps: run.last?.steps ?? [],
    ...(run.missing === undefined ? {} : { stepsMissing: run.missing }),
    requirements: requirementsOf(machine, host, run.last?.hardware),
    conditions: status?.conditions ?? [],
    events: maySeeEvents ? await eventsOf(deps.kube, machine) : [],
    workflows: workflowLinks(
      options,
      [
        ['provision', 'Provisioning'],
        ['deprovision', 'Deprovisioning'],
      ],
      at,
    ),
    commands: machineLines(options, at),
    actions,
  };
}

async function lastRun(
  deps: WebDependencies,
  at: ObjectName,
): Promise<{ readonly last?: LastRun; readonly missing?: string }> {
  try {
    const last = await deps.runs.last(at);
    return last === undefined
      ? {
          missing:
            'Temporal has no provisioning of this machine (any more): there was none yet, or its history is gone.',
        }
      : { last, ...(last.missing === undefined ? {} : { missing: last.missing }) };
  } catch (error) {
    deps.logger.warn({ err: error, ...at }, 'the run of a machine cannot be read');
    return { missing: 'Temporal cannot be reached now.' };
  }
}

/** What the run says of itself; without it what the condition says, while the machine is on its way. */
function waitingOf(row: MachineRow, last: LastRun | undefined): MachineDetail['waiting'] {
  const { progress } = last ?? {};
  if (progress?.waitingFor !== undefined && row.phase !== 'Provisioned' && row.phase !== 'Failed') {
    const { waitingFor, why, since, deadline } = progress;
    return {
      text: why === undefined ? waitingFor : `${waitingFor}: ${why}`,
      since,
      ...(deadline === undefined ? {} : { deadline }),
    };
  }
  if (row.phase === 'Provisioned' || row.phase === 'Failed') return undefined;
  return { text: row.message ?? 'its provisioning to start', since: row.since };
}

/** The host that it is on, or that is being got ready for it: one that leads back to it. */
function hostOf({ hosts }: WebDependencies, machine: Beskar7Machine): PhysicalHost | undefined {
  const { namespace, name } = machine.metadata;
  const named = namedHost(machine);
  const all = [...hosts.byIndex('byConsumer', `${namespace}/${name}`), named && hosts.get(named.namespace, named.name)];
  return all.find((host) => host !== undefined && isConsumer(host, machine));
}

/** `measured` is what the run compared: the host may have been released since. */
function requirementsOf(
  { spec }: Beskar7Machine,
  host: PhysicalHost | undefined,
  measured: HardwareSummary | undefined,
): Requirement[] {
  const { minCPUCores, minMemoryGB, minDiskGB } = spec.hardwareRequirements ?? {};
  const { inspection, inspectionReport } = host?.status ?? {};
  const claim = host && claimOf(host);
  // The report of an earlier claim is not what this machine was measured by.
  const isOurs = inspectionReport !== undefined && claim !== undefined && inspection?.claim === claim.id;
  const found = isOurs && inspection.reportDigest !== undefined ? summarize(inspectionReport) : measured;
  const row = (name: string, unit: string, asked: number | undefined, value: number | undefined): Requirement[] =>
    asked === undefined || asked === 0
      ? []
      : [{ name, unit, asked, ...(value === undefined ? {} : { found: Math.floor(value * 100) / 100 }) }];
  return [
    ...row('CPU cores', 'cores', minCPUCores, found?.cpuCores),
    ...row('Memory', 'GiB', minMemoryGB, found && found.memoryBytes / GIB),
    ...row('Largest disk', 'GB', minDiskGB, found && found.largestDiskBytes / GB),
  ];
}
