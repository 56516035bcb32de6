/**
 * How many answers in a row have to agree before a clock counts as wrong: one may come out of a cache, or of another
 * program.
 */
const AGREEING = 3;
/** The Date header has a resolution of one second (RFC 9110 §5.6.7). */
const RESOLUTION_MS = 1_000;
/** An answer that took longer says too little about the clock. */
const SLOW_MS = 5_000;
/** From here on an operator has to know. */
export const SKEW_TOLD_MS = 5_000;
/** From here on times that processes exchange (of a claim, of a deadline) are wrong by more than what covers them. */
export const SKEW_LIMIT_MS = 30_000;

/**
 * How far the clock of this process is from that of the API server, by the Date headers of its answers. Each answer
 * bounds the difference: its Date was taken between sending and receiving. What is given is the least difference that
 * the last answers all prove: 0 where they disagree.
 */
export class ClockSkew {
  readonly #last: number[] = [];

  /** One answer: when its request was sent and its headers came, by `Date.now()`, and its Date header. */
  note(sentAtMs: number, receivedAtMs: number, header: string | string[] | undefined): void {
    const date = typeof header === 'string' ? Date.parse(header) : Number.NaN;
    const tookMs = receivedAtMs - sentAtMs;
    if (!Number.isFinite(date) || tookMs < 0 || tookMs > SLOW_MS) return;
    const least = sentAtMs - (date + RESOLUTION_MS);
    const most = receivedAtMs - date;
    this.#last.push(least > 0 ? least : most < 0 ? most : 0);
    if (this.#last.length > AGREEING) this.#last.shift();
  }

  /** In milliseconds; above 0: this clock is ahead. */
  skewMs(): number {
    const ahead = this.#last.length < AGREEING ? 0 : Math.min(...this.#last);
    const behind = this.#last.length < AGREEING ? 0 : Math.max(...this.#last);
    return ahead > 0 ? ahead : Math.min(0, behind);
  }

  /**
   * What is wrong with the clock, for the operator, from `fromMs` on; undefined when it is right, or not known to be
   * wrong.
   */
  problem(fromMs = SKEW_LIMIT_MS): string | undefined {
    const skewMs = this.skewMs();
    if (Math.abs(skewMs) < fromMs) return undefined;
    const words = `${Math.round(Math.abs(skewMs) / 1_000)} s ${skewMs > 0 ? 'ahead of' : 'behind'}`;
    const effect =
      Math.abs(skewMs) < SKEW_LIMIT_MS
        ? `from ${SKEW_LIMIT_MS / 1_000} s on it makes no call to a BMC any more`
        : 'it makes no call to a BMC and executes no step of a run until that is fixed';
    return `the clock of this process is ${words} that of the API server: ${effect}. Set both by NTP`;
  }
}
