/** How often a host has not answered in a row, and when it is asked again. */
export interface FailedPoll {
  readonly attempts: number;
  /** Milliseconds of `Date.now()`. */
  readonly nextAt: number;
  /** The credentials, or their Secret, were the reason: the Secret is read again. */
  readonly isRefused: boolean;
}

/**
 * What this process knows of hosts whose BMC does not answer, by shard and uid; it outlives the activity of a shard.
 */
export class FailedPolls {
  readonly #shards = new Map<string, Map<string, FailedPoll>>();

  /** The failures of a shard, for its activity to read and write. */
  of(shard: string): Map<string, FailedPoll> {
    const known = this.#shards.get(shard) ?? new Map<string, FailedPoll>();
    this.#shards.set(shard, known);
    return known;
  }
}
