import { LRUCache } from 'lru-cache';
import { Client, QueryNotRegisteredError, type WorkflowHandle, WorkflowNotFoundError } from '@temporalio/client';
import { codecOf, decryptAll, missingKeys, missingKeysText, readerOf } from '../../codec/history.ts';
import { progress, type Progress } from '../../contracts/messages.ts';
import type { HardwareSummary } from '../../model/requirements.ts';
import { hardwareIn } from '../../view/hardware.ts';
import { obj, objectOf, str, type RunHistory } from '../../view/historyParts.ts';
import { timelineOf } from '../../view/timeline.ts';
import { workflowId, WORKFLOW_TYPES } from '../../contracts/names.ts';
import type { ObjectName, Step } from '../shared/api.ts';

/** The last provisioning of a machine. */
export interface LastRun {
  readonly steps: Step[];
  /** What it compared with the requirements of the machine; absent before the report. */
  readonly hardware?: HardwareSummary;
  /** Its progress while it is open; absent when no worker answers. */
  readonly progress?: Progress;
  /** What could not be read of it, and why. */
  readonly missing?: string;
}

/** How long the steps of a run took, in milliseconds; a step that came again counts once more. */
export interface Timed extends EndedRun {
  readonly steps: readonly { readonly name: string; readonly ms: number }[];
}

/** A provisioning that has ended. Times are RFC 3339. */
export interface EndedRun {
  readonly machine: ObjectName;
  readonly runId: string;
  readonly endedAt: string;
}

/** Why a provisioning failed: the reason that stands on its machine, and what it says. */
export interface Failed extends EndedRun {
  readonly reason: string;
  readonly message: string;
}

/** What the page asks of Temporal. Everything rejects within some seconds when Temporal cannot be reached. */
export interface Runs {
  /** Undefined: Temporal knows none (any more). */
  last(machine: ObjectName): Promise<LastRun | undefined>;
  /** False: none is open. */
  cancel(machine: ObjectName): Promise<boolean>;
  /** The provisionings that ended since, newest first, at most `most`. */
  ended(how: 'Completed' | 'Failed', since: Date, most: number): Promise<EndedRun[]>;
  /** How those failed, newest first. */
  failuresOf(runs: readonly EndedRun[]): Promise<Failed[]>;
  /** How long those took. */
  timesOf(runs: readonly EndedRun[]): Promise<Timed[]>;
}

const CALL_MS = 5_000;
const QUERY_MS = 2_000;
const HISTORY_MS = 10_000;
const AT_ONCE = 8;
const MAX_REMEMBERED = 5_000;

/** The runs as Temporal's client finds them. */
export class TemporalRuns implements Runs {
  readonly #client: Client;
  readonly #namespace: string;
  /** Ended runs do not change. */
  readonly #failures = new LRUCache<string, Failed>({ max: MAX_REMEMBERED });
  readonly #times = new LRUCache<string, Timed>({ max: MAX_REMEMBERED });

