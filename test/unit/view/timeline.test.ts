import { readFileSync } from 'node:fs';
import path from 'node:path';
import { describe, expect, test } from '@jest/globals';
import { historyFromJSON } from '@temporalio/common/lib/proto-utils.js';
import { hardwareIn } from '../../../view/hardware.ts';
import { timelineOf, type PendingActivity } from '../../../view/timeline.ts';

type Json = Record<string, unknown>;

const HISTORIES = path.join(import.meta.dirname, 'histories');
const recorded = (file: string): Json[] =>
  (JSON.parse(readFileSync(path.join(HISTORIES, `${file}.json`), 'utf8')) as { events: Json[] }).events;
const timeline = (events: Json[], pending?: PendingActivity[]) => timelineOf(historyFromJSON({ events }), pending);
const short = (steps: ReturnType<typeof timelineOf>) => steps.map(({ name, state }) => `${state}: ${name}`);
/** A recorded history as it was before the first event of a type that `fits`. */
const until = (events: Json[], fits: (event: Json) => boolean) => events.slice(0, events.findIndex(fits));

/** Writes histories that were not recorded. One event per second. */
class Script {
  readonly events: Json[] = [];

  schedule(type: string, input: Json = {}): string {
    const eventId = this.#add('ACTIVITY_TASK_SCHEDULED', {
      activityTaskScheduledEventAttributes: {
        activityId: `a${this.events.length + 1}`,
        activityType: { name: type },
        input: { payloads: [payload(input)] },
      },
    });
    return eventId;
  }

  complete(scheduledEventId: string, result: Json = {}): void {
    this.#add('ACTIVITY_TASK_COMPLETED', {
      activityTaskCompletedEventAttributes: { scheduledEventId, result: { payloads: [payload(result)] } },
    });
  }

  fail(scheduledEventId: string, message: string, ...details: Json[]): void {
    this.#add('ACTIVITY_TASK_FAILED', {
      activityTaskFailedEventAttributes: {
        scheduledEventId,
        failure: { message, applicationFailureInfo: { details: { payloads: details.map(payload) } } },
      },
    });
  }

  startTimer(seconds: number, summary: string): string {
    return this.#add(
      'TIMER_STARTED',
      { timerStartedEventAttributes: { startToFireTimeout: `${seconds}s` } },
      { summary: payload(summary) },
    );
  }

  fireTimer(startedEventId: string): void {
    this.#add('TIMER_FIRED', { timerFiredEventAttributes: { startedEventId } });
  }

  add(type: string, attributes: Json): void {
    this.#add(type, attributes);
  }

  /** Claimed and seen off: host-1. */
  claim(host = 'host-1'): void {
    this.complete(this.schedule('claimHost'), {
      kind: 'claimed',
      claim: { ref: { host }, stage: 'Claimed', isAdopted: false },
      plan: { readyWhen: 'HandedOver' },
    });
  }

  #add(type: string, attributes: Json, userMetadata?: Json): string {
    const eventId = String(this.events.length + 1);
    const second = String(this.events.length + 1).padStart(2, '0');
    this.events.push({
      eventId,
      eventTime: `2026-11-23T12:00:${second}Z`,
      eventType: `EVENT_TYPE_${type}`,
      ...(userMetadata ? { userMetadata } : {}),
      ...attributes,
    });
    return eventId;
  }
}

function payload(value: unknown): Json {
  const base64 = (text: string) => Buffer.from(text).toString('base64');
  return { metadata: { encoding: base64('json/plain') }, data: base64(JSON.stringify(value)) };
}

const GOOD = [
  'done: Claim a host',
  'done: Switch the server off',
  'done: Wait for its turn to power on',
  'done: Boot from the network',
  'done: Wait for the report',
  'done: Check the hardware',
  'done: Open the bootstrap data',
  'done: Wait for the hand-over',
];

