import { pause } from './delay.ts';
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
  const limit = new AbortController();
  const signal = mutate.signal === undefined ? limit.signal : AbortSignal.any([mutate.signal, limit.signal]);
  const hung = pause(limitMs, signal, what).then(() => {
    throw new RedfishError('FenceRefused', `${what} was not sent: its fence took too long`, { retryable: true });
  });
  try {
    return await Promise.race([mutate.fence(), hung]);
  } catch (error) {
    throw error instanceof RedfishError ? error : fenceRefusal(what, error);
  } finally {
    hung.catch(() => undefined);
    limit.abort();
  }
}
