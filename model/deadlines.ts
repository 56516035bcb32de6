/**
 * Time limits that depend on each other, in ms. A limit that depends on no other stands where it is used. Those of
 * rooms that may not import this one (`kube/`, `redfish/`, `http/`) stand there; `test/unit/model/deadlines.test.ts`
 * holds the relations between all of them.
 */

// What may still arrive at a BMC (rules 2 and 4): whoever waits for it waits `IN_FLIGHT_MS`.

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

// An activity that only calls Kubernetes.

/** `startToCloseTimeout` of an activity that calls Kubernetes: then another attempt starts. */
export const KUBE_ACTIVITY_MS = 60_000;

/**
 * Latest time, from the start of such an activity, to begin a write: it takes up to 30 s (kube/transport.ts), and a
 * later one could overlap the next attempt.
 */
export const WRITE_BEGINS_WITHIN_MS = 25_000;

/** How long a claim request may be in flight: until then its machine makes no other one, and its host is reserved. */
export const CLAIMING_MS = 60_000;

// An activity that calls a BMC.

/** `scheduleToStartTimeout`: how long a task may wait for a worker of its pool before that is reported (`NoWorker`). */
export const NO_WORKER_MS = 60_000;

/** `startToCloseTimeout` of an activity that calls a BMC: then its worker counts as lost. */
export const BMC_TIMEOUT_MS = 120_000;

/** How long such an activity runs at most by itself: what went wrong has to be written on the host before. */
export const BMC_ACTIVITY_MS = 100_000;

/** How long it repeats a power-off: less than it runs at most, so that it can say in its own words what came of it. */
export const SEE_OFF_MS = 90_000;

/** After this long without the wanted power state a command counts as lost and is sent again. */
export const RESEND_AFTER_MS = 20_000;

/**
 * How long an accepted power-on may take until the server shows it. Until then a boot waits before the command counts
 * as lost, and a release does not take an Off for final.
 */
export const ON_TAKES_MS = 30_000;

/** How long an attempt takes at most to write on host or machine what came of it. */
export const REPORT_MS = 5_000;

/**
 * `startToCloseTimeout` of a release, which may have to wait for what is in flight, and for a power-on that does not
 * show yet.
 */
export const RELEASE_TIMEOUT_MS = 270_000;

/**
 * Until when an enrolment has to have read the system, and then the network interfaces, from its start. A slow BMC
 * takes 20 to 30 s for each of the three requests that find its system, and the write at the end needs its time.
 */
export const ENROLL_MS = { system: 95_000, network: 105_000 };

// A run and its release.

/** How long a provisioning waits for the release of its host; then it ends and reports that the release continues. */
export const RELEASE_AWAITED_MS = 120_000;

/** Longest pause between two attempts of a release or a retirement. */
export const LONGEST_RELEASE_PAUSE_MS = 300_000;

// A callback.

/** Deadline of one call to the API server: two of them fit into the time that the listener gives a request. */
export const CALLBACK_CALL_MS = 6_000;

/** How long a token outlives the inspection deadline, as a backstop: its regular end is the revocation (rule 21). */
export const TOKEN_GRACE_MS = 60_000;

// The monitor.

/** How long a BMC may take to answer one request of a poll. */
export const POLL_REQUEST_MS = 45_000;

/** A poll ends by itself before this; the longest one finds the system in three requests. */
export const POLL_MS = 3 * POLL_REQUEST_MS + 5_000;

/** How long one monitor activity lasts, so that shards spread again over the workers that there are. */
export const MONITOR_LASTS_MS = 3_600_000;

/** `startToCloseTimeout` of a monitor activity. */
export const MONITOR_TIMEOUT_MS = 7_200_000;

// Heartbeats.

/** Heartbeats go out this often, so that a cancel arrives within a second (rule 6). */
export const HEARTBEAT_MS = 1_000;

/** The same for what lasts for hours and changes nothing at a BMC: a cancel of it is not urgent. */
export const SLOW_HEARTBEAT_MS = 4_000;

// The process.

/** After this long a shutdown is cut off; Kubernetes gives it `terminationGracePeriodSeconds`. */
export const SHUTDOWN_MS = 45_000;

/** How long activities have at a shutdown before they are asked to end. */
export const SHUTDOWN_GRACE_MS = 5_000;