  /** Reads by the connection of `client`, and with its keys. */
  constructor({ connection, ...client }: Pick<Client, 'connection' | 'options'>, namespace: string) {
    this.#client = new Client({
      connection,
      namespace,
      dataConverter: { payloadCodecs: [readerOf(codecOf(client))] },
    });
    this.#namespace = namespace;
  }

  async last(machine: ObjectName): Promise<LastRun | undefined> {
    const newest = this.#client.workflow.getHandle(workflowId('provision', machine));
    const described = await orUndefined(this.#within(CALL_MS, () => newest.describe()));
    if (described === undefined) return undefined;
    const handle = this.#client.workflow.getHandle(described.workflowId, described.runId);
    const [history, told] = await Promise.all([
      orUndefined(this.#within(HISTORY_MS, () => this.#historyOf(handle))),
      described.status.name === 'RUNNING' ? this.#ask(described.workflowId, described.runId) : undefined,
    ]);
    if (history === undefined) return undefined;
    const steps = timelineOf(history, decryptAll(codecOf(this.#client), described.raw.pendingActivities ?? []));
    const hardware = hardwareIn(history);
    const keys = missingKeys(history);
    return {
      steps,
      ...(keys.length === 0 ? {} : { missing: missingKeysText(keys, 'this page') }),
      ...(hardware === undefined ? {} : { hardware }),
      ...(told === undefined ? {} : { progress: told }),
    };
  }

  /** In clear text, where this process has the keys. */
  async #historyOf(handle: Pick<WorkflowHandle, 'fetchHistory'>): Promise<RunHistory> {
    return decryptAll(codecOf(this.#client), await handle.fetchHistory());
  }

  async #ask(id: string, runId: string): Promise<Progress | undefined> {
    try {
      return await this.#within(QUERY_MS, () => this.#client.workflow.getHandle(id, runId).query(progress));
    } catch (error) {
      if (error instanceof WorkflowNotFoundError || error instanceof QueryNotRegisteredError || isTimeout(error))
        return undefined;
      throw error;
    }
  }

  async cancel(machine: ObjectName): Promise<boolean> {
    const handle = this.#client.workflow.getHandle(workflowId('provision', machine));
    const done = this.#within(CALL_MS, async () => {
      // A cancel of an ended run is taken as well, and does nothing.
      if ((await handle.describe()).status.name !== 'RUNNING') return false;
      await handle.cancel();
      return true;
    });
    return (await orUndefined(done)) ?? false;
  }

  ended(how: 'Completed' | 'Failed', since: Date, most: number): Promise<EndedRun[]> {
    const query = `WorkflowType="${WORKFLOW_TYPES.provision}" AND ExecutionStatus="${how}" AND CloseTime > "${since.toISOString()}"`;
    return this.#within(HISTORY_MS, async () => {
      const runs: EndedRun[] = [];
      for await (const run of this.#client.workflow.list({ query, pageSize: Math.min(most, 500) })) {
        const machine = machineOf(run.workflowId);
        if (machine !== undefined && run.closeTime !== undefined)
          runs.push({ machine, runId: run.runId, endedAt: run.closeTime.toISOString() });
        if (runs.length >= most) break;
      }
      return runs;
    });
  }

  async failuresOf(runs: readonly EndedRun[]): Promise<Failed[]> {
    const found = await this.#each(runs, this.#failures, (run) => this.#failureOf(run));
    return found.sort((one, other) => (one.endedAt < other.endedAt ? 1 : -1));
  }

  timesOf(runs: readonly EndedRun[]): Promise<Timed[]> {
    return this.#each(runs, this.#times, async (run) => {
      const handle = this.#client.workflow.getHandle(workflowId('provision', run.machine), run.runId);
      const history = await orUndefined(this.#within(HISTORY_MS, () => this.#historyOf(handle)));
      const steps = history === undefined ? [] : timelineOf(history);
      return {
        ...run,
        steps: steps.flatMap(({ name, startedAt, endedAt }) =>
          endedAt === undefined || endedAt === startedAt
            ? []
            : [{ name, ms: Date.parse(endedAt) - Date.parse(startedAt) }],
        ),
      };
    });
  }

  /** Some at once, and each only the first time that it is asked for. */
  async #each<T extends object>(
    runs: readonly EndedRun[],
    known: LRUCache<string, T>,
    find: (run: EndedRun) => Promise<T>,
  ): Promise<T[]> {
    const left = [...runs];
    const found: T[] = [];
    const work = async () => {
      for (let run = left.shift(); run !== undefined; run = left.shift()) {
        const one = known.get(run.runId) ?? (await find(run));
        known.set(run.runId, one);
        found.push(one);
      }
    };
    await Promise.all(Array.from({ length: AT_ONCE }, work));
    return found;
  }

  /** It stands in the last event of the history, and nowhere else. */
  async #failureOf(run: EndedRun): Promise<Failed> {
    const execution = { workflowId: workflowId('provision', run.machine), runId: run.runId };
    const request = { namespace: this.#namespace, execution, maximumPageSize: 1 };
    const answer = await this.#within(CALL_MS, () =>
      this.#client.workflowService.getWorkflowExecutionHistoryReverse(request),
    );
    const [last] = decryptAll(codecOf(this.#client), answer.history?.events ?? []);
    const failure = last?.workflowExecutionFailedEventAttributes?.failure;
    const info = failure?.applicationFailureInfo;
    return {
      ...run,
      reason: str(obj(objectOf(info?.details))['reason']) ?? info?.type ?? 'Unknown',
      message: failure?.message ?? 'nothing was said',
    };
  }

  #within<R>(ms: number, call: () => Promise<R>): Promise<R> {
    return this.#client.withDeadline(Date.now() + ms, call);
  }
}

async function orUndefined<R>(call: Promise<R>): Promise<R | undefined> {
  try {
    return await call;
  } catch (error) {
    if (error instanceof WorkflowNotFoundError) return undefined;
    throw error;
  }
}

/** gRPC status DEADLINE_EXCEEDED: no worker answered the query. */
function isTimeout(error: unknown): boolean {
  const { code, cause } = error as { code?: unknown; cause?: { code?: unknown } };
  return code === 4 || cause?.code === 4;
}

/** The machine in `provision/<namespace>/<name>`. */
function machineOf(id: string): ObjectName | undefined {
  const [kind, namespace, name, more] = id.split('/');
  if (kind !== 'provision' || namespace === undefined || name === undefined || more !== undefined) return undefined;
  return { namespace, name };
}
