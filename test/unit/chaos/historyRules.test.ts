import { expect, test } from '@jest/globals';
import { temporal } from '@temporalio/proto';
import { historyRules } from '../../chaos/check/historyRules.ts';

const { EventType, WorkflowTaskFailedCause } = temporal.api.enums.v1;
type Event = temporal.api.history.v1.IHistoryEvent;

const scheduled = (eventId: number, name: string, queue: string): Event => ({
  eventId: eventId as never,
  eventType: EventType.EVENT_TYPE_ACTIVITY_TASK_SCHEDULED,
  activityTaskScheduledEventAttributes: { activityType: { name }, taskQueue: { name: queue } },
});
const completed = (scheduledEventId: number): Event => ({
  eventType: EventType.EVENT_TYPE_ACTIVITY_TASK_COMPLETED,
  activityTaskCompletedEventAttributes: { scheduledEventId: scheduledEventId as never },
});
const failedTask = (cause: number): Event => ({
  eventType: EventType.EVENT_TYPE_WORKFLOW_TASK_FAILED,
  workflowTaskFailedEventAttributes: { cause, failure: { message: 'why' } },
});
const broken = (...events: Event[]): string[] => historyRules('provision/ns/m run', { events }).map(({ what }) => what);

test('one activity on a BMC after the other, and others beside them', () => {
  expect(
    broken(
      scheduled(5, 'prepareBoot', 'bmc'),
      scheduled(6, 'markReleasing', 'beskar7'),
      completed(5),
      scheduled(9, 'bootInspector', 'bmc.site-a'),
    ),
  ).toEqual([]);
});

test('two activities on a BMC at once', () => {
  expect(broken(scheduled(5, 'bootInspector', 'bmc'), scheduled(6, 'releaseHost', 'bmc'))).toEqual([
    'provision/ns/m run: releaseHost was begun while another activity on a BMC was open',
  ]);
});

test('a workflow task that failed because of its code, not because of a reset', () => {
  expect(broken(failedTask(WorkflowTaskFailedCause.WORKFLOW_TASK_FAILED_CAUSE_RESET_WORKFLOW))).toEqual([]);
  expect(broken(failedTask(WorkflowTaskFailedCause.WORKFLOW_TASK_FAILED_CAUSE_NON_DETERMINISTIC_ERROR))).toEqual([
    'provision/ns/m run: its code has failed: why',
  ]);
});
