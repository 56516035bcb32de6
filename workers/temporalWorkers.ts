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
import type { Config } from './config.ts';
import type { TemporalTarget } from './temporal.ts';
import { clockGuard } from './clockGuard.ts';
import { installationGuard } from './installationGuard.ts';
import type { Tracing } from './tracing/index.ts';

/** A cancel arrives with a heartbeat: they are not held back longer than this (rule 6). */
const HEARTBEAT_THROTTLE_MS = 500;
/** After a worker has died. */
const RESTART_MS = 5_000;
const BUNDLE_MS = 120_000;
const CACHED_WORKFLOWS = 400;
/** They only wait: a slot costs a heartbeat every second. */
const CONCURRENT_WAITS = 1_000;

/** The Temporal workers of the roles `worker` and `bmc-worker`, kept running. */
export class TemporalWorkers {
  readonly #running: { name: string; worker: Worker | undefined; done: Promise<void> }[] = [];
  readonly #logger: Logger;
  #isStopping = false;

  constructor(logger: Logger) {
    this.#logger = logger;
  }

  /** Starts what the roles ask for. */
  async start(
    config: Config,
    connection: NativeConnection,
    { namespace, dataConverter }: Pick<TemporalTarget, 'namespace' | 'dataConverter'>,
    owner: { readonly installation: string; isOwner(): boolean },
    deps: Dependencies,
    tracing?: Tracing,
  ): Promise<void> {
    const guard = installationGuard(owner.installation, () => owner.isOwner());
    const base = {
      connection,
      namespace,
      dataConverter,
      maxHeartbeatThrottleInterval: HEARTBEAT_THROTTLE_MS,
      defaultHeartbeatThrottleInterval: HEARTBEAT_THROTTLE_MS,
      shutdownGraceTime: '5 seconds',
      shutdownForceTime: '30 seconds',
      ...tracing?.worker,
      interceptors: {
        ...tracing?.worker.interceptors,
        activity: [guard, clockGuard(deps.kube.clock), ...(tracing?.worker.interceptors?.activity ?? [])],
      },
    } satisfies Partial<WorkerOptions>;
    if (config.roles.includes('worker')) {
      const workflowBundle = await bundleWorkflows(tracing !== undefined);
      await this.#keep('worker', {
        ...base,
        taskQueue: TASK_QUEUE,
        workflowBundle,
        // Said outright: the SDK's own figure follows the heap limit, and a small cache means replays.
        maxCachedWorkflows: CACHED_WORKFLOWS,
        activities: createKubernetesActivities(deps),
        maxConcurrentActivityTaskExecutions: config.concurrentActivities,
      });
      await this.#keep('await-run', {
        ...base,
        taskQueue: AWAIT_RUN_TASK_QUEUE,
        activities: createAwaitRunActivities(deps),
        maxConcurrentActivityTaskExecutions: CONCURRENT_WAITS,
      });
      await this.#keep('power-on', {
        ...base,
        taskQueue: POWER_ON_TASK_QUEUE,
        activities: createPermitActivities(),
        maxTaskQueueActivitiesPerSecond: config.powerOnRate,
      });
    }
    if (config.roles.includes('bmc-worker')) {
      await this.#keep('bmc-worker', {
        ...base,
        taskQueue: bmcTaskQueue(config.workerPool),
        activities: createBmcActivities(deps, config.concurrentBmcActivities),
        maxConcurrentActivityTaskExecutions: config.concurrentBmcActivities,
      });
    }
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
      this.#logger.error({ err: error, worker: name }, 'Temporal worker cannot be made, tries again');
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
        await ended;
      } catch (error) {
        this.#logger.error({ err: error, worker: entry.name }, 'Temporal worker ended, starts again in 5 s');
        await new Promise((resolve) => setTimeout(resolve, RESTART_MS));
      }
      worker = undefined;
      entry.worker = undefined;
    }
  }
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
