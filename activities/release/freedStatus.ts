import { mayTryAnotherHost } from '../../crds/attempts.ts';
import { withConditions, type ConditionPatch } from '../../crds/conditions.ts';
import type { PhysicalHost } from '../../crds/physicalHost.ts';
import { CONDITIONS, HOST_REASONS, MACHINE_REASONS } from '../../crds/reasons.ts';
import type { Claim } from '../../model/claim.ts';
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
 * The status of a host whose claim `claim` has ended: confirmed off (`Available`), or released by force (`Enrolling`).
 * `left`: why its boot override was left.
 */
export function freedStatus(
  live: PhysicalHost,
  state: 'Available' | 'Enrolling',
  left: string | undefined,
  claim: Claim | undefined,
) {
  const isReleased = state === 'Available';
  const phase = live.status?.inspectionPhase;
  const isOpen = phase === 'Pending' || phase === 'Booting' || phase === 'InProgress';
  const now = new Date().toISOString();
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
    releasedAt: now,
    lastFailure: failureOf(claim) ?? null,
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
      now,
      live.metadata.generation,
    ),
  };
}

/** The reason of a run that failed on the host and may do better on another one; hardware that is too small is none. */
function failureOf(claim: Claim | undefined): string | undefined {
  const [word = ''] = (claim?.stage === 'Releasing' ? claim.reason : '').split(': ');
  return mayTryAnotherHost(word) && word !== MACHINE_REASONS.hardwareRequirementsNotMet ? word : undefined;
}
