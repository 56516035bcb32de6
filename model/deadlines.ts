/**
 * How long something that a process has started to send to a BMC may still arrive there (rules 2 and 4). These numbers
 * lean on each other: whoever waits for what may be in flight waits `IN_FLIGHT_MS`, and nothing else says how long that
 * is.
 */

/** How old the live read of a host may be when a request is written (rule 2). */
export const FENCE_MS = 2_000;

/**
 * Hard deadline of a call to a BMC, from its write (rule 2, D). A living process gives it up then with a reset, and
 * nothing is sent any more.
 */
export const BMC_CALL_MS = 60_000;

/**
 * How long the kernel of Linux keeps sending what a killed process has written: a connection without a process is
 * given up once 8 repeats would have been made, that is 0.2 s * (2^9 - 1) = 102.2 s after the first one, which comes up
 * to 2.8 s after the write on a line with a round trip of up to a second (`tcp_orphan_retries` 0 or 8,
 * `tcp_model_timeout` in net/ipv4/tcp_timer.c). Node can set neither TCP_USER_TIMEOUT nor SO_LINGER beforehand.
 */
export const KERNEL_SENDS_MS = 105_000;

/** From the last moment at which a claim may have let a call through: when nothing of that call can arrive any more. */
export const IN_FLIGHT_MS = FENCE_MS + Math.max(BMC_CALL_MS, KERNEL_SENDS_MS);

/**
 * How far the clocks of two processes that call BMCs may be apart: each is at most 30 s from that of the API server
 * (kube/clockSkew.ts).
 */
export const CLOCKS_APART_MS = 60_000;

/**
 * Heartbeat timeout: an activity without a heartbeat for this long is lost; Temporal ends it, and its run continues.
 */
export const WORKER_LOST_MS = 20_000;

/**
 * How long a host may say `Releasing` before a watcher starts its release: whoever wrote that first ends what it has
 * under way at the BMC, which takes `WORKER_LOST_MS` where its worker is lost, and has the release started itself.
 */
export const RELEASE_UNSTARTED_MS = WORKER_LOST_MS + 10_000;
