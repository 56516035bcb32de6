import { afterAll, beforeAll, expect, jest, test } from '@jest/globals';
import type { WorkflowHandle } from '@temporalio/client';
import { monitorSettings } from '../../contracts/messages.ts';
import { monitorId, TASK_QUEUE, WORKFLOW_TYPES, type MonitorInput } from '../../contracts/names.ts';
import { lostWorker, untilCancelled, type Fakes, type Overrides } from './fakes.ts';
import { Stage } from './stage.ts';

jest.setTimeout(60_000);

let stage: Stage;
beforeAll(async () => void (stage = await Stage.open()));
afterAll(() => stage.close());

let started = 0;

/** A monitor whose shard number no other test uses. */
async function start(
  overrides: Overrides,
  parts: Partial<MonitorInput> = {},
): Promise<{ fakes: Fakes; run: WorkflowHandle; input: MonitorInput }> {
  const fakes = stage.prepare(overrides);
  started += 1;
  const input: MonitorInput = { shard: started, shards: 100, intervalMs: 60_000, ...parts };
  const run = await stage.env.client.workflow.start(WORKFLOW_TYPES.monitor, {
    workflowId: monitorId(input.pool, input.shard),
    taskQueue: TASK_QUEUE,
    args: [input],
    memo: { shards: input.shards, intervalMs: input.intervalMs },
  });
  return { fakes, run, input };
}

test('ids are readable, and no two pools share one', () => {
  expect(monitorId(undefined, 3)).toBe('monitor/default/3');
  expect(monitorId('site-a', 0)).toBe('monitor/site-a/0');
  expect(monitorId('default', 0)).not.toBe(monitorId(undefined, 0));
});

test('one activity on the queue of the pool, and an end when there are no hosts', async () => {
  const { fakes, run, input } = await start({}, { pool: 'site-a' });
  await expect(run.result()).resolves.toContain('nothing is left to watch over');
  expect(fakes.inputs('monitorShard')).toEqual([input]);
  const events = (await run.fetchHistory()).events ?? [];
  const scheduled = events.flatMap(({ activityTaskScheduledEventAttributes: attributes }) => attributes ?? []);
  expect(scheduled.map(({ taskQueue }) => taskQueue?.name)).toEqual(['bmc.site-a']);
  expect(scheduled.map(({ heartbeatTimeout }) => Number(heartbeatTimeout?.seconds))).toEqual([20]);
  expect(events.some(({ timerStartedEventAttributes }) => timerStartedEventAttributes)).toBe(false);
});

test('goes on in a fresh history, with its settings in the memo', async () => {
  let lasted = 0;
  const { run, input } = await start({
    monitorShard: () => Promise.resolve({ kind: (lasted += 1) < 60 ? 'over' : 'noHosts' }),
  });
  await expect(run.result()).resolves.toContain('nothing is left');
  expect(lasted).toBe(60);
  const last = await stage.env.client.workflow.getHandle(run.workflowId).describe();
  expect(last.runId).not.toBe((run as { firstExecutionRunId?: string }).firstExecutionRunId);
  expect(last.memo).toMatchObject({ shards: input.shards, intervalMs: input.intervalMs });
});

test('a lost worker: the shard moves after its heartbeat timeout', async () => {
  let tries = 0;
  const { run } = await start({
    monitorShard: () => {
      tries += 1;
      return tries === 1 ? lostWorker(stage.env) : Promise.resolve({ kind: 'noHosts' });
    },
  });
  await run.result();
  expect(tries).toBe(2);
});

test('other settings: the activity is ended, and begun again with them', async () => {
  const told: MonitorInput[] = [];
  const { fakes, run, input } = await start({
    monitorShard: (given) => {
      told.push(given);
      return told.length === 1 ? untilCancelled() : Promise.resolve({ kind: 'noHosts' });
    },
  });
  await fakes.called('monitorShard');
  await run.signal(monitorSettings, { shards: 50, intervalMs: 5_000 });
  await run.result();
  expect(told).toEqual([input, { ...input, shards: 50, intervalMs: 5_000 }]);
  expect((await stage.env.client.workflow.getHandle(run.workflowId).describe()).memo).toMatchObject({ shards: 50 });
});

test('the same settings change nothing, and a shard that is no longer there ends', async () => {
  const { fakes, run, input } = await start({ monitorShard: untilCancelled });
  await fakes.called('monitorShard');
  await run.signal(monitorSettings, { shards: input.shards, intervalMs: input.intervalMs });
  await run.signal(monitorSettings, { shards: input.shard, intervalMs: input.intervalMs });
  await expect(run.result()).resolves.toContain(`there is no shard ${input.shard} any more`);
  expect(fakes.names()).toEqual(['monitorShard']);
});