describe('recorded runs', () => {
  test('a provisioning: every step, with its duration and what came out', () => {
    const steps = timeline(recorded('provision_e2e-provisioning_m-1-completed-46b4'));
    expect(short(steps)).toEqual(GOOD);
    expect(steps[0]).toEqual({
      id: '1',
      name: 'Claim a host',
      state: 'done',
      startedAt: expect.stringMatching(/^2026-11-23T/),
      endedAt: expect.stringMatching(/^2026-11-23T/),
      detail: 'host-5',
      retries: [],
    });
    expect(steps[5]?.detail).toBe('16 cores, 64 GiB, 2000 GB on the largest disk');
    for (const [index, { startedAt, endedAt }] of steps.entries()) {
      expect(Date.parse(endedAt ?? '')).toBeGreaterThanOrEqual(Date.parse(startedAt));
      expect(startedAt >= (steps[index - 1]?.endedAt ?? '')).toBe(true);
    }
  });

  test('one that waited for a host, however often it was woken', () => {
    const steps = timeline(recorded('provision_e2e-failures_greedy-completed-5d9b'));
    expect(short(steps)).toEqual(['done: Claim a host', 'done: Wait for a free host', ...GOOD.slice(1)]);
    expect(steps[1]?.detail).toBe('host-2');
  });

  test('one that timed out', () => {
    const steps = timeline(recorded('provision_e2e-failures_silent-failed-521a'));
    expect(short(steps).slice(4)).toEqual([
      'failed: Wait for the report',
      'done: Release the host',
      'done: Write the outcome',
    ]);
    expect(steps[6]?.detail).toMatch(/^InspectionTimeout: Host host-1 sent no inspection report/);
  });

  test('hardware that does not do', () => {
    const steps = timeline(recorded('provision_e2e-failures_greedy-failed-7f77'));
    expect(steps[5]).toMatchObject({ name: 'Check the hardware', state: 'failed' });
    expect(steps[5]?.detail).toContain('minCPUCores: 64 asked for, 16 found');
  });

  test('one that was cancelled', () => {
    const steps = timeline(recorded('provision_e2e-failures_stopped-cancelled-f214'));
    expect(short(steps).slice(4)).toEqual([
      'cancelled: Wait for the report',
      'cancelled: Cancel requested',
      'done: Release the host',
      'done: Write the outcome',
    ]);
  });

  test('one that was reset, and then found its machine provisioned', () => {
    const steps = timeline(recorded('provision_e2e-failures_stopped-completed-6157'));
    expect(short(steps)).toEqual(['done: Reset by an operator', 'done: Reset by an operator', 'done: Claim a host']);
    expect(steps[2]?.detail).toContain('already provisioned');
  });

  test('an enrolment with a wrong password, tried again', () => {
    const [step, ...more] = timeline(recorded('enroll_e2e-failures_host-4-completed-acec'));
    expect(more).toEqual([]);
    expect(step).toMatchObject({ name: 'Connect to the BMC', state: 'done' });
    expect(step?.retries).toEqual([{ at: expect.any(String), error: expect.stringContaining('(401)') }]);
  });

  test.each(['deprovision_e2e-failures_greedy-completed-f7a5', 'retire_e2e-failures_host-1-completed-cae4'])(
    '%s: all is done',
    (file) => {
      const steps = timeline(recorded(file));
      expect(steps.length).toBeGreaterThan(1);
      expect(new Set(steps.map(({ state }) => state))).toEqual(new Set(['done']));
    },
  );

  test('after each event of each run the steps make sense', () => {
    for (const file of [
      'provision_e2e-failures_greedy-completed-5d9b',
      'provision_e2e-failures_silent-failed-521a',
      'provision_e2e-failures_unlucky-cancelled-95e3',
      'provision_e2e-failures_stopped-completed-71a7',
    ]) {
      const events = recorded(file);
      for (let count = 1; count <= events.length; count += 1) {
        const steps = timeline(events.slice(0, count));
        const open = steps.filter(({ endedAt }) => endedAt === undefined);
        expect(open.length).toBeLessThanOrEqual(1);
        for (const step of open) expect(['running', 'waiting']).toContain(step.state);
        for (const { endedAt, state } of steps) if (endedAt) expect(['running', 'waiting']).not.toContain(state);
        if (count === events.length) expect(open).toEqual([]);
      }
    }
  });
});

