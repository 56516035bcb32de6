import type { Drafts } from './drafts.ts';
import { messageOf, str, textOf, type HistoryEvent } from './historyParts.ts';

/** What an event tells of the run as a whole: cancelled, handed to a run of its own, ended in one way or another. */
export function readRun(drafts: Drafts, event: HistoryEvent, at: number): void {
  const begun = event.workflowExecutionStartedEventAttributes;
  if (begun?.continuedExecutionRunId)
    drafts.moment('continued', 'Continued from an earlier run', at, 'done', `run ${begun.continuedExecutionRunId}`);
  const asked = event.workflowExecutionCancelRequestedEventAttributes;
  if (asked) drafts.moment('cancel', 'Cancel requested', at, 'cancelled', str(asked.cause));
  const child = event.startChildWorkflowExecutionInitiatedEventAttributes;
  if (child) {
    const release = drafts.failed('release');
    if (release) release.detail = `continues in ${child.workflowId ?? 'its own run'}`;
    drafts.seal();
  }
  const completed = event.workflowExecutionCompletedEventAttributes;
  if (completed) {
    const said = textOf(completed.result);
    const last = drafts.last();
    if (last && last.detail === undefined) last.detail = said;
    drafts.endAll('done', at);
  }
  const failed = event.workflowExecutionFailedEventAttributes;
  if (failed) {
    const isReported = drafts.last()?.kind === 'failMachine';
    drafts.endAll('failed', at);
    if (!isReported) drafts.moment('end', 'Failed', at, 'failed', messageOf(failed.failure));
  }
  if (event.workflowExecutionCanceledEventAttributes) drafts.endAll('cancelled', at);
  if (event.workflowExecutionTimedOutEventAttributes) {
    drafts.endAll('failed', at);
    drafts.moment('end', 'Timed out', at, 'failed', undefined);
  }
  const terminated = event.workflowExecutionTerminatedEventAttributes;
  if (terminated) {
    drafts.endAll('cancelled', at);
    drafts.moment('end', 'Terminated', at, 'cancelled', str(terminated.reason));
  }
  const next = event.workflowExecutionContinuedAsNewEventAttributes;
  if (next) {
    drafts.endAll('done', at);
    drafts.moment('end', 'Continued as a new run', at, 'done', `run ${next.newExecutionRunId ?? ''}`);
  }
}
