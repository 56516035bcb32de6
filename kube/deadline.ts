import { setTimeout as delay } from 'node:timers/promises';

/** A signal that ends with the caller's, or after `timeoutMs`. `end()` frees its timer and listener. */
export interface Deadline {
  readonly signal: AbortSignal;
  /** True when the time ran out, as against the caller having given up. */
  readonly isOver: () => boolean;
  readonly leftMs: () => number;
  end(): void;
}

/** Starts a deadline. `AbortSignal.any` is not used: its links to a long-lived signal outlive the call. */
export function startDeadline(timeoutMs: number, outer?: AbortSignal): Deadline {
  const controller = new AbortController();
  const endsAt = performance.now() + timeoutMs;
  let isOver = false;
  const onTime = () => {
    isOver = true;
    controller.abort(new Error(`no answer within ${timeoutMs} ms`));
  };
  const onAbort = () => controller.abort(outer?.reason);
  const timer = setTimeout(onTime, timeoutMs);
  if (outer?.aborted) onAbort();
  else outer?.addEventListener('abort', onAbort, { once: true });
  return {
    signal: controller.signal,
    isOver: () => isOver,
    leftMs: () => Math.max(0, endsAt - performance.now()),
    end: () => {
      clearTimeout(timer);
      outer?.removeEventListener('abort', onAbort);
    },
  };
}

/** Waits, or rejects with the signal's reason. */
export async function pause(ms: number, signal: AbortSignal): Promise<void> {
  try {
    await delay(ms, undefined, { signal });
  } catch {
    throw signal.reason;
  }
}
