/** Waits, or rejects with the signal's reason. */
export function pause(ms: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve, reject) => {
    if (signal.aborted) return reject(signal.reason as Error);
    const onAbort = () => {
      clearTimeout(timer);
      reject(signal.reason as Error);
    };
    const timer = setTimeout(() => {
      signal.removeEventListener('abort', onAbort);
      resolve();
    }, ms);
    signal.addEventListener('abort', onAbort, { once: true });
  });
}

/** The promise's outcome, or the signal's reason when that is first. */
export function orAborted<T>(promise: Promise<T>, signal: AbortSignal): Promise<T> {
  return new Promise((resolve, reject) => {
    if (signal.aborted) return reject(signal.reason as Error);
    const onAbort = () => reject(signal.reason as Error);
    signal.addEventListener('abort', onAbort, { once: true });
    promise.then(resolve, reject).finally(() => signal.removeEventListener('abort', onAbort));
  });
}

/**
 * Asks again and again until the answer is not undefined. Rejects when that takes longer than `timeoutMs`, naming
 * `what` and the last error, or when the signal aborts.
 */
export async function poll<T>(
  what: string,
  ask: () => Promise<T | undefined>,
  bounds: { timeoutMs: number; everyMs: number; signal: AbortSignal },
): Promise<T> {
  const endsAt = performance.now() + bounds.timeoutMs;
  for (let why = ''; ;) {
    try {
      const answer = await ask();
      if (answer !== undefined) return answer;
    } catch (error) {
      why = `: ${(error as Error).message}`;
    }
    if (performance.now() > endsAt) throw new Error(`${what}: not within ${bounds.timeoutMs / 1000} s${why}`);
    await pause(bounds.everyMs, bounds.signal);
  }
}

/**
 * Runs `work` over all items, at most `limit` at once, in order. Rejects with the first failure, when the others have
 * ended.
 */
export async function forEachLimited<T>(
  items: readonly T[],
  limit: number,
  work: (item: T) => Promise<void>,
): Promise<void> {
  const queue = items.values();
  const lane = async () => {
    for (const item of queue) await work(item);
  };
  const lanes = await Promise.allSettled(Array.from({ length: Math.min(limit, items.length) }, lane));
  const failed = lanes.find((outcome) => outcome.status === 'rejected');
  if (failed) throw failed.reason as Error;
}
