import { describe, expect, test } from '@jest/globals';
import { HistoryRules } from '../../chaos/check/historyRules.ts';

type Event = NonNullable<Parameters<HistoryRules['add']>[1]['events']>[number];

const scheduled = (eventId: string, name: string, queue: string, host = 'h', more: object = {}): Event => ({
  eventId,
  ...more,
  activityTaskScheduledEventAttributes: {
    activityType: { name },
    taskQueue: { name: queue },
    input: {
      payloads: [{ data: Buffer.from(JSON.stringify({ claim: { host, id: `claim of ${host}` } })).toString('base64') }],
    },
  },
});
const completed = (scheduledEventId: string): Event => ({
  activityTaskCompletedEventAttributes: { scheduledEventId },
});
const failedTask = (cause: string): Event => ({
  workflowTaskFailedEventAttributes: { cause: `WORKFLOW_TASK_FAILED_CAUSE_${cause}`, failure: { message: 'why' } },
});
const broken = (...events: Event[]): string[] =>
  new HistoryRules().add('provision/ns/m run', { events }).map(({ what }) => what);

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

test('one activity on each of two BMCs', () => {
  expect(broken(scheduled('5', 'prepareBoot', 'bmc', 'a'), scheduled('6', 'prepareBoot', 'bmc', 'b'))).toEqual([]);
});

test('two activities on a BMC at once', () => {
  expect(broken(scheduled('5', 'bootInspector', 'bmc'), scheduled('6', 'prepareBoot', 'bmc'))).toEqual([
    'provision/ns/m run: prepareBoot was begun while another activity on the BMC of h was open',
  ]);
});

test('a release by another run than release/<ns>/<host>', () => {
  expect(broken(scheduled('5', 'releaseHost', 'bmc'))).toEqual([
    'provision/ns/m run: it releases a host itself, which is the work of release/<ns>/<host>',
  ]);
});

test('a workflow task that failed because of its code, not because of a reset', () => {
  expect(broken(failedTask('RESET_WORKFLOW'))).toEqual([]);
  expect(broken(failedTask('NON_DETERMINISTIC_ERROR'))).toEqual(['provision/ns/m run: its code has failed: why']);
});

describe('two runs on one claim', () => {
  const at = (second: number) => ({ eventTime: new Date(second * 1_000).toISOString() });
  const calls = (name: string, from: number, host: string): Event[] => [
    scheduled('5', name, 'bmc', host, at(0)),
    { ...at(from), activityTaskStartedEventAttributes: { scheduledEventId: '5' } },
  ];
  const boots = (from: number, host = 'h') => calls('bootInspector', from, host);
  const releases = (from: number) => calls('releaseHost', from, 'h');
  const ended = (second: number) => ({ ...completed('5'), ...at(second) });
  const between = (first: Event[], second: Event[]): string[] => {
    const rules = new HistoryRules();
    rules.add('provision/ns/m run', { events: first });
    rules.add('release/ns/h run', { events: second });
    return rules.between().map(({ what }) => what);
  };
  const both = [
    'release/ns/h run: releaseHost was begun while bootInspector of provision/ns/m run was open on h, on the same claim',
  ];

  test('at once', () => {
    expect(between([...boots(1), ended(3)], [...releases(2), ended(4)])).toEqual(both);
    expect(between(boots(1), [...releases(2), ended(4)])).toEqual(both);
  });

  test('one after the other, on two hosts, or after the first was terminated in it: as it should be', () => {
    expect(between([...boots(1), ended(2)], releases(3))).toEqual([]);
    expect(between(boots(1, 'other'), releases(2))).toEqual([]);
    // No worker has taken it.
    expect(between([scheduled('5', 'bootInspector', 'bmc', 'h', at(1))], releases(2))).toEqual([]);
    const terminated = { ...at(2), workflowExecutionTerminatedEventAttributes: {} };
    expect(between([...boots(1), terminated], releases(3))).toEqual([]);
  });
});
