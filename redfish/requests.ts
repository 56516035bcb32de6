import type { WireRequest } from './exchange.ts';
import type { Identify, MutateOptions } from './fence.ts';
import type { Reply, Resource } from './reply.ts';

/** A request by path; the body is sent as JSON. */
export interface BmcRequest {
  readonly method: WireRequest['method'];
  readonly path: string;
  readonly body?: unknown;
  readonly ifMatch?: string | undefined;
}

/** How long a read may take, and what cancels it. */
export interface ReadOptions {
  readonly signal?: AbortSignal | undefined;
  /** All attempts and pauses together, from the moment the BMC's lock is held; default `callTimeoutMs`. */
  readonly timeoutMs?: number | undefined;
  /** Gets what each read of the system shows of the server; throws to refuse it. Not called for other resources. */
  readonly identify?: Identify | undefined;
}

/** Something that can read resources: a conversation (with retries), or one that holds the lock (without). */
export interface Reader {
  get(path: string, options?: ReadOptions): Promise<Resource>;
}

/** What can be done while the BMC's lock is held. */
export interface Held extends Reader {
  /** Sends a changing request behind its fence and gives the answer, whatever its status. */
  send(request: BmcRequest, options: MutateOptions): Promise<Reply>;
}
