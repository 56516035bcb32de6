import type { Priority } from '@temporalio/common';
import type { WORKFLOW_TYPES } from './names.ts';

type Kind = keyof typeof WORKFLOW_TYPES;

/**
 * Which task a worker takes first where several wait (1 is first; Temporal knows 1 to 5): what ends comes before what
 * starts, and a poll of a BMC comes last. A server that does not know priorities takes them in
 * order of arrival.
 */
const KEYS: Readonly<Record<Kind, number>> = {
  release: 1,
  retire: 1,
  deprovision: 1,
  provision: 2,
  enroll: 4,
  monitor: 5,
};

/**
 * The priority of a run, which its activities inherit. Namespaces share what there is (fairness key): one with a
 * hundred hosts whose BMCs hang does not stand before the others.
 */
export function priorityOf(kind: Kind, namespace?: string): Priority {
  return { priorityKey: KEYS[kind], ...(namespace === undefined ? {} : { fairnessKey: namespace.slice(0, 64) }) };
}
