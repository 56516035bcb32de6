import { LRUCache } from 'lru-cache';
import {
  WorkflowExecutionAlreadyStartedError,
  WorkflowNotFoundError,
  type Client,
  type WorkflowStartOptions,
} from '@temporalio/client';
import { defineSearchAttributeKey, SearchAttributeType, type SearchAttributePair } from '@temporalio/common';
import type { SignalDefinition } from '@temporalio/common';
import type { Logger } from 'pino';
import {
  handoverReported,
  hostAvailable,
  hostChanged,
  inspectionReported,
  monitorSettings,
  osReported,
} from '../contracts/messages.ts';
import {
  monitorId,
  SEARCH_ATTRIBUTES,
  TASK_QUEUE,
  WORKFLOW_TYPES,
  workflowId,
  type MonitorInput,
  type MonitorSettings,
  type ObjectRef,
} from '../contracts/names.ts';
import { priorityOf } from '../contracts/priority.ts';
import type { ClaimSignal, Starter, StartResult, WorkflowKind } from './starter.ts';

const CALL_MS = 10_000;
/** How long it is believed that an open run is for the object that it was for when last seen. */
const BELIEVED_MS = 10 * 60_000;
const MAX_BELIEVED = 20_000;

const CLAIM_SIGNALS = { inspectionReported, handoverReported, osReported } satisfies Record<ClaimSignal, unknown>;
const ABOUT_MACHINE: Readonly<Record<WorkflowKind, boolean>> = {
  provision: true,
  deprovision: true,
  enroll: false,
  release: false,
  retire: false,
};
const SUMMARY: Readonly<Record<WorkflowKind, string>> = {
  provision: 'Provision machine',
  deprovision: 'Deprovision machine',
  enroll: 'Enroll host',
  release: 'Release host',
  retire: 'Retire host',
};

const DOES: Readonly<Record<WorkflowKind, string>> = {
  provision: 'Claims a host, boots the inspection image, checks the hardware, and hands over to the final OS.',
  deprovision:
    'Ends an open provisioning, powers the server off, confirms it, frees the host, removes the finalizer of the machine.',
  enroll: 'Connects to the BMC, reads the hardware, and makes the host Available. Retried without limit.',
  release: 'Powers the server off, confirms it, and frees the host. Retried without limit.',
  retire: 'Powers the server of a deleted host off, confirms it, and removes the finalizer of the host.',
};

/** What a starter works with; `installation`: who starts, in input and memo of each run (docs/decisions/0019). */
export interface StarterOptions {
  readonly installation: string;
  readonly searchAttributes: () => boolean;
  readonly logger: Pick<Logger, 'info'>;
  readonly timeoutMs?: number;
}

/**
 * Starts and signals workflows. Starts use conflict policy FAIL and reuse ALLOW_DUPLICATE, with the object's uid in
 * memo and input (rule 10). `searchAttributes` says at each start whether they may be used: one that is not registered
 * blocks a run for ever (rule 18).
 */
export function createStarter(client: Client, options: StarterOptions): Starter {
  const calls = new StarterCalls(client, options);
  return {
    startProvision: (machine) => calls.start('provision', machine),
    startDeprovision: (machine) => calls.start('deprovision', machine),
    startEnroll: (host) => calls.start('enroll', host),
    startRetire: (host) => calls.start('retire', host),
    startRelease: (release) => calls.start('release', release),
    startOrWakeRelease: (release) => calls.startOrWake('release', release),
    signalClaim: (machine, signal, claim) => calls.signal('provision', machine, CLAIM_SIGNALS[signal], [{ claim }]),
    signalHostAvailable: (machine) => calls.signal('provision', machine, hostAvailable, []),
    signalHostChanged: (kind, host, connectionHash) => calls.signal(kind, host, hostChanged, [{ connectionHash }]),
    keepMonitor: (input) => calls.keepMonitor(input),
    signalMonitor: (input) => calls.signalMonitor(input),
  };
}

class StarterCalls {
  readonly #client: Client;
  readonly #options: StarterOptions;
  readonly #believed = new LRUCache<string, string>({ max: MAX_BELIEVED, ttl: BELIEVED_MS });

  constructor(client: Client, options: StarterOptions) {
    this.#client = client;
    this.#options = options;
  }

  async start(kind: WorkflowKind, input: ObjectRef): Promise<StartResult> {
    const id = workflowId(kind, input);
    try {
      await this.#timely(() => this.#client.workflow.start(WORKFLOW_TYPES[kind], this.#startOptions(kind, id, input)));
      this.#believe(id, input.uid);
      this.#options.logger.info({ workflow: id, uid: input.uid }, 'workflow started');
      return 'started';
    } catch (error) {
      if (!(error instanceof WorkflowExecutionAlreadyStartedError)) throw error;
      return this.#whose(id, input.uid);
    }
  }

  async startOrWake(kind: WorkflowKind, input: ObjectRef): Promise<void> {
    const id = workflowId(kind, input);
    const options = { ...this.#startOptions(kind, id, input), workflowIdConflictPolicy: 'USE_EXISTING' as const };
    const signal = { signal: hostChanged, signalArgs: [{}] as [{ connectionHash?: string }] };
    await this.#timely(() =>
      this.#client.workflow.signalWithStart(WORKFLOW_TYPES[kind], { ...options, args: options.args ?? [], ...signal }),
    );
    this.#options.logger.info({ workflow: id, uid: input.uid }, 'workflow started or woken');
  }