describe('runs in progress', () => {
  test('what it waits for is open, and says until when', () => {
    const events = recorded('provision_e2e-failures_silent-failed-521a');
    const steps = timeline(until(events, (event) => 'timerFiredEventAttributes' in event));
    expect(steps.at(-1)).toMatchObject({ name: 'Wait for the report', state: 'waiting' });
    expect(steps.at(-1)?.detail).toBe('until 2026-11-23T07:41:21.104Z at most');
    expect(steps.at(-1)).not.toHaveProperty('endedAt');
  });

  test('no host is free: why', () => {
    const events = recorded('provision_e2e-failures_greedy-completed-5d9b');
    const steps = timeline(until(events, (event) => 'workflowExecutionSignaledEventAttributes' in event));
    expect(steps.at(-1)).toMatchObject({ name: 'Wait for a free host', state: 'waiting' });
    expect(steps.at(-1)?.detail).toMatch(/^No free host fits/);
  });

  test('nobody has taken the run', () => {
    const events = recorded('provision_e2e-failures_greedy-completed-5d9b').slice(0, 2);
    expect(short(timeline(events))).toEqual(['waiting: Wait for a worker']);
  });

  test('an activity that Temporal repeats: the last error and the next attempt', () => {
    const script = new Script();
    script.schedule('claimHost');
    const pending = {
      activityId: 'a1',
      attempt: 4,
      state: 1,
      lastFailure: { message: 'the API server cannot be reached' },
      nextAttemptScheduleTime: { seconds: Date.parse('2026-11-23T12:01:00Z') / 1000, nanos: 0 },
    } as unknown as PendingActivity;
    expect(timeline(script.events, [pending])).toEqual([
      {
        id: '1',
        name: 'Claim a host',
        state: 'waiting',
        startedAt: '2026-11-23T12:00:01.000Z',
        retries: [
          { at: expect.any(String), error: 'the API server cannot be reached (the last of 3 failed attempts)' },
        ],
        nextAttemptAt: '2026-11-23T12:01:00.000Z',
      },
    ]);
  });

  test('an activity that no worker takes', () => {
    const script = new Script();
    script.schedule('prepareBoot');
    const pending = { activityId: 'a1', attempt: 1, state: 1 } as PendingActivity;
    expect(timeline(script.events, [pending])[0]).toMatchObject({
      state: 'waiting',
      detail: 'no worker has taken it yet',
    });
  });
});

describe('retries', () => {
  test('a boot that fails begins again, and is one step with its errors', () => {
    const script = new Script();
    script.claim();
    script.complete(script.schedule('prepareBoot'));
    script.complete(script.schedule('acquirePowerOnPermit'));
    script.fail(script.schedule('bootInspector'), 'the BMC answers 503');
    script.complete(script.schedule('reportProgress'));
    const timer = script.startTimer(30, 'Next attempt to boot host-1: the BMC answers 503');
    const waiting = timeline(script.events);
    expect(short(waiting).slice(3)).toEqual(['waiting: Boot from the network']);
    const timerAt = Date.parse(String(script.events.at(-1)?.['eventTime']));
    expect(waiting[3]?.nextAttemptAt).toBe(new Date(timerAt + 30_000).toISOString());

    script.fireTimer(timer);
    script.complete(script.schedule('prepareBoot'));
    expect(short(timeline(script.events)).slice(3)).toEqual(['running: Boot from the network']);
    script.complete(script.schedule('acquirePowerOnPermit'));
    script.complete(script.schedule('bootInspector'), { inspectionDeadline: '2026-11-23T12:10:00Z' });
    const steps = timeline(script.events);
    expect(short(steps).slice(3)).toEqual(['done: Boot from the network', 'waiting: Wait for the report']);
    expect(steps[3]?.retries.map(({ error }) => error)).toEqual(['the BMC answers 503']);
    expect(steps[3]).not.toHaveProperty('nextAttemptAt');
  });

  test('another host is another row of steps', () => {
    const script = new Script();
    script.claim('host-1');
    script.fail(script.schedule('prepareBoot'), 'no route to the BMC');
    const reason = 'BootFailed: Host host-1 was not booted';
    script.complete(script.schedule('markReleasing', { claim: { host: 'host-1' }, reason }), { kind: 'releasing' });
    script.fail(script.schedule('releaseHost'), 'no route to the BMC');
    const timer = script.startTimer(2, 'Next attempt to release host host-1: no route to the BMC');
    expect(timeline(script.events).at(-1)).toMatchObject({ name: 'Release the host', state: 'waiting' });
    script.fireTimer(timer);
    script.complete(script.schedule('releaseHost'), { kind: 'released' });
    script.claim('host-2');
    script.schedule('prepareBoot');
    const steps = timeline(script.events);
    expect(short(steps)).toEqual([
      'done: Claim a host',
      'failed: Switch the server off',
      'done: Release the host',
      'done: Claim a host',
      'running: Switch the server off',
    ]);
    expect(steps[2]?.retries).toHaveLength(1);
    expect(steps[3]?.detail).toBe('host-2');
  });

  test('a release that does not end goes on elsewhere, and says where', () => {
    const script = new Script();
    script.claim();
    script.complete(script.schedule('markReleasing', { claim: { host: 'host-1' }, reason: 'Cancelled' }));
    script.fail(script.schedule('releaseHost'), 'no route to the BMC');
    script.add('START_CHILD_WORKFLOW_EXECUTION_INITIATED', {
      startChildWorkflowExecutionInitiatedEventAttributes: { workflowId: 'release/default/host-1' },
    });
    script.complete(
      script.schedule('failMachine', { outcome: 'Cancelled', reason: 'Cancelled', message: 'on host-1' }),
    );
    script.add('WORKFLOW_EXECUTION_CANCELED', { workflowExecutionCanceledEventAttributes: {} });
    const steps = timeline(script.events);
    expect(steps[1]).toMatchObject({ state: 'failed', detail: 'continues in release/default/host-1' });
    expect(short(steps).at(-1)).toBe('done: Write the outcome');
  });
});

