import { performance } from 'node:perf_hooks';
import { RedfishError } from './error.ts';

/** What came of one request: the class of the status (`2xx`), or the kind of the `RedfishError` (`Timeout`). Both are few. */
export type ObserveRequest = (method: string, outcome: string, seconds: number) => void;

/** Tells how long an exchange took and what came of it. A request that its fence refused, or that was given up, was none. */
export async function observed<Reply extends { readonly status: number }>(
  observe: ObserveRequest | undefined,
  method: string,
  exchange: () => Promise<Reply>,
): Promise<Reply> {
  if (observe === undefined) return exchange();
  const startedMs = performance.now();
  const tell = (outcome: string) => observe(method, outcome, (performance.now() - startedMs) / 1000);
  try {
    const reply = await exchange();
    tell(`${Math.floor(reply.status / 100)}xx`);
    return reply;
  } catch (error) {
    const kind = error instanceof RedfishError ? error.kind : 'Unknown';
    if (kind !== 'FenceRefused' && kind !== 'Aborted') tell(kind);
    throw error;
  }
}
