/** One request that a BMC got. */
export interface RecordedRequest {
  /** RFC 3339. */
  readonly time: string;
  /** Milliseconds of the process's monotonic clock at arrival. */
  readonly monotonicMs: number;
  readonly method: string;
  readonly path: string;
  readonly userAgent: string;
  /** A change of power, boot or anything else, sessions apart. */
  readonly mutating: boolean;
  /** Without passwords. */
  readonly body: string;
  /** Which TCP connection of this BMC. */
  readonly connection: number;
  /** 0 until it is answered, and for ever when it never is. */
  status: number;
}

const MAX_KEPT = 2_000;
const LEAST_KEPT = 100;
/** About 300 bytes each: 60 MB. */
const KEPT_IN_FLEET = 200_000;

/** The requests of one BMC: the newest, at most 2,000 and fewer in a large fleet, and totals that never drop. */
export class Recorder {
  readonly #limit: number;
  #kept: RecordedRequest[] = [];
  readonly #listeners = new Set<(entry: RecordedRequest) => void>();
  requests = 0;
  mutating = 0;
  connections = 0;

  constructor(hostsInFleet = 1) {
    this.#limit = Math.max(LEAST_KEPT, Math.min(MAX_KEPT, Math.floor(KEPT_IN_FLEET / hostsInFleet)));
  }

  add(entry: RecordedRequest): void {
    this.requests += 1;
    if (entry.mutating) this.mutating += 1;
    this.#kept.push(entry);
    for (const listener of this.#listeners) listener(entry);
    // Cut rarely, so that a request does not move the whole list.
    if (this.#kept.length >= this.#limit * 1.25) this.#kept = this.#kept.slice(-this.#limit);
  }

  /** Tells of each request as it comes in, before it is answered; the result ends that. */
  onRequest(listener: (entry: RecordedRequest) => void): () => void {
    this.#listeners.add(listener);
    return () => void this.#listeners.delete(listener);
  }

  /** Requests since a moment of the monotonic clock. */
  list(sinceMs = 0): RecordedRequest[] {
    return this.#kept.filter((entry) => entry.monotonicMs >= sinceMs);
  }
}
