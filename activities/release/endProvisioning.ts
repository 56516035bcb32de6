import { log } from '@temporalio/activity';
import {
  WorkflowContinuedAsNewError,
  WorkflowFailedError,
  WorkflowNotFoundError,
  type WorkflowExecutionDescription,
} from '@temporalio/client';
import { workflowId, type ObjectRef } from '../../contracts/names.ts';
import { delay, orAborted } from '../activityScope.ts';
import type { Dependencies } from '../dependencies.ts';
import { reportReleasing } from './releaseReport.ts';

/**
 * A run that was cancelled ends within moments, or has a host to release. After this the machine names it; and again so
 * often.
 */
const REPORT_AFTER_MS = 120_000;
/** So long the machine may take to be told. */
const TELL_MS = 10_000;
/** A workflow task that has failed this often fails at each attempt. */
const FAILING_ATTEMPTS = 3;

/**
 * Cancels the open provisioning of a machine by its run id and waits until it has closed (rule 10). Does nothing when
 * none is open, or when the open one belongs to another machine of the same name. One that does not end, since it is
 * paused or cannot replay, is named on the machine after two minutes, with the line that ends it.
 */
export async function endProvisioning(
  deps: Dependencies,
  ref: ObjectRef,
  signal: AbortSignal,
  reportAfterMs = REPORT_AFTER_MS,
): Promise<void> {
  const id = workflowId('provision', ref);
  try {
    // A waiting run may continue as new between two steps: look again until none of ours is open.
    for (;;) {
      const description = await deps.temporal.workflow.getHandle(id).describe();
      const uid = description.memo?.uid;
      if (!isOpen(description) || (uid !== undefined && uid !== ref.uid)) return;
      const { runId } = description;
      const run = deps.temporal.workflow.getHandle(id, runId, { followRuns: false });
      await run.cancel();
      log.info('provisioning cancelled, waiting for its end', { workflow: id, runId });
      const ended = run.result().then(ignore, onlyConnection);
      while (!(await endsWithin(ended, reportAfterMs, signal)))
        await reportStuck(deps, ref, await run.describe(), signal);
    }
  } catch (error) {
    if (error instanceof WorkflowNotFoundError) return;
    throw error;
  }
}

function isOpen({ status }: WorkflowExecutionDescription): boolean {
  return status.name === 'RUNNING' || status.name === 'PAUSED';
}

/** Whether it ends in this many milliseconds. Nothing is left waiting. */
async function endsWithin(ended: Promise<void>, ms: number, signal: AbortSignal): Promise<boolean> {
  const over = new AbortController();
  const either = AbortSignal.any([signal, over.signal]);
  try {
    return await Promise.race([
      orAborted(ended, either).then(() => true),
      delay(ms, either).then(
        () => false,
        () => orAborted(ended, signal).then(() => true),
      ),
    ]);
  } finally {
    over.abort();
  }
}

async function reportStuck(
  deps: Dependencies,
  ref: ObjectRef,
  description: WorkflowExecutionDescription,
  signal: AbortSignal,
): Promise<void> {
  if (!isOpen(description)) return;
  const limited = AbortSignal.any([signal, AbortSignal.timeout(TELL_MS)]);
  const text = stuckText(deps.temporal.options.namespace, description);
  deps.logger.warn({ namespace: ref.namespace, machine: ref.name, runId: description.runId }, text);
  await reportReleasing(deps, { machine: ref, host: '' }, text, limited);
}

/** What holds the deletion up, and what ends it; for the condition of the machine. */
export function stuckText(
  namespace: string,
  description: Pick<WorkflowExecutionDescription, 'workflowId' | 'runId' | 'status'> & {
    readonly raw: { readonly pendingWorkflowTask?: { readonly attempt?: number | null } | null };
  },
): string {
  const { workflowId: id, runId, status, raw } = description;
  const attempts = raw.pendingWorkflowTask?.attempt ?? 0;
  const why =
    status.name === 'PAUSED'
      ? 'It is paused in Temporal: unpause it, and it ends by itself.'
      : attempts >= FAILING_ATTEMPTS
        ? `Its workflow task fails at each attempt (${attempts} so far): the workers cannot replay it, their log says why.`
        : 'It may have a host to release, whose conditions show that; else no worker of the queue beskar7 picks up its tasks.';
  return (
    `The deletion waits for the end of the run ${id} (run id ${runId}), which has been cancelled. ${why} ` +
    'To end the run without its last steps (its host is released all the same, by the deletion): ' +
    `temporal workflow terminate -n ${namespace} -w ${id} -r ${runId} --reason "holds up a deletion"`
  );
}

/** A failed or cancelled provisioning is an end like any other; not to reach Temporal is none. */
function onlyConnection(error: unknown): void {
  if (error instanceof WorkflowFailedError || error instanceof WorkflowContinuedAsNewError) return;
  throw error;
}

function ignore(): void {
  // The result of the run does not matter here.
}
