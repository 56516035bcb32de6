import { getEventListeners } from 'node:events';
import path from 'node:path';
import { setTimeout } from 'node:timers/promises';
import { afterAll, beforeAll, beforeEach, expect, jest, test } from '@jest/globals';
import { Client, type WorkflowHandle } from '@temporalio/client';
import { MockActivityEnvironment } from '@temporalio/testing';
import { Worker, type NativeConnection } from '@temporalio/worker';
import type { Dependencies } from '../../activities/dependencies.ts';
import { endProvisioning } from '../../activities/release/endProvisioning.ts';
import { workflowId, type ObjectRef } from '../../contracts/names.ts';
import { realServer, Stage } from './stage.ts';
import { goOn } from './untilCancelled.ts';

jest.setTimeout(60_000);

const QUEUE = 'until-cancelled';

let stage: Stage;
let worker: Worker;
let running: Promise<void>;
beforeAll(async () => {
  stage = await Stage.open(realServer);
  worker = await Worker.create({
    connection: stage.env.nativeConnection as NativeConnection,
    taskQueue: QUEUE,
    workflowsPath: path.join(import.meta.dirname, 'untilCancelled.ts'),
  });
  running = worker.run();
});
afterAll(async () => {
  worker.shutdown();
  await running;
  await stage.close();
});

let cancels: { workflowId: string; runId?: string }[];
/** Happens after a run was looked at, before its cancel. */
let meanwhile: () => Promise<unknown>;
beforeEach(() => {
  cancels = [];
  meanwhile = () => Promise.resolve();
});

let tests = 0;
const fresh = (): ObjectRef => ({ namespace: 'ns', name: `m-${(tests += 1)}`, uid: 'u' });

/** A provisioning that lasts until it is cancelled; `fresh`: it goes on in so many fresh histories first. */
function start(ref: ObjectRef, parts: { memo?: { uid?: string }; fresh?: number; taskQueue?: string } = {}) {
  const { memo = { uid: ref.uid }, fresh = 0, taskQueue = QUEUE } = parts;
  const id = workflowId('provision', ref);
  return stage.env.client.workflow.start('untilCancelled', { workflowId: id, taskQueue, args: [fresh], memo });
}

/** As a worker calls it, by a client that notes its cancels. */
function end(ref: ObjectRef, signal = new AbortController().signal): Promise<void> {
  const temporal = new Client({
    connection: stage.env.connection,
    ...(stage.env.namespace === undefined ? {} : { namespace: stage.env.namespace }),
    interceptors: {
      workflow: [
        {
          async describe(input, next) {
            const seen = await next(input);
            await meanwhile();
            return seen;
          },
          cancel(input, next) {
            cancels.push(input.workflowExecution);
            return next(input);
          },
        },
      ],
    },
  });
  const deps = { temporal } as Dependencies;
  return new MockActivityEnvironment().run(() => endProvisioning(deps, ref, signal)) as Promise<void>;
}

const statusOf = async (handle: WorkflowHandle) => (await handle.describe()).status.name;
const current = (ref: ObjectRef) => stage.env.client.workflow.getHandle(workflowId('provision', ref));
const hasCancel = async (handle: WorkflowHandle) =>
  ((await handle.fetchHistory()).events ?? []).some((event) => event.workflowExecutionCancelRequestedEventAttributes);

test('the run of the machine is cancelled by its run id, and has closed when it returns', async () => {
  const ref = fresh();
  const run = await start(ref);
  const { runId } = await run.describe();
  const { signal } = new AbortController();
  await end(ref, signal);
  expect(await statusOf(run)).toBe('CANCELLED');
  expect(cancels).toEqual([{ workflowId: run.workflowId, runId }]);
  // A worker lives for months: nothing of it goes on waiting.
  expect(getEventListeners(signal, 'abort')).toEqual([]);
});

test('an end that takes long is not waited for when the worker shuts down', async () => {
  const ref = fresh();
  const run = await start(ref, { taskQueue: 'nobody' });
  const shutdown = new AbortController();
  const ended = end(ref, shutdown.signal);
  while (!(await hasCancel(run))) await setTimeout(10);
  shutdown.abort(new Error('the worker shuts down'));
  await expect(ended).rejects.toThrow('the worker shuts down');
  expect(await statusOf(run)).toBe('RUNNING');
  await run.terminate();
});

test('a run that was started by hand, without a uid, is taken for the machine’s', async () => {
  const ref = fresh();
  const run = await start(ref, { memo: {} });
  await end(ref);
  expect(await statusOf(run)).toBe('CANCELLED');
});

test('the run of another machine of the name is left alone', async () => {
  const ref = fresh();
  const run = await start(ref, { memo: { uid: 'another' } });
  await end(ref);
  expect(cancels).toEqual([]);
  expect([await statusOf(run), await hasCancel(run)]).toEqual(['RUNNING', false]);
  await run.terminate();
});

test('one that begins while the machine’s own ends is not hit by the cancel', async () => {
  const ref = fresh();
  const own = await start(ref);
  meanwhile = async () => {
    meanwhile = () => Promise.resolve();
    await own.terminate();
    await start(ref, { memo: { uid: 'another' } });
  };
  await end(ref);
  const { runId } = await current(ref).describe();
  const another = stage.env.client.workflow.getHandle(own.workflowId, runId);
  expect(cancels).toHaveLength(1);
  expect(cancels[0]?.runId).not.toBe(runId);
  expect([await statusOf(another), await hasCancel(another)]).toEqual(['RUNNING', false]);
  await another.terminate();
});

test('one that answers the cancel by going on in a fresh history is looked at again, until none is open', async () => {
  const ref = fresh();
  await start(ref, { fresh: 2 });
  await end(ref);
  expect(await statusOf(current(ref))).toBe('CANCELLED');
  expect(new Set(cancels.map(({ runId }) => runId)).size).toBe(3);
});

test('one that went on in a fresh history between the look and the cancel: the same', async () => {
  const ref = fresh();
  const run = await start(ref);
  const { runId } = await run.describe();
  meanwhile = async () => {
    meanwhile = () => Promise.resolve();
    await run.signal(goOn);
    while ((await current(ref).describe()).runId === runId) await setTimeout(10);
  };
  await end(ref);
  expect(await statusOf(current(ref))).toBe('CANCELLED');
  expect(cancels.map((cancelled) => cancelled.runId === runId)).toEqual([true, false]);
});

test('no run of the name, or a closed one: nothing is done', async () => {
  const ref = fresh();
  await end(ref);
  const run = await start(ref);
  await run.terminate();
  await end(ref);
  expect(cancels).toEqual([]);
});
