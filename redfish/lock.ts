import { abortedError, RedfishError } from './error.ts';

interface Waiter {
  readonly urgent: boolean;
  readonly grant: () => void;
}

interface Lock {
  held: boolean;
  readonly waiters: Waiter[];
}

/** How to wait for the lock of a BMC. */
export interface LockRequest {
  /** To the front of the queue (behind other urgent ones). */
  readonly urgent?: boolean | undefined;
  readonly signal?: AbortSignal | undefined;
  readonly timeoutMs: number;
  /** For messages: what waits, and on which BMC. */
  readonly what: string;
}

const MAX_WAITERS = 64;

/** Locks of this process by origin. An entry lives only while someone holds or awaits it. */
const locks = new Map<string, Lock>();

/**
 * Runs `task` while holding the lock of the BMC at `origin`: in this process, one request at a time goes to one BMC,
 * whichever client sends it. First come, first served, urgent ones first. At most 64 wait, each for `timeoutMs`; else
 * `Busy`. `Aborted` at once when the signal fires while waiting.
 */
export async function withBmcLock<T>(origin: string, request: LockRequest, task: () => Promise<T>): Promise<T> {
  let lock = locks.get(origin);
  if (lock === undefined) {
    lock = { held: false, waiters: [] };
    locks.set(origin, lock);
  }
  await take(lock, request);
  try {
    return await task();
  } finally {
    const next = lock.waiters.shift();
    if (next !== undefined) next.grant();
    else {
      lock.held = false;
      locks.delete(origin);
    }
  }
}

async function take(lock: Lock, request: LockRequest): Promise<void> {
  const { signal, timeoutMs, what } = request;
  if (signal?.aborted === true) throw abortedError(what, signal.reason);
  if (!lock.held) {
    lock.held = true;
    return;
  }
  if (lock.waiters.length >= MAX_WAITERS) {
    throw new RedfishError('Busy', `${what} was not sent: ${MAX_WAITERS} other calls wait for this BMC`);
  }
  await new Promise<void>((resolve, reject) => {
    const settle = (end: () => void): void => {
      clearTimeout(timer);
      signal?.removeEventListener('abort', onAbort);
      end();
    };
    const waiter: Waiter = { urgent: request.urgent === true, grant: () => settle(resolve) };
    const leave = (error: RedfishError): void => {
      lock.waiters.splice(lock.waiters.indexOf(waiter), 1);
      settle(() => reject(error));
    };
    const onAbort = (): void => leave(abortedError(what, signal?.reason));
    const timer = setTimeout(() => {
      leave(new RedfishError('Busy', `${what} was not sent: calls before it kept this BMC busy for ${timeoutMs} ms`));
    }, timeoutMs);
    signal?.addEventListener('abort', onAbort, { once: true });
    enqueue(lock.waiters, waiter);
  });
}

function enqueue(waiters: Waiter[], waiter: Waiter): void {
  const firstOrdinary = waiter.urgent ? waiters.findIndex((other) => !other.urgent) : -1;
  if (firstOrdinary === -1) waiters.push(waiter);
  else waiters.splice(firstOrdinary, 0, waiter);
}
