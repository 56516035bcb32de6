import { isUnclaimed } from '../crds/claim.ts';
import { findCondition, type ConditionPatch } from '../crds/conditions.ts';
import { ANNOTATION_UNSCHEDULABLE } from '../crds/names.ts';
import type { PhysicalHost } from '../crds/physicalHost.ts';
import { CONDITIONS } from '../crds/reasons.ts';
import type { PowerState } from '../redfish/index.ts';

const ON_STATES: readonly PowerState[] = ['On', 'PoweringOn', 'Paused'];

/** Whether a server in that state runs, or is about to. */
export function isOn(power: PowerState): boolean {
  return ON_STATES.includes(power);
}

/** What a look at the power of a host found, beside the power state itself. */
export interface PowerFinding {
  /** The condition `UnexpectedlyOn` as it has to stand now; absent: none is due. */
  readonly condition?: ConditionPatch;
  /** `status.enrollment.foundOn` no longer holds: the server was seen off. */
  readonly isSeenOff: boolean;
}

/**
 * Judges the power of a host between its runs. A server that was on when it was enrolled may run (rule 7, `enrollment.foundOn`), until it is
 * seen off once. Any other free server was confirmed off, by its release or since: when it is on, Beskar7 did not switch it on, or its BMC
 * carried out a power-on very late. `power`: undefined when the BMC did not answer, which leaves the condition as it is.
 */
export function judgePower(host: PhysicalHost, power: PowerState | undefined): PowerFinding {
  const current = findCondition(host.status?.conditions, CONDITIONS.unexpectedlyOn);
  const wasFoundOn = host.status?.enrollment?.foundOn === true;
  const isFree = isUnclaimed(host);
  if (isFree && power !== undefined && isOn(power) && !wasFoundOn) {
    return { condition: unexpectedlyOn(host), isSeenOff: false };
  }
  const isSeenOff = wasFoundOn && power === 'Off';
  if (current === undefined) return { isSeenOff };
  const isOver = current.status === 'True' && (!isFree || power === 'Off');
  return { condition: isOver ? OVER : current, isSeenOff };
}

const OVER: ConditionPatch = {
  type: CONDITIONS.unexpectedlyOn,
  status: 'False',
  reason: 'AsExpected',
  message: 'The server is off, or a machine has claimed its host.',
};

/** The condition of a free host whose server is on though it was confirmed off. */
export function unexpectedlyOn({ metadata: { namespace = '', name } }: PhysicalHost): ConditionPatch {
  return {
    type: CONDITIONS.unexpectedlyOn,
    status: 'True',
    reason: 'OnWithoutClaim',
    message:
      `The server of host ${name} is on, and no machine has claimed it: it was off before, and Beskar7 did not switch it on since. ` +
      'A person or another program did, or its BMC carried out an earlier power-on very late; it may run what an earlier machine left on its disks. ' +
      'Nothing is sent to it: the next machine that claims the host switches it off first. Look at its console, and switch it off at its BMC, or keep the ' +
      `host from being claimed: kubectl -n ${namespace} annotate physicalhost ${name} ${ANNOTATION_UNSCHEDULABLE}="<why>"`,
  };
}
