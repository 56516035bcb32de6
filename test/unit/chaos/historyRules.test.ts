import { expect, test } from '@jest/globals';
import { historyRules } from '../../chaos/check/historyRules.ts';

type Event = NonNullable<Parameters<typeof historyRules>[1]['events']>[number];

const scheduled = (eventId: string, name: string, queue: string, host = 'h'): Event => ({
  eventId,
  activityTaskScheduledEventAttributes: {
    activityType: { name },
    taskQueue: { name: queue },
    input: { payloads: [{ data: Buffer.from(JSON.stringify({ claim: { host } })).toString('base64') }] },
  },
});
const completed = (scheduledEventId: string): Event => ({
  activityTaskCompletedEventAttributes: { scheduledEventId },
});
const failedTask = (cause: string): Event => ({
  workflowTaskFailedEventAttributes: { cause: `WORKFLOW_TASK_FAILED_CAUSE_${cause}`, failure: { message: 'why' } },
});
const broken = (...events: Event[]): string[] => historyRules('provision/ns/m run', { events }).map(({ what }) => what);

test('one activity on a BMC after the other, and others beside them', () => {
  expect(
    broken(
      scheduled('5', 'prepareBoot', 'bmc'),
      scheduled('6', 'markReleasing', 'beskar7'),
      completed('5'),
      scheduled('9', 'bootInspector', 'bmc.site-a'),
    ),
  ).toEqual([]);
});

test('one activity on each of two BMCs: a deleted machine with two hosts', () => {
  expect(broken(scheduled('5', 'releaseHost', 'bmc', 'a'), scheduled('6', 'releaseHost', 'bmc', 'b'))).toEqual([]);
});

test('two activities on a BMC at once', () => {
  expect(broken(scheduled('5', 'bootInspector', 'bmc'), scheduled('6', 'releaseHost', 'bmc'))).toEqual([
    'provision/ns/m run: releaseHost was begun while another activity on the BMC of h was open',
  ]);
});

test('a workflow task that failed because of its code, not because of a reset', () => {
  expect(broken(failedTask('RESET_WORKFLOW'))).toEqual([]);
  expect(broken(failedTask('NON_DETERMINISTIC_ERROR'))).toEqual(['provision/ns/m run: its code has failed: why']);
});
