import { temporal } from '@temporalio/proto';
import type { Violation } from '../records.ts';

type History = temporal.api.history.v1.IHistory;
const { EventType, WorkflowTaskFailedCause } = temporal.api.enums.v1;

/** A workflow task that fails so has met code that is wrong, not a fault from outside. */
const CODE_FAILED: ReadonlySet<unknown> = new Set([
  WorkflowTaskFailedCause.WORKFLOW_TASK_FAILED_CAUSE_NON_DETERMINISTIC_ERROR,
  WorkflowTaskFailedCause.WORKFLOW_TASK_FAILED_CAUSE_WORKFLOW_WORKER_UNHANDLED_FAILURE,
]);

/** What a run's history shows of rules: never two activities open on a BMC (rule 6 of docs/rules.md), and code that always decides. */
export function historyRules(run: string, history: History): Violation[] {
  const found: Violation[] = [];
  const open = new Set<string>();
  for (const event of history.events ?? []) {
    const at = Number(event.eventTime?.seconds ?? 0) * 1_000;
    const violation = (what: string): void => void found.push({ rule: 6, at, what: `${run}: ${what}` });
    const closed =
      event.activityTaskCompletedEventAttributes ??
      event.activityTaskFailedEventAttributes ??
      event.activityTaskTimedOutEventAttributes ??
      event.activityTaskCanceledEventAttributes;
    if (closed) open.delete(String(closed.scheduledEventId));
    if (event.eventType === EventType.EVENT_TYPE_ACTIVITY_TASK_SCHEDULED) {
      const { taskQueue, activityType } = event.activityTaskScheduledEventAttributes ?? {};
      if (!/^bmc(\.|$)/.test(taskQueue?.name ?? '')) continue;
      if (open.size > 0) violation(`${activityType?.name ?? ''} was begun while another activity on a BMC was open`);
      open.add(String(event.eventId));
    }
    if (event.eventType === EventType.EVENT_TYPE_WORKFLOW_TASK_FAILED) {
      const { cause, failure } = event.workflowTaskFailedEventAttributes ?? {};
      if (CODE_FAILED.has(cause)) violation(`its code has failed: ${failure?.message ?? ''}`);
    }
  }
  return found;
}
