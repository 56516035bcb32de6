import { setTimeout as delay } from 'node:timers/promises';
import { execFile } from 'node:child_process';
import { existsSync } from 'node:fs';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import os from 'node:os';
import path from 'node:path';
import { promisify } from 'node:util';
import {
  Worker,
  type NativeConnection,
  type WorkerOptions,
  type WorkflowBundleWithSourceMap,
} from '@temporalio/worker';
import type { Logger } from 'pino';
import {
  createAwaitRunActivities,
  createBmcActivities,
  createKubernetesActivities,
  createPermitActivities,
} from '../activities/index.ts';
import type { Dependencies } from '../activities/dependencies.ts';
import { AWAIT_RUN_TASK_QUEUE, bmcTaskQueue, POWER_ON_TASK_QUEUE, TASK_QUEUE } from '../contracts/names.ts';
import type { ClockSkew } from '../kube/clockSkew.ts';
import type { Config } from './config.ts';
import type { TemporalTarget } from './temporal.ts';
import { clockGuard } from './clockGuard.ts';
import { inputGuard } from './inputGuard.ts';
import { installationGuard } from './installationGuard.ts';
import type { Tracing } from './tracing/index.ts';
import { SHUTDOWN_GRACE_MS } from '../model/deadlines.ts';

/** A cancel arrives with a heartbeat: they are not held back longer than this (rule 6). */
const HEARTBEAT_THROTTLE_MS = 500;
/** After a worker has died. */
const RESTART_MS = 5_000;
/** How often the state of a worker is looked at, and how long the run of one that has failed may take to end. */
const PATIENCE = { lookMs: 1_000, failedMs: 5_000 };
const BUNDLE_MS = 120_000;
const CACHED_WORKFLOWS = 400;
/** The SDK loads it by its path. */
const ACTIVITY_PAYLOADS = path.join(import.meta.dirname, 'activityPayloads.ts');
/** They only wait: a slot costs a heartbeat every second. */
const CONCURRENT_WAITS = 1_000;

/** Whose runs a worker takes: those of its installation (docs/decisions/0019). */
export interface Owner {
  readonly installation: string;
  /** Whether the data of the Temporal namespace say that it is this installation's. */
  isOwner(): boolean;
}

/** What the Temporal workers of a process have in common. */
export interface WorkerSurroundings {
  readonly connection: NativeConnection;
  readonly target: Pick<TemporalTarget, 'namespace' | 'dataConverter'>;
  readonly owner: Owner;
  readonly clock: Pick<ClockSkew, 'problem'>;
  readonly logger: Logger;
  readonly tracing: Tracing | undefined;
}

/** The Temporal workers of the roles `worker` and `bmc-worker`, kept running. */
export class TemporalWorkers {
  readonly #running: { name: string; worker: Worker | undefined; done: Promise<void> }[] = [];
  readonly #logger: Logger;
  readonly #isTraced: boolean;
  readonly #base: Omit<WorkerOptions, 'taskQueue'>;
  #isStopping = false;

