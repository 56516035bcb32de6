import type { Beskar7Machine } from '../../crds/beskar7Machine.ts';
import { ANNOTATION_HANDLED, API_VERSION } from '../../crds/names.ts';
import { MACHINE_REASONS, type MachineReason } from '../../crds/reasons.ts';
import { askOf, isProvisioned, type Handled } from '../../model/handled.ts';
import { inTimeOr } from '../activityScope.ts';
import { heldHosts } from '../claim/heldHosts.ts';
import type { ClaimRef, RunContext } from '../../contracts/claimRef.ts';
import type { Dependencies } from '../dependencies.ts';
import { writeMachineStatus, type Written } from '../store/machineStatus.ts';
import { readMachine } from '../store/machineStore.ts';
import { writeProgress } from '../store/refusedWrites.ts';
import { patchMachineEnd } from './machineEnd.ts';
import { imageHashOf, type Plan } from '../claim/plan.ts';

/** How a run ended without a provisioned machine; `reason` and `message` go into the machine's conditions. */
export interface FailMachineInput {
  readonly run: RunContext;
  /** What the run was about; absent when it ended before it knew. */
  readonly plan?: Pick<Plan, 'specHash' | 'retry' | 'imageHash'>;
  readonly outcome: 'Failed' | 'Cancelled';
  readonly reason: MachineReason;
  readonly message: string;
  /** Where it ended; absent: it waited for a host. */
  readonly host?: string;
}

/**
 * The end of a run that did not succeed: `handled` first, then phase Failed with reason and message (rule 9), and an
 * event. A machine that is gone, or that another run has meanwhile provisioned, is left alone.
 */
export async function failMachine(deps: Dependencies, input: FailMachineInput): Promise<void> {
  const { run } = input;
  // One that came later would be written over what a run has begun, or ended with, that the user asked for since.
  const requireInTime = inTimeOr(`the end of ${run.workflow.id} took too long to write; it is retried`);
  const machine = await readMachine(deps.kube, run.machine);
  if (!machine) return;
  if (isProvisioned(machine)) return;
  const other = machine.status?.workflow?.runID;
  const isTakenOver = other !== undefined && other !== run.workflow.runID && input.reason === MACHINE_REASONS.claimLost;
  if (isTakenOver) return;
  if (machine.status?.phase === 'Failed' && other === run.workflow.runID) {
    // Repeated because its answer was lost: all is written, and a retry that was asked for since is for the next run.
    deps.recorder.event(machine, 'Warning', eventReason(input.reason), input.message);
    return;
  }
  const held = await heldHosts(deps, run.machine, machine);
  const isStillHeld = held.some(({ claim }) => claim.stage !== 'Releasing');
  const now = askOf(machine);
  requireInTime();
  // Another run has begun since, or has come to an end: what this one had to say is of before that.
  const isOvertaken = ({ metadata, status }: Beskar7Machine) =>
    metadata.annotations?.[ANNOTATION_HANDLED] !== machine.metadata.annotations?.[ANNOTATION_HANDLED] ||
    ![run.workflow.runID, other, undefined].includes(status?.workflow?.runID);
  // A spec edit during the run counts for the next one; a retry during the run has been answered by it (rule 9).
  const handled: Handled = {
    specHash: askedOf(input, machine) ?? now.specHash,
    retry: now.retry,
    outcome: input.outcome,
    reason: input.reason,
    claims: held.map(({ claim }) => claim.id),
  };
  const { resourceVersion: machineVersion = '' } = machine.metadata;
  // A claim that was lost to another worker of this very machine is nobody's: unhandled, the machine gets another run,
  // which continues with it, or finds that it was handed over.
  const version =
    input.reason === MACHINE_REASONS.claimLost && isStillHeld
      ? machineVersion
      : await patchMachineEnd(deps, { ...run, machineVersion }, handled, {
          isStillDue: (live) => {
            requireInTime();
            return !isProvisioned(live) && !isOvertaken(live);
          },
        });
  if (version === undefined) return;
  await writeMachineStatus(
    deps.kube,
    { ...run, machineVersion: version },
    {
      phase: 'Failed',
      reason: input.reason,
      message: input.message,
    },
  );
  deps.metrics.provisioningFailed(input.reason);
  deps.recorder.event(machine, 'Warning', eventReason(input.reason), input.message);
}

/**
 * What the run dealt with. One that ended while it waited for another host looked for it as the machine asks for it
 * now: hostSelector.
 */
function askedOf({ plan, host }: FailMachineInput, machine: Beskar7Machine): string | undefined {
  const isOfNow = host === undefined && plan?.imageHash === imageHashOf(machine.spec);
  return isOfNow ? undefined : plan?.specHash;
}

function eventReason(reason: MachineReason): string {
  return reason === MACHINE_REASONS.hardwareRequirementsNotMet ? 'HardwareValidationFailed' : reason;
}

/** What goes into phase, reason and message of the machine. `claim` is absent while it waits for a host. */
export interface ReportProgressInput {
  readonly run: RunContext;
  readonly claim?: ClaimRef;
  readonly phase: 'Claiming' | 'Inspecting' | 'Provisioning';
  readonly reason: MachineReason;
  readonly message: string;
  /** An attempt that has just failed, while another host is tried: an event tells of it. */
  readonly failed?: { readonly reason: MachineReason; readonly message: string };
}

/** Tells on the machine what a run is doing or waiting for, beyond what the steps themselves tell. */
export async function reportProgress(deps: Dependencies, input: ReportProgressInput): Promise<Written> {
  const { failed } = input;
  if (failed) {
    const about = { apiVersion: API_VERSION, kind: 'Beskar7Machine', metadata: input.run.machine };
    deps.recorder.event(about, 'Warning', eventReason(failed.reason), failed.message);
  }
  const { claim, phase, reason, message } = input;
  const report = { phase, reason, message };
  return claim
    ? writeProgress(deps, input.run, { ...report, host: claim.host })
    : writeMachineStatus(deps.kube, input.run, report);
}
