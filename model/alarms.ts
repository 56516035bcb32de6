import type { Beskar7Machine } from '../crds/beskar7Machine.ts';
import { raisedConditions } from '../crds/conditions.ts';
import { CONDITIONS } from '../crds/reasons.ts';
import type { Condition } from '../crds/schema.ts';

/** Conditions that a machine has only while they are True: what needs a person although nothing of it has failed. */
export const MACHINE_ALARMS: readonly string[] = [CONDITIONS.unexpectedlyOff, CONDITIONS.deletionHangs];

/**
 * The alarm of a machine, by which lists tell it from a healthy one whatever its phase says; the first of
 * `MACHINE_ALARMS` that is raised. Undefined: there is none.
 */
export function alarmOf({ status }: Pick<Beskar7Machine, 'status'>): Condition | undefined {
  return raisedConditions(status?.conditions, MACHINE_ALARMS)[0];
}
