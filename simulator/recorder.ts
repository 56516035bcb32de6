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

const KEPT = 2_000;

/** The requests of one BMC: the last 2,000, and totals that never drop. */
export class Recorder {
  readonly #kept: RecordedRequest[] = [];
  requests = 0;
  mutating = 0;
  connections = 0;

  add(entry: RecordedRequest): void {
    this.requests += 1;
    if (entry.mutating) this.mutating += 1;
    this.#kept.push(entry);
    if (this.#kept.length > KEPT) this.#kept.shift();
  }

  /** Requests since a moment of the monotonic clock. */
  list(sinceMs = 0): RecordedRequest[] {
    return this.#kept.filter((entry) => entry.monotonicMs >= sinceMs);
  }
}
