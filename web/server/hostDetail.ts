import { claimOf } from '../../model/claim.ts';
import { findCondition } from '../../crds/conditions.ts';
import { ANNOTATION_UNSCHEDULABLE } from '../../crds/names.ts';
import type { PhysicalHost } from '../../crds/physicalHost.ts';
import { CONDITIONS } from '../../crds/reasons.ts';
import { HOSTS } from '../../kube/resource.ts';
import { keptReports } from '../../kube/reportHistory.ts';
import { hostActions } from '../../view/actions.ts';
import type { HostDetail, ObjectName, StoredReport } from '../shared/api.ts';
import type { Access, Visitor } from './access.ts';
import { offered } from './actions.ts';
import type { WebDependencies, WebOptions } from './dependencies.ts';
import { hostLines, workflowLinks } from './elsewhere.ts';
import { eventsOf } from './objectEvents.ts';
import { hostRow } from './rows.ts';

const TIMEOUT_MS = 5_000;

/** All about one host, read live: the watch cache has not the whole report. Throws 403, KubeError. */
export async function hostDetail(
  deps: WebDependencies,
  options: WebOptions,
  access: Access,
  visitor: Visitor,
  at: ObjectName,
): Promise<HostDetail> {
  await access.require(visitor, 'get', 'hosts', at.namespace, at.name);
  const host = await deps.kube.get(HOSTS, at.namespace, at.name, { timeoutMs: TIMEOUT_MS });
  const [maySeeEvents, actions, reports] = await Promise.all([
    access.may(visitor, 'list', 'events', at.namespace),
    offered(access, visitor, 'hosts', host, hostActions(host)),
    reportsOf(deps, host),
  ]);
  const { metadata, status } = host;
  const claim = claimOf(host);
  const unschedulable = metadata.annotations?.[ANNOTATION_UNSCHEDULABLE];
  return {
    row: hostRow(host),
    bmc: bmcOf(host),
    ...(status?.inspectionPhase === undefined ? {} : { inspectionPhase: status.inspectionPhase }),
    ...(unschedulable === undefined ? {} : { unschedulable: unschedulable || 'no reason given' }),
    ...(claim === undefined ? {} : { claim: stageOf(host, claim) }),
    addresses: (status?.addresses ?? []).map(({ address }) => address),
    labels: metadata.labels ?? {},
    conditions: status?.conditions ?? [],
    events: maySeeEvents ? await eventsOf(deps.kube, host) : [],
    reports,
    workflows: workflowLinks(
      options,
      [
        ['enroll', 'Enrolment'],
        ['release', 'Release'],
        ['retire', 'Retirement'],
      ],
      at,
    ),
    commands: hostLines(options, at),
    actions,
  };
}

function bmcOf({ spec, status }: PhysicalHost): HostDetail['bmc'] {
  const { address, systemID, workerPool } = spec.redfishConnection;
  const reachable = findCondition(status?.conditions, CONDITIONS.redfishReachable);
  const isBroken = reachable?.status === 'False';
  const { attempt, nextAttemptAt } = status?.enrollment ?? {};
  return {
    address,
    ...(systemID === undefined ? {} : { systemID }),
    ...(workerPool === undefined ? {} : { workerPool }),
    ...(reachable === undefined ? {} : { reachable }),
    ...(isBroken ? { lastError: reachable.message } : {}),
    ...(isBroken && nextAttemptAt !== undefined ? { nextAttemptAt } : {}),
    ...(isBroken && attempt !== undefined && attempt > 0 ? { failedAttempts: attempt } : {}),
  };
}

function stageOf(
  { status }: PhysicalHost,
  { id, stage, attempt, deadline }: NonNullable<ReturnType<typeof claimOf>>,
): NonNullable<HostDetail['claim']> {
  const inspection = status?.inspection?.claim === id ? status.inspection.deadline : undefined;
  switch (stage) {
    case 'Claimed':
      return { stage, attempt, deadline };
    case 'Armed':
      return { stage, attempt, deadline: inspection ?? deadline };
    case 'HandedOver':
    case 'Releasing':
      return { stage, attempt };
  }
}

/** The current one, then the earlier ones; without those, should they not be readable. */
async function reportsOf(deps: WebDependencies, host: PhysicalHost): Promise<StoredReport[]> {
  const { inspectionReport, inspectionTimestamp } = host.status ?? {};
  const at = inspectionTimestamp ?? inspectionReport?.timestamp;
  const current = inspectionReport === undefined || at === undefined ? [] : [{ id: at, at, report: inspectionReport }];
  try {
    const kept = await keptReports(deps.kube, host, { timeoutMs: TIMEOUT_MS });
    return [...current, ...kept.filter((one) => one.at !== at).map((one) => ({ id: one.at, ...one }))];
  } catch (error) {
    const { namespace, name } = host.metadata;
    deps.logger.warn({ err: error, namespace, host: name }, 'earlier reports cannot be read');
    return current;
  }
}
