import type { Beskar7Machine, Beskar7MachineStatus, MachinePhase } from '../../crds/beskar7Machine.ts';
import { condition, findCondition, isUpToDate, seconds, type ConditionPatch } from '../../crds/conditions.ts';
import { withAttempts } from '../../crds/attempts.ts';
import { isProvisioned } from '../../model/handled.ts';
import { isBeingDeleted } from '../../model/stops.ts';
import { CONDITIONS, MACHINE_REASONS, type MachineReason } from '../../crds/reasons.ts';
import { API_VERSION } from '../../crds/names.ts';
import type { KubeClient } from '../../kube/client.ts';
import { MACHINES } from '../../kube/resource.ts';
import { swap } from '../../kube/swap.ts';
import type { ClaimRef, RunContext } from '../../contracts/claimRef.ts';
import type { ObjectRef } from '../../contracts/names.ts';
import { readMachine } from './machineStore.ts';

/** Owns what a run writes to a machine's status. */
const FIELD_MANAGER = 'beskar7-provision';
/** The conditions that say how it goes: one status, reason and message. */
const TOLD = [CONDITIONS.ready, CONDITIONS.infrastructureReady, CONDITIONS.machineProvisioned];

/** What a run says of its machine. The whole of it each time: what is left out is removed. */
export interface MachineReport {
  readonly phase: MachinePhase;
  readonly reason: MachineReason;
  readonly message: string;
  readonly host?: string;
  readonly addresses?: Beskar7MachineStatus['addresses'];
  readonly failureDomain?: string | undefined;
  readonly waitingFor?: Beskar7MachineStatus['waitingFor'];
}

/** After a write: what the next one needs. */
export type Written = Pick<RunContext, 'machineVersion' | 'notReadySince'>;

/**
 * Writes phase, conditions and the rest of a machine's status by server-side apply on `/status` (rule 19), with the
 * resourceVersion of the run's last write, so that neither a read nor a lost update is needed. On a conflict the
 * machine is read: a newer run, another uid or an end that this run has already written are not overwritten.
 */
export async function writeMachineStatus(kube: KubeClient, run: RunContext, report: MachineReport): Promise<Written> {
  const { machineVersion } = run;
  return swap<{ readonly version?: string | undefined; readonly live?: Beskar7Machine | undefined }, Written>({
    what: whatOf(run.machine),
    start: machineVersion === undefined ? undefined : { version: machineVersion },
    read: async () => {
      const live = await readMachine(kube, run.machine);
      return { version: live?.metadata.resourceVersion, live };
    },
    write: async ({ version, live }, isLive) => {
      if (isLive && (live === undefined || isBeyond(live, run, report))) return {};
      const status = statusObject(run, report, version, live);
      return context(await kube.applyStatus(MACHINES, status, { fieldManager: FIELD_MANAGER, force: true }), report);
    },
    onGone: () => ({}),
  });
}

function whatOf({ namespace, name }: ObjectRef): string {
  return `Beskar7Machine ${namespace}/${name}`;
}

/**
 * Says on the machine of a claim that its host is being released, in place of what it said last, and leaves the rest of
 * its status as it is: what was provisioned stays so (Cluster API: `initialization.provisioned` does not go back to
 * false). A machine that is gone, that runs somewhere, or whose run has come to another host or to its end, is left
 * alone, unless it is being deleted: that waits for the release.
 */
