import { within } from './delay.ts';
import { abortedError, RedfishError } from './error.ts';
import { fenceRefusal } from './exchange.ts';
import type { BeforeSend, MutateOptions } from './fence.ts';

/**
 * The caller's live read, after the lock and the connection are there (rule 2); gives the check of the last instant.
 * `what` names the request in messages. Throws `Aborted`, and `FenceRefused` also for a fence that takes longer than
 * `limitMs`.
 */
export async function passFence(what: string, mutate: MutateOptions, limitMs: number): Promise<BeforeSend> {
  if (mutate.signal?.aborted === true) throw abortedError(what, mutate.signal.reason);
  try {
    const late = () =>
      new RedfishError('FenceRefused', `${what} was not sent: its fence took too long`, { retryable: true });
    return await within(mutate.fence(), limitMs, mutate.signal, what, late);
  } catch (error) {
    throw error instanceof RedfishError ? error : fenceRefusal(what, error);
  }
}
