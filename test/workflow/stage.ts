import { readFileSync } from 'node:fs';
import { TestWorkflowEnvironment } from '@temporalio/testing';
import { DefaultLogger, Runtime, Worker, type NativeConnection, type WorkerOptions } from '@temporalio/worker';
import type { WorkflowHandle } from '@temporalio/client';
import { ensureTool } from '../../tools/toolchain/index.ts';
import {
  AWAIT_RUN_TASK_QUEUE,
  bmcTaskQueue,
  POWER_ON_TASK_QUEUE,
  TASK_QUEUE,
  WORKFLOW_TYPES,
  workflowId,
  type ObjectRef,
} from '../../contracts/names.ts';
import { BUNDLE } from './setup/globalSetup.ts';
import { activitiesOn, fakeActivities, type Fakes, type Overrides } from './fakes.ts';

const DAY_MS = 86_400_000;
/** A queue for workflows that has no worker yet. */
const LATE = 'late';
const SERVER_STARTS = 3;

/** Real workflow code on the test server that skips time; what the activities do is given by each test. */
export class Stage {
  readonly env: TestWorkflowEnvironment;
  readonly #workers: Worker[];
  readonly #late: WorkerOptions;
  readonly #running: Promise<unknown>;
  readonly #all = new Map<string, Fakes>();
  #current: Fakes | undefined;
  #tests = 0;

  private constructor(env: TestWorkflowEnvironment, workers: Worker[], late: WorkerOptions) {
    this.env = env;
    this.#workers = workers;
    this.#late = late;
    this.#running = Promise.all(workers.map((worker) => worker.run()));
  }

  /** One server and one set of workers for a test file: to start them takes seconds. */
  static async open(server: () => Promise<TestWorkflowEnvironment> = skippingServer): Promise<Stage> {
    const logger = new DefaultLogger('ERROR', () => undefined);
    Runtime.install({ logger });
    const workflowBundle = { codePath: process.env[BUNDLE] ?? '' };
    const env = await server();
    const options = (taskQueue: string): WorkerOptions => ({
      connection: env.nativeConnection as NativeConnection,
      ...(env.namespace === undefined ? {} : { namespace: env.namespace }),
      taskQueue,
      maxHeartbeatThrottleInterval: 100,
      defaultHeartbeatThrottleInterval: 100,
    });
    const queues = [
      TASK_QUEUE,
      AWAIT_RUN_TASK_QUEUE,
      POWER_ON_TASK_QUEUE,
      bmcTaskQueue(undefined),
      bmcTaskQueue('site-a'),
    ];
    const opened: { stage?: Stage } = {};
    const fakesOf = (caller: string) => {
      if (!opened.stage) throw new Error('no test has begun');
      return opened.stage.fakesOf(caller);
    };
    const workers = await Promise.all(
      queues.map((queue) =>
        Worker.create({
          ...options(queue),
          activities: activitiesOn(queue, fakesOf),
          ...(queue === TASK_QUEUE ? { workflowBundle } : {}),
        }),
      ),
    );
    const late = { ...options(LATE), activities: activitiesOn(TASK_QUEUE, fakesOf), workflowBundle };
    opened.stage = new Stage(env, workers, late);
    return opened.stage;
  }

  get fakes(): Fakes {
    if (!this.#current) throw new Error('no test has set its activities');
    return this.#current;
  }

  /**
   * The activities of the test whose machine, or whose machine's host, a workflow is about; else of the test of the
   * moment.
   */
  fakesOf(id: string): Fakes {
    return this.#all.get(/m-\d+/.exec(id)?.[0] ?? '') ?? this.fakes;
  }

  async close(): Promise<void> {
    for (const worker of this.#workers) worker.shutdown();
    await this.#running;
    await this.env.teardown();
  }

  /** A fresh machine whose activities do what the defaults or `overrides` say. */
  prepare(overrides: Overrides = {}): Fakes {
    this.#tests += 1;
    const name = `m-${this.#tests}`;
    const fakes = fakeActivities(this.env, overrides, { namespace: 'ns', name, uid: `${name}-uid` });
    this.#all.set(name, fakes);
    this.#current = fakes;
    return fakes;
  }

  /** Starts a workflow on the machine (or the host) of the test. */
  start(
    kind: Parameters<typeof workflowId>[0],
    object: ObjectRef = this.fakes.machine,
    more: { args?: unknown[]; searchAttributes?: Record<string, string[]>; taskQueue?: string } = {},
  ): Promise<WorkflowHandle> {
    const { args = [object], searchAttributes, taskQueue = TASK_QUEUE } = more;
    return this.env.client.workflow.start(WORKFLOW_TYPES[kind], {
      workflowId: workflowId(kind, object),
      taskQueue,
      args,
      memo: { uid: object.uid },
      workflowRunTimeout: 40 * DAY_MS,
      ...(searchAttributes ? { searchAttributes } : {}),
    });
  }

  /**
   * Starts a workflow on the machine of the test, and `meanwhile` happens before there is a worker for it. Resolves
   * when it has ended.
   */
  async startBeforeItsWorker(
    kind: Parameters<typeof workflowId>[0],
    meanwhile: (run: WorkflowHandle) => Promise<unknown>,
  ): Promise<WorkflowHandle> {
    const run = await this.start(kind, this.fakes.machine, { taskQueue: LATE });
    await meanwhile(run);
    const worker = await Worker.create(this.#late);
    await worker.runUntil(run.result().catch(() => undefined));
    return run;
  }
}

/**
 * Temporal itself, in real time: for what the one that skips time does not do, as to go on in a fresh history after a
 * cancel, or to suggest it (here after `suggestAfter` events).
 */
export async function realServer(suggestAfter = 4_096): Promise<TestWorkflowEnvironment> {
  const extraArgs = ['--dynamic-config-value', `limit.historyCount.suggestContinueAsNew=${suggestAfter}`];
  const executable = { type: 'existing-path' as const, path: await ensureTool('temporal') };
  return startedServer(() => TestWorkflowEnvironment.createLocal({ server: { executable, extraArgs } }));
}

/** The SDK gives a server 5 s to start, which is not what is tested: on a busy machine it gets another go. */
async function startedServer(start: () => Promise<TestWorkflowEnvironment>): Promise<TestWorkflowEnvironment> {
  for (let tries = 1; ; tries += 1) {
    try {
      return await start();
    } catch (error) {
      if (tries === SERVER_STARTS || !String(error).includes('did not start within')) throw error;
    }
  }
}

async function skippingServer(): Promise<TestWorkflowEnvironment> {
  const named = process.env.BESKAR7_TEMPORAL_TEST_SERVER;
  const server = named ?? (await ensureTool('temporal-test-server'));
  const executable = { type: 'existing-path' as const, path: server };
  const env = await startedServer(() => TestWorkflowEnvironment.createTimeSkipping({ server: { executable } }));
  // Locks are counted. With this flag the server starts with one less than the client believes, and would skip while
  // tasks run.
  if (
    readFileSync(server, 'latin1').startsWith('#!') &&
    readFileSync(server, 'utf8').includes('--enable-time-skipping')
  ) {
    await env.connection.testService?.lockTimeSkipping({});
  }
  return env;
}