describe('ends', () => {
  const ended = (type: string, attributes: Json) => {
    const script = new Script();
    script.claim();
    script.complete(script.schedule('prepareBoot'));
    script.schedule('acquirePowerOnPermit');
    script.add(type, attributes);
    return timeline(script.events).slice(2);
  };

  test('terminated', () => {
    const steps = ended('WORKFLOW_EXECUTION_TERMINATED', {
      workflowExecutionTerminatedEventAttributes: { reason: 'by hand' },
    });
    expect(short(steps)).toEqual(['cancelled: Wait for its turn to power on', 'cancelled: Terminated']);
    expect(steps[1]?.detail).toBe('by hand');
  });

  test('continued as new', () => {
    const steps = ended('WORKFLOW_EXECUTION_CONTINUED_AS_NEW', {
      workflowExecutionContinuedAsNewEventAttributes: { newExecutionRunId: 'run-2' },
    });
    expect(steps.at(-1)).toMatchObject({ name: 'Continued as a new run', detail: 'run run-2', state: 'done' });
    const next = timeline([
      {
        eventId: '1',
        eventTime: '2026-11-23T12:00:00Z',
        eventType: 'EVENT_TYPE_WORKFLOW_EXECUTION_STARTED',
        workflowExecutionStartedEventAttributes: { continuedExecutionRunId: 'run-1' },
      },
    ]);
    expect(next).toMatchObject([{ name: 'Continued from an earlier run', detail: 'run run-1' }]);
  });

  test('failed by an error that nobody expected', () => {
    const steps = ended('WORKFLOW_EXECUTION_FAILED', {
      workflowExecutionFailedEventAttributes: { failure: { message: 'boom' } },
    });
    expect(steps.at(-1)).toMatchObject({ name: 'Failed', state: 'failed', detail: 'boom' });
  });
});

test('what was asked of the BMC stands with its step: by a try that failed, and by the one after it', () => {
  const script = new Script();
  const one = (line: string) => ({ bmcRequests: [line] });
  script.fail(script.schedule('bootInspector'), 'no answer', { kind: 'Timeout' }, one('GET /redfish/v1 Timeout'));
  script.complete(script.schedule('bootInspector'), { ...one('GET /redfish/v1 200'), inspectionDeadline: 'later' });
  const [boot, wait] = timeline(script.events);
  expect(boot).toMatchObject({
    name: 'Boot from the network',
    bmcRequests: ['GET /redfish/v1 Timeout', 'GET /redfish/v1 200'],
  });
  expect(wait).not.toHaveProperty('bmcRequests');
});

test('the hardware that a run compared; nothing before the report', () => {
  const hardware = { cpuCores: 16, memoryBytes: 64 * 2 ** 30, largestDiskBytes: 5e11 };
  const script = new Script();
  script.complete(script.schedule('takeReport'), { kind: 'waiting' });
  expect(hardwareIn(historyFromJSON({ events: script.events }))).toBeUndefined();
  script.complete(script.schedule('takeReport'), { kind: 'reported', hardware });
  script.complete(script.schedule('failMachine'), {});
  expect(hardwareIn(historyFromJSON({ events: script.events }))).toEqual(hardware);
});
