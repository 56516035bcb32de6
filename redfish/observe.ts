import { performance } from 'node:perf_hooks';
import { RedfishError } from './error.ts';

/** One request that went to a BMC. */
export interface ObservedRequest {
  readonly method: string;
  /** Without its query. */
  readonly path: string;
  /** The status of the answer, or the kind of the `RedfishError` (`Timeout`). */
  readonly outcome: number | string;
  readonly seconds: number;
}

/** Called after each exchange with a BMC, for metrics and traces. Must not throw. */
export type ObserveRequest = (request: ObservedRequest) => void;

/**
 * Tells how long an exchange took and what came of it. A request that its fence refused, or that was given up, was
 * none.
 */
export async function observed<Reply extends { readonly status: number }>(
  observe: ObserveRequest | undefined,
  { method, path }: { readonly method: string; readonly path: string },
  exchange: () => Promise<Reply>,
): Promise<Reply> {
  if (observe === undefined) return exchange();
  const startedMs = performance.now();
  const report = (outcome: number | string) =>
    observe({ method, path: path.replace(/\?.*$/s, ''), outcome, seconds: (performance.now() - startedMs) / 1000 });
  try {
    const reply = await exchange();
    report(reply.status);
    return reply;
  } catch (error) {
    const kind = error instanceof RedfishError ? error.kind : 'Unknown';
    if (kind !== 'FenceRefused' && kind !== 'Aborted') report(kind);
    throw error;
  }
}