export async function writeMachineReleasing(
  kube: KubeClient,
  ref: Pick<ClaimRef, 'machine' | 'host'>,
  message: string,
  signal: AbortSignal,
): Promise<void> {
  return swap({
    what: whatOf(ref.machine),
    read: () => readMachine(kube, ref.machine, signal),
    write: async (machine) => {
      if (!machine || !isReleasedFor(machine, ref)) return;
      const { metadata, status = {} } = machine;
      const conditions = TOLD.map((type) => {
        const patch: ConditionPatch = {
          type,
          status: 'False',
          reason: MACHINE_REASONS.releasing,
          message: withAttempts(message, status.earlierAttempts),
        };
        return condition(patch, new Date().toISOString(), undefined, findCondition(status.conditions, type));
      });
      if (conditions.every((entry) => isUpToDate(findCondition(status.conditions, entry.type), entry))) return;
      const { namespace = '', name, uid = '', resourceVersion = '' } = metadata;
      await kube.applyStatus(
        MACHINES,
        {
          apiVersion: API_VERSION,
          kind: 'Beskar7Machine',
          metadata: { namespace, name, uid, resourceVersion },
          status: { ...status, conditions },
        },
        { fieldManager: FIELD_MANAGER, force: true, signal },
      );
    },
    onGone: () => undefined,
  });
}

function isReleasedFor(machine: Beskar7Machine, { host }: Pick<ClaimRef, 'host'>): boolean {
  if (isBeingDeleted(machine)) return true;
  const { phase, hostRef } = machine.status ?? {};
  return !isProvisioned(machine) && phase !== 'Failed' && hostRef?.name === host;
}

function isBeyond(live: Beskar7Machine, run: RunContext, report: MachineReport): boolean {
  const { workflow, phase } = live.status ?? {};
  // Whoever provisioned it: what another run still has to say is of before that, for good (rule 4).
  if (isProvisioned(live) && report.phase !== 'Provisioned') return true;
  if (workflow?.runID !== run.workflow.runID) return false;
  return phase === 'Provisioned' || phase === 'Failed';
}

function statusObject(
  run: RunContext,
  report: MachineReport,
  resourceVersion: string | undefined,
  live: Beskar7Machine | undefined,
) {
  const provisioned = report.phase === 'Provisioned';
  const now = new Date().toISOString();
  const since = findCondition(live?.status?.conditions, CONDITIONS.ready);
  const notReadySince = run.notReadySince ?? (since?.status === 'False' ? since.lastTransitionTime : seconds(now));
  const { earlierAttempts = [] } = run;
  const isOver = provisioned || report.phase === 'Failed';
  const entry = (type: string) => {
    const patch: ConditionPatch = {
      type,
      status: provisioned ? 'True' : 'False',
      reason: report.reason,
      message: provisioned ? report.message : withAttempts(report.message, earlierAttempts),
    };
    const made = condition(patch, now, undefined);
    return provisioned ? made : { ...made, lastTransitionTime: notReadySince };
  };
  return {
    apiVersion: API_VERSION,
    kind: 'Beskar7Machine',
    metadata: {
      namespace: run.machine.namespace,
      name: run.machine.name,
      uid: run.machine.uid,
      ...(resourceVersion === undefined ? {} : { resourceVersion }),
    },
    status: {
      phase: report.phase,
      ready: provisioned,
      initialization: { provisioned },
      conditions: TOLD.map(entry),
      workflow: run.workflow,
      ...(report.host === undefined ? {} : { hostRef: { name: report.host, namespace: run.machine.namespace } }),
      ...(report.addresses === undefined ? {} : { addresses: report.addresses }),
      ...(report.failureDomain === undefined ? {} : { failureDomain: report.failureDomain }),
      ...(report.waitingFor === undefined ? {} : { waitingFor: report.waitingFor }),
      // For the run that continues where this one is continued, or lost: the next provisioning has attempts of its own.
      ...(isOver || earlierAttempts.length === 0 ? {} : { earlierAttempts: [...earlierAttempts] }),
    },
  };
}

function context(written: Beskar7Machine, report: MachineReport): Written {
  const ready = findCondition(written.status?.conditions, CONDITIONS.ready);
  return {
    ...(written.metadata.resourceVersion === undefined ? {} : { machineVersion: written.metadata.resourceVersion }),
    ...(report.phase !== 'Provisioned' && ready ? { notReadySince: ready.lastTransitionTime } : {}),
  };
}
