import { claimIn, isUnclaimed } from '../../model/claim.ts';
import { findCondition, type ConditionPatch } from '../../crds/conditions.ts';
import { ANNOTATION_UNSCHEDULABLE } from '../../crds/names.ts';
import type { PhysicalHost } from '../../crds/physicalHost.ts';
import { CONDITIONS } from '../../crds/reasons.ts';
import type { PowerState } from '../../redfish/index.ts';

const ON_STATES: readonly PowerState[] = ['On', 'PoweringOn', 'Paused'];

/** Whether a server in that state runs, or is about to. */
export function isOn(power: PowerState): boolean {
  return ON_STATES.includes(power);
}

/** What a look at the power of a host found, beside the power state itself. */
export interface PowerFinding {
  /**
   * The conditions `UnexpectedlyOn` and `UnexpectedlyOff` as they have to stand now; those that were never raised are
   * left out.
   */
  readonly conditions: readonly ConditionPatch[];
  /** `status.enrollment.foundOn` no longer holds: the server was confirmed off. */
  readonly isSeenOff: boolean;
}

/**
 * Judges the power of a host between its runs. A server that was on when it was enrolled may run (rule 7,
 * `enrollment.foundOn`), until it is confirmed off once. Any other free server was confirmed off, by its release or
 * since: when it is on, Beskar7 did not switch it on, or its BMC carried out a power-on very late. One that was handed
 * over to its machine should be on. `power`: undefined when the BMC did not answer, which leaves the conditions as they
 * are.
 */
export function judgePower(host: PhysicalHost, power: PowerState | undefined): PowerFinding {
  const wasFoundOn = host.status?.enrollment?.foundOn === true;
  const isFree = isUnclaimed(host);
  const isHandedOver = claimIn(host, 'HandedOver') !== undefined;
  const isUnexpectedlyOn = isFree && power !== undefined && isOn(power) && !wasFoundOn;
  const isUnexpectedlyOff = isHandedOver && power === 'Off';
  return {
    conditions: [
      ...judged(host, CONDITIONS.unexpectedlyOn, isUnexpectedlyOn && unexpectedlyOn(host), !isFree || power === 'Off'),
      ...judged(
        host,
        CONDITIONS.unexpectedlyOff,
        isUnexpectedlyOff && unexpectedlyOff(host),
        !isHandedOver || (power !== undefined && isOn(power)),
      ),
    ],
    isSeenOff: wasFoundOn && power === 'Off',
  };
}

/** One condition: raised, over, or as it stands. */
function judged(
  { status }: PhysicalHost,
  type: string,
  raised: ConditionPatch | false,
  isOver: boolean,
): readonly ConditionPatch[] {
  const current = findCondition(status?.conditions, type);
  if (raised) return [raised];
  if (current === undefined) return [];
  const message = 'The power of the server is as it should be.';
  return [current.status === 'True' && isOver ? { type, status: 'False', reason: 'AsExpected', message } : current];
}

/** The condition of a handed-over host whose server is off. */
function unexpectedlyOff({ metadata: { name }, spec: { consumerRef } }: PhysicalHost): ConditionPatch {
  return {
    type: CONDITIONS.unexpectedlyOff,
    status: 'True',
    reason: 'OffInUse',
    message:
      `The server of host ${name} is off, and Beskar7Machine ${consumerRef?.name ?? 'unknown'} runs on it: it has crashed, lost power, or was shut down. ` +
      'Beskar7 does not switch on a server that it has handed over (rule 4): look at its console and BMC and switch it on, or delete the machine to replace it.',
  };
}

/** The condition of a free host whose server is on though it was confirmed off. */
export function unexpectedlyOn({ metadata: { namespace, name } }: PhysicalHost): ConditionPatch {
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
