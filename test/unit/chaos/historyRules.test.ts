import { describe, expect, test } from '@jest/globals';
import { HistoryRules } from '../../chaos/check/historyRules.ts';

type Event = NonNullable<Parameters<HistoryRules['add']>[1]['events']>[number];

const scheduled = (
  eventId: string,
  name: string,
  queue: string,
  host = 'h',
  more: object = {},
  limit: object = {},
): Event => ({
  eventId,
  ...more,
  activityTaskScheduledEventAttributes: {
    activityType: { name },
    taskQueue: { name: queue },
    input: {
      payloads: [
        { data: Buffer.from(JSON.stringify({ claim: { host, id: `claim of ${host}` }, ...limit })).toString('base64') },
      ],
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

describe('two runs on one claim', () => {
  const at = (second: number) => ({ eventTime: new Date(second * 1_000).toISOString() });
  const releases = (from: number, host = 'h'): Event[] => [
    scheduled('5', 'releaseHost', 'bmc', host, at(0)),
    { ...at(from), activityTaskStartedEventAttributes: { scheduledEventId: '5' } },
  ];
  const ended = (second: number) => ({ ...completed('5'), ...at(second) });
  const between = (first: Event[], second: Event[], ...changedAt: number[]): string[] => {
    const rules = new HistoryRules();
    rules.add('deprovision/ns/m run', { events: first });
    rules.add('release/ns/h run', { events: second });
    return rules.between(() => changedAt.map((second) => second * 1_000)).map(({ what }) => what);
  };
  const both = [
    'release/ns/h run: releaseHost was begun while releaseHost of deprovision/ns/m run was open on h, on the same claim',
  ];

  test('at once', () => {
    expect(between([...releases(1), ended(3)], [...releases(2), ended(4)])).toEqual(both);
    expect(between(releases(1), [...releases(2), ended(4)])).toEqual(both);
  });

  test('one after the other, on two hosts, or after the first was terminated in it: as it should be', () => {
    expect(between([...releases(1), ended(2)], releases(3))).toEqual([]);
    expect(between(releases(1, 'other'), releases(2))).toEqual([]);
    // No worker has taken it, or it came too late to send anything.
    expect(between([scheduled('5', 'releaseHost', 'bmc', 'h', at(1))], releases(2))).toEqual([]);
    const failure = { applicationFailureInfo: { type: 'ReleaseLeft' } };
    const left = { ...at(3), activityTaskFailedEventAttributes: { scheduledEventId: '5', failure } };
    expect(between([...releases(2), left], releases(1))).toEqual([]);
    const terminated = { ...at(2), workflowExecutionTerminatedEventAttributes: {} };
    expect(between([...releases(1), terminated], releases(3))).toEqual([]);
  });

  test('one that has no time any more may be open, and fail as it likes: what counts is what the BMC was told since', () => {
    const limited = [
      scheduled('5', 'releaseHost', 'bmc', 'h', at(0), { notAfter: new Date(10_000).toISOString() }),
      { ...at(1), activityTaskStartedEventAttributes: { scheduledEventId: '5' } },
      ended(30),
    ];
    const other = [...releases(20), ended(40)];
    expect(between(limited, other, 5, 11, 25)).toEqual([]);
    expect(between(limited, [...releases(9), ended(40)])).toEqual(both);
    expect(between(limited, other, 15)).toEqual([
      'deprovision/ns/m run: releaseHost changed the BMC of h after 1970-01-01T00:00:10.000Z, when another run may release it',
    ]);
  });
});