  async keepMonitor(input: MonitorInput): Promise<void> {
    const id = monitorId(input.pool, input.shard);
    const settings = settingsOf(input);
    try {
      await this.#timely(() =>
        this.#client.workflow.start(WORKFLOW_TYPES.monitor, monitorOptions(id, input, this.#options.installation)),
      );
      this.#options.logger.info({ workflow: id }, 'workflow started');
    } catch (error) {
      if (!(error instanceof WorkflowExecutionAlreadyStartedError)) throw error;
      if (this.#isBelieved(id, JSON.stringify(settings))) return;
      const { memo } = await this.#timely(() => this.#client.workflow.getHandle(id).describe());
      // That of another installation ends at its next step; this one is started then.
      if (this.#isOfAnother(memo)) return;
      const isSame = memo?.shards === settings.shards && memo.intervalMs === settings.intervalMs;
      if (!isSame) return void (await this.signalMonitor(input));
    }
    this.#believe(id, JSON.stringify(settings));
  }

  signalMonitor(input: MonitorInput): Promise<boolean> {
    return this.#signalById(monitorId(input.pool, input.shard), monitorSettings, [settingsOf(input)]);
  }

  signal<Args extends unknown[]>(
    kind: WorkflowKind,
    object: ObjectRef,
    signal: SignalDefinition<Args>,
    args: Args,
  ): Promise<boolean> {
    return this.#signalById(workflowId(kind, object), signal, args);
  }

  async #signalById<Args extends unknown[]>(id: string, signal: SignalDefinition<Args>, args: Args): Promise<boolean> {
    const handle = this.#client.workflow.getHandle(id);
    try {
      await this.#timely(() => handle.signal(signal, ...args));
      return true;
    } catch (error) {
      if (error instanceof WorkflowNotFoundError) return false;
      throw error;
    }
  }

  /** Whose the open run is. A look costs a call, so that the answer is believed for a while. */
  async #whose(id: string, uid: string): Promise<StartResult> {
    if (this.#isBelieved(id, uid)) return 'running';
    const { memo } = await this.#timely(() => this.#client.workflow.getHandle(id).describe());
    // A run without a uid was started by hand: it is for whatever has the name.
    const openUid = memo?.uid ?? uid;
    if (openUid !== uid || this.#isOfAnother(memo)) return 'otherObject';
    this.#believe(id, uid);
    return 'running';
  }

  /** Started by another installation: it ends when one of our workers is given a task of it. */
  #isOfAnother(memo: Record<string, unknown> | undefined): boolean {
    return memo?.installation !== undefined && memo.installation !== this.#options.installation;
  }

  #isBelieved(id: string, uid: string): boolean {
    return this.#believed.get(id) === uid;
  }

  #believe(id: string, uid: string): void {
    this.#believed.set(id, uid);
  }

  #startOptions(kind: WorkflowKind, id: string, input: ObjectRef): WorkflowStartOptions {
    return {
      workflowId: id,
      taskQueue: TASK_QUEUE,
      args: [{ ...input, installation: this.#options.installation }],
      memo: { uid: input.uid, installation: this.#options.installation },
      workflowIdReusePolicy: 'ALLOW_DUPLICATE',
      workflowIdConflictPolicy: 'FAIL',
      priority: priorityOf(kind, input.namespace),
      staticSummary: `${SUMMARY[kind]} ${input.namespace}/${input.name}`.slice(0, 200),
      staticDetails: staticDetailsOf(kind, input),
      ...(this.#options.searchAttributes() ? { typedSearchAttributes: attributesOf(kind, input) } : {}),
    };
  }

  #timely<R>(call: () => Promise<R>): Promise<R> {
    return this.#client.withDeadline(Date.now() + (this.#options.timeoutMs ?? CALL_MS), call);
  }
}

function settingsOf({ shards, intervalMs }: MonitorInput): MonitorSettings {
  return { shards, intervalMs };
}

/** Markdown for the Web UI: what the run does, and where to read on. */
function staticDetailsOf(kind: WorkflowKind, { namespace, name }: ObjectRef): string {
  return `${DOES[kind]}\n\n\`kubectl -n ${namespace} describe ${ABOUT_MACHINE[kind] ? 'b7m' : 'ph'} ${name}\``;
}

function monitorOptions(id: string, input: MonitorInput, installation: string): WorkflowStartOptions {
  return {
    workflowId: id,
    taskQueue: TASK_QUEUE,
    args: [{ ...input, installation }],
    memo: { ...settingsOf(input), installation },
    priority: priorityOf('monitor'),
    workflowIdReusePolicy: 'ALLOW_DUPLICATE',
    workflowIdConflictPolicy: 'FAIL',
    staticSummary: `Monitor shard ${input.shard} of ${input.shards}${input.pool === undefined ? '' : ` of pool ${input.pool}`}`,
  };
}

function attributesOf(kind: WorkflowKind, { namespace, name }: ObjectRef): SearchAttributePair[] {
  const subject = ABOUT_MACHINE[kind] ? SEARCH_ATTRIBUTES.machine : SEARCH_ATTRIBUTES.host;
  return [
    { key: defineSearchAttributeKey(SEARCH_ATTRIBUTES.namespace, SearchAttributeType.KEYWORD), value: namespace },
    { key: defineSearchAttributeKey(subject, SearchAttributeType.KEYWORD), value: name },
  ];
}
