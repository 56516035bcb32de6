import { withConditions, type ConditionPatch } from '../../crds/conditions.ts';
import type { PhysicalHost } from '../../crds/physicalHost.ts';
import { CONDITIONS, HOST_REASONS } from '../../crds/reasons.ts';
import { overrideLeft } from '../bmc/leftOverride.ts';
import { REACHABLE } from '../bmc/reachability.ts';

/** Conditions of a host that tell of the machine that it had. */
const ENDS_WITH_CLAIM: readonly string[] = [
  CONDITIONS.failureReported,
  CONDITIONS.bootOverrideLeft,
  CONDITIONS.unexpectedlyOff,
  CONDITIONS.differentServer,
];

/**
 * The status of a host whose claim has ended: seen off (`Available`), or released by force (`Enrolling`). `left`: why
 * its boot override was left.
 */
export function freedStatus(live: PhysicalHost, state: 'Available' | 'Enrolling', left: string | undefined) {
  const isReleased = state === 'Available';
  const phase = live.status?.inspectionPhase;
  const isOpen = phase === 'Pending' || phase === 'Booting' || phase === 'InProgress';
  const ready: ConditionPatch = {
    type: CONDITIONS.ready,
    status: isReleased ? 'True' : 'Unknown',
    reason: isReleased ? HOST_REASONS.released : HOST_REASONS.forceReleased,
    message: isReleased
      ? 'Switched off and free to be claimed.'
      : 'Released by force: its BMC is asked again before it is offered.',
  };
  return {
    state,
    ready: isReleased,
    ...(isReleased ? { powerState: 'Off' } : {}),
    // From here on it has to be off, also where it was on when it was enrolled.
    ...(live.status?.enrollment === undefined ? {} : { enrollment: { foundOn: false } }),
    bootToken: null,
    inspection: null,
    handover: null,
    ...(isOpen ? { inspectionPhase: 'Failed' as const } : {}),
    conditions: withConditions(
      live.status?.conditions?.filter(({ type }) => !ENDS_WITH_CLAIM.includes(type)),
      [ready, ...(isReleased ? [REACHABLE] : []), ...(left === undefined ? [] : [overrideLeft(left)])],
      new Date().toISOString(),
      live.metadata.generation,
    ),
  };
}
