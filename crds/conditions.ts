import { storedText } from '../untrusted/stored.ts';
import type { Condition } from './schema.ts';

/** One condition as a writer sets it; times are added by `withCondition`. */
export interface ConditionPatch {
  readonly type: string;
  readonly status: 'True' | 'False' | 'Unknown';
  /** CamelCase, for programs. */
  readonly reason: string;
  /** For the operator: what, on which object, why, what happens next. */
  readonly message: string;
}

/** The entry for one type. */
export function findCondition(conditions: readonly Condition[] | undefined, type: string): Condition | undefined {
  return conditions?.find((condition) => condition.type === type);
}

/** Whether the condition says that already. */
export function isUpToDate(current: Condition | undefined, { status, reason, message }: ConditionPatch): boolean {
  return current?.status === status && current.reason === reason && current.message === storedText(message);
}

/**
 * A whole condition out of what is to be said and what stands there now: the transition time changes only with the
 * status. `now` is RFC 3339.
 */
export function condition(
  patch: ConditionPatch,
  now: string,
  generation: number | undefined,
  current?: Condition,
): Condition {
  return {
    type: patch.type,
    status: patch.status,
    reason: patch.reason,
    message: storedText(patch.message).slice(0, 32768),
    lastTransitionTime: current?.status === patch.status ? current.lastTransitionTime : seconds(now),
    ...(generation === undefined ? {} : { observedGeneration: generation }),
  };
}

/** Those of `types` that are True, in the order of `types`. */
export function raisedConditions(conditions: readonly Condition[] | undefined, types: readonly string[]): Condition[] {
  return types.flatMap((type) => {
    const found = findCondition(conditions, type);
    return found?.status === 'True' ? [found] : [];
  });
}

/** The list with some conditions replaced or added; others stay as they are. */
export function withConditions(
  current: readonly Condition[] | undefined,
  patches: readonly ConditionPatch[],
  now: string,
  generation: number | undefined,
): Condition[] {
  const result = [...(current ?? [])];
  for (const patch of patches) {
    const index = result.findIndex((entry) => entry.type === patch.type);
    const entry = condition(patch, now, generation, result[index]);
    if (index >= 0) result[index] = entry;
    else result.push(entry);
  }
  return result;
}

/** The list without the condition of one type. */
export function withoutCondition(current: readonly Condition[] | undefined, type: string): Condition[] {
  return (current ?? []).filter((condition) => condition.type !== type);
}

/** metav1.Time has whole seconds. */
export function seconds(isoTime: string): string {
  return `${isoTime.slice(0, 19)}Z`;
}
