import { handledOf, isAskUnhandled } from '../../model/handled.ts';
import { MACHINE_REASONS } from '../../crds/reasons.ts';
import type { RunContext } from '../../contracts/claimRef.ts';
import type { Dependencies } from '../dependencies.ts';
import { writeMachineStatus } from '../store/machineStatus.ts';
import { readMachine } from '../store/machineStore.ts';

/** Writes the end of an earlier run that was terminated when `handled` said so already, and the status did not. */
export async function recordEnd(deps: Dependencies, run: RunContext): Promise<void> {
  const machine = await readMachine(deps.kube, run.machine);
  if (machine === undefined || isAskUnhandled(machine)) return;
  const handled = handledOf(machine);
  if (handled === undefined || handled.outcome === 'Provisioned') return;
  const { resourceVersion: machineVersion = '' } = machine.metadata;
  const { phase, earlierAttempts } = machine.status ?? {};
  if (phase === 'Failed' || phase === 'Provisioned') return;
  const isCancelled = handled.outcome === 'Cancelled';
  await writeMachineStatus(
    deps.kube,
    { ...run, machineVersion, ...(earlierAttempts ? { earlierAttempts } : {}) },
    {
      phase: 'Failed',
      reason: handled.reason ?? (isCancelled ? MACHINE_REASONS.cancelled : MACHINE_REASONS.unexpectedError),
      message:
        `The last run ${isCancelled ? 'was cancelled' : 'failed'}, and was terminated before it could say more. ` +
        'To try again: change the spec, or set the annotation beskar7.io/retry to a new value.',
    },
  );
}
