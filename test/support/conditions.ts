import { findCondition } from '../../crds/conditions.ts';
import type { Condition } from '../../crds/schema.ts';

interface WithConditions {
  readonly status?: { readonly conditions?: Condition[] };
}

/** Reason and message of a condition as `Reason: message`; empty when it is not there. */
export function told(object: WithConditions | undefined, type = 'Ready'): string {
  const condition = findCondition(object?.status?.conditions, type);
  return condition ? `${condition.reason}: ${condition.message}` : '';
}

/** Whether a condition is True, or has the status that is asked for. */
export function isUpToDate(object: WithConditions | undefined, type: string, status = 'True'): boolean {
  return findCondition(object?.status?.conditions, type)?.status === status;
}
