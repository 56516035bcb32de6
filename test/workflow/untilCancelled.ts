import {
  CancellationScope,
  condition,
  continueAsNew,
  defineSignal,
  isCancellation,
  setHandler,
} from '@temporalio/workflow';

/** Goes on in a fresh history, as a run does that has waited for long. */
export const goOn = defineSignal('goOn');

/**
 * Waits for its cancel. The first `fresh` cancels it answers by going on in a fresh history, as a run may that is about
 * to do that anyway.
 */
export async function untilCancelled(fresh: number): Promise<void> {
  let isTold = false;
  setHandler(goOn, () => void (isTold = true));
  try {
    await condition(() => isTold);
  } catch (error) {
    if (!isCancellation(error) || fresh === 0) throw error;
  }
  await CancellationScope.nonCancellable(() => continueAsNew<typeof untilCancelled>(isTold ? fresh : fresh - 1));
}
