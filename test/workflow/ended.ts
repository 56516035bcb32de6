import { setTimeout } from 'node:timers/promises';
import { expect } from '@jest/globals';
import { WorkflowFailedError, type WorkflowHandle } from '@temporalio/client';
import { ApplicationFailure } from '@temporalio/common';

/** The reason with which a run failed; the assertion fails when it ended in another way. */
export async function failedReason(run: WorkflowHandle): Promise<string> {
  const { cause } = await failedError(run);
  expect(cause).toBeInstanceOf(ApplicationFailure);
  const failure = cause as ApplicationFailure;
  expect(failure.type).toBe('ProvisioningFailed');
  return (failure.details?.[0] as { reason: string }).reason;
}

/** How a run ended, as Temporal shows it: COMPLETED, FAILED, CANCELLED and so on. */
export async function endStatus(run: WorkflowHandle): Promise<string> {
  await run.result().catch(() => undefined);
  return (await run.describe()).status.name;
}

/** How long a closed run took by the test server's clock. */
export async function lastedMs(run: WorkflowHandle): Promise<number> {
  const { startTime, closeTime } = await run.describe();
  if (!closeTime) throw new Error(`${run.workflowId} is still open`);
  return closeTime.getTime() - startTime.getTime();
}

/**
 * Resolves when a run has set a timer and has nothing open beside it, without skipping time: after a cancel at the
 * right moment the test server may keep its clock locked, and a sleep on it would last as long as it says.
 */
export async function untilItWaits(run: WorkflowHandle): Promise<void> {
  for (;;) {
    const { events } = await run.fetchHistory();
    if (events?.at(-1)?.timerStartedEventAttributes) return;
    await setTimeout(20);
  }
}

async function failedError(run: WorkflowHandle): Promise<WorkflowFailedError> {
  const error: unknown = await run.result().then(
    () => undefined,
    (reason: unknown) => reason,
  );
  expect(error).toBeInstanceOf(WorkflowFailedError);
  return error as WorkflowFailedError;
}
