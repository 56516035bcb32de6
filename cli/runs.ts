import { codecOf, decryptAll } from '../codec/history.ts';
import type { HistoryEvent, PendingActivity, RunHistory } from '../view/historyParts.ts';
import { workflowId, type WORKFLOW_TYPES } from '../contracts/names.ts';
import type { Temporal } from './session.ts';

/** A run as Temporal describes it. */
export interface Run {
  readonly workflowId: string;
  readonly runId: string;
  readonly type: string;
  /** `RUNNING`, `COMPLETED`, `FAILED`, ... */
  readonly status: string;
  readonly startedAt: string;
  readonly closedAt?: string;
  /** What Temporal repeats, or has not given to a worker yet; while the run is open. */
  readonly pending: readonly PendingActivity[];
}

type RunKind = Exclude<keyof typeof WORKFLOW_TYPES, 'monitor'>;
type ObjectName = { readonly namespace: string; readonly name: string };

const CALL_MS = 10_000;
/** The server answers a long poll within some 20 s. */
const POLL_MS = 70_000;

/** Undefined: Temporal knows none (any more). */
export async function describe({ client }: Temporal, id: string, runId?: string): Promise<Run | undefined> {
  try {
    const handle = client.workflow.getHandle(id, runId);
    const found = await client.withDeadline(Date.now() + CALL_MS, () => handle.describe());
    return {
      workflowId: id,
      runId: found.runId,
      type: found.type,
      status: found.status.name,
      startedAt: found.startTime.toISOString(),
      ...(found.closeTime === undefined ? {} : { closedAt: found.closeTime.toISOString() }),
      pending: decryptAll(codecOf(client), found.raw.pendingActivities ?? []),
    };
  } catch (error) {
    if ((error as Error).name === 'WorkflowNotFoundError') return undefined;
    throw error;
  }
}

/** The newest runs of an object, of each of the kinds; an open one first. */
export async function runsOf(temporal: Temporal, kinds: readonly RunKind[], object: ObjectName): Promise<Run[]> {
  const found = await Promise.all(kinds.map((kind) => describe(temporal, workflowId(kind, object))));
  return found
    .filter((run) => run !== undefined)
    .sort((one, other) => Number(isOpen(other)) - Number(isOpen(one)) || (one.startedAt < other.startedAt ? 1 : -1));
}

/** Whether a run has not ended yet. */
export function isOpen({ status }: Run): boolean {
  return status === 'RUNNING';
}

/**
 * The history of a run, as it comes: all that there is at once, then, with `isLive`, what comes until the run is
 * closed. A long poll, which may yield nothing new.
 */
export async function* historyOf(
  { client, namespace }: Temporal,
  { workflowId: id, runId }: Pick<Run, 'workflowId' | 'runId'>,
  isLive: boolean,
): AsyncGenerator<HistoryEvent[]> {
  const execution = { workflowId: id, runId };
  let nextPageToken: Uint8Array | null | undefined;
  do {
    const request = { namespace, execution, waitNewEvent: isLive, ...(nextPageToken ? { nextPageToken } : {}) };
    const answer = await client.withDeadline(Date.now() + POLL_MS, () =>
      client.workflowService.getWorkflowExecutionHistory(request),
    );
    yield decryptAll(codecOf(client), answer.history?.events ?? []);
    nextPageToken = answer.nextPageToken;
  } while (nextPageToken && nextPageToken.length > 0);
}

/** All of the history of a run. */
export async function wholeHistory(temporal: Temporal, run: Pick<Run, 'workflowId' | 'runId'>): Promise<RunHistory> {
  const events: HistoryEvent[] = [];
  for await (const more of historyOf(temporal, run, false)) events.push(...more);
  return { events };
}