  constructor({ connection, target, owner, clock, logger, tracing }: WorkerSurroundings) {
    this.#logger = logger;
    this.#isTraced = tracing !== undefined;
    const guard = installationGuard(owner.installation, () => owner.isOwner());
    this.#base = {
      connection,
      namespace: target.namespace,
      dataConverter: { ...target.dataConverter, payloadConverterPath: ACTIVITY_PAYLOADS },
      maxHeartbeatThrottleInterval: HEARTBEAT_THROTTLE_MS,
      defaultHeartbeatThrottleInterval: HEARTBEAT_THROTTLE_MS,
      shutdownGraceTime: SHUTDOWN_GRACE_MS,
      shutdownForceTime: '30 seconds',
      ...tracing?.worker,
      interceptors: {
        ...tracing?.worker.interceptors,
        activity: [inputGuard, guard, clockGuard(clock), ...(tracing?.worker.interceptors?.activity ?? [])],
      },
    };
  }

  /** Starts those of the role `worker`: workflows and activities of Kubernetes, waits for runs, permits to power on. */
  async startForKubernetes(
    config: Pick<Config, 'concurrentActivities' | 'powerOnRate'>,
    deps: Dependencies,
  ): Promise<void> {
    const workflowBundle = await bundleWorkflows(this.#isTraced);
    await this.#keep('worker', {
      ...this.#base,
      taskQueue: TASK_QUEUE,
      workflowBundle,
      // Said outright: the SDK's own figure follows the heap limit, and a small cache means replays.
      maxCachedWorkflows: CACHED_WORKFLOWS,
      activities: createKubernetesActivities(deps),
      maxConcurrentActivityTaskExecutions: config.concurrentActivities,
    });
    await this.#keep('await-run', {
      ...this.#base,
      taskQueue: AWAIT_RUN_TASK_QUEUE,
      activities: createAwaitRunActivities(deps),
      maxConcurrentActivityTaskExecutions: CONCURRENT_WAITS,
    });
    await this.#keep('power-on', {
      ...this.#base,
      taskQueue: POWER_ON_TASK_QUEUE,
      activities: createPermitActivities(),
      maxTaskQueueActivitiesPerSecond: config.powerOnRate,
    });
  }

  /** Starts that of the role `bmc-worker`: calls to the BMCs of one pool. */
  async startForBmcs(
    config: Pick<Config, 'concurrentBmcActivities' | 'workerPool'>,
    deps: Dependencies,
  ): Promise<void> {
    await this.#keep('bmc-worker', {
      ...this.#base,
      taskQueue: bmcTaskQueue(config.workerPool),
      activities: createBmcActivities(deps, config.concurrentBmcActivities),
      maxConcurrentActivityTaskExecutions: config.concurrentBmcActivities,
    });
  }

  /** What is not running; undefined when all is well. */
  problem(): string | undefined {
    const down = this.#running.filter(({ worker }) => worker?.getState() !== 'RUNNING').map(({ name }) => name);
    return down.length > 0 ? `not running: ${down.join(', ')}` : undefined;
  }

  /** Stops polling, lets running activities finish or abort, and waits for their end. */
  async stop(): Promise<void> {
    this.#isStopping = true;
    for (const { worker } of this.#running) if (worker?.getState() === 'RUNNING') worker.shutdown();
    await Promise.allSettled(this.#running.map(({ done }) => done));
  }

  async #keep(name: string, options: WorkerOptions): Promise<void> {
    const first = await this.#create(name, options);
    const entry: { name: string; worker: Worker | undefined; done: Promise<void> } = {
      name,
      worker: first,
      done: Promise.resolve(),
    };
    entry.done = this.#run(entry, first, options);
    this.#running.push(entry);
  }

  /** Undefined when Temporal is away just then: it is tried again, and what else the process does goes on. */
  async #create(name: string, options: WorkerOptions): Promise<Worker | undefined> {
    try {
      return await Worker.create(options);
    } catch (error) {
      this.#logger.error({ err: error, worker: name }, 'cannot create the Temporal worker, retrying');
      return undefined;
    }
  }

  async #run(
    entry: { name: string; worker: Worker | undefined },
    first: Worker | undefined,
    options: WorkerOptions,
  ): Promise<void> {
    let worker = first;
    while (!this.#isStopping) {
      try {
        worker ??= await Worker.create(options);
        entry.worker = worker;
        const ended = worker.run();
        // It was made while `stop` looked for what to shut down.
        if (this.#isStopping && worker.getState() === 'RUNNING') worker.shutdown();
        await untilEnded(worker, ended);
      } catch (error) {
        this.#logger.error({ err: error, worker: entry.name }, 'Temporal worker ended, restarting in 5 s');
        await delay(RESTART_MS);
      }
      worker = undefined;
      entry.worker = undefined;
    }
  }
}

/**
 * Waits for the end of a worker's run. Rejects as that does, and for a worker that has failed without an end: a poll
 * that Temporal refuses (an API key that has expired) is fatal to the SDK's worker, whose `run` then waits for ever for
 * polls that it does not make any more. What is in flight in it ends by its own deadlines, behind its fences; Temporal
 * gives it to the next worker when its heartbeats are missing.
 */
export async function untilEnded(
  worker: Pick<Worker, 'getState'>,
  ended: Promise<void>,
  { lookMs, failedMs } = PATIENCE,
): Promise<void> {
  const settled = ended.then(
    () => true,
    () => true,
  );
  const isSettledWithin = (ms: number) => Promise.race([settled, delay(ms, false, { ref: false })]);
  // The SDK does not tell of a change of the state.
  while (!(await isSettledWithin(lookMs))) {
    if (worker.getState() !== 'FAILED') continue;
    if (!(await isSettledWithin(failedMs))) throw new Error('it has failed, and its run does not end');
  }
  await ended;
}

/** Where the prebuilt bundle with traces is, beside the one without. */
function tracedName(prebuilt: string): string {
  return prebuilt.replace(/(\.js)?$/, '.traced.js');
}

/**
 * The workflow bundle: a prebuilt one where BESKAR7_WORKFLOW_BUNDLE names it (container image; with traces: the one
 * beside it), else made in a process of its own, whose memory (webpack's, some hundred MiB) goes with it.
 */
async function bundleWorkflows(isTraced: boolean): Promise<WorkflowBundleWithSourceMap | { codePath: string }> {
  const named = process.env.BESKAR7_WORKFLOW_BUNDLE;
  const prebuilt = named !== undefined && isTraced ? tracedName(named) : named;
  if (prebuilt !== undefined && (!isTraced || existsSync(prebuilt))) return { codePath: prebuilt };
  const folder = await mkdtemp(path.join(os.tmpdir(), 'beskar7-bundle-'));
  const file = path.join(folder, 'workflows.js');
  try {
    const words = [path.join(import.meta.dirname, 'bundle.ts'), ...(isTraced ? ['--traced'] : []), file];
    await promisify(execFile)(process.execPath, words, { timeout: BUNDLE_MS });
    return { code: await readFile(file, 'utf8'), sourceMap: '' };
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}
