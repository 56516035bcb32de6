import { globSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { expect, test } from '@jest/globals';
import { noWorker } from '../../../activities/failures.ts';
import { DEFAULT_TIMEOUTS } from '../../../http/options.ts';
import { SKEW_LIMIT_MS } from '../../../kube/clockSkew.ts';
import { DEFAULT_TIMEOUT_MS as KUBE_CALL_MS } from '../../../kube/transport.ts';
import * as limits from '../../../model/deadlines.ts';
import { checkConnection } from '../../../redfish/connectionOptions.ts';
import { BACKOFF } from '../../../workflows/bmcAttempt.ts';

const ROOT = path.resolve(import.meta.dirname, '../../..');
const { BMC_ACTIVITY_MS, BMC_TIMEOUT_MS, IN_FLIGHT_MS, ON_TAKES_MS, REPORT_MS, WORKER_LOST_MS } = limits;

/** A server that does not come on is sent On this often in one activity (activities/bmc/power.ts). */
const ON_TRIES = 3;

/** What comes before what, in ms: each list rises, and `why` says what goes wrong when it does not. */
const RELATIONS: readonly { readonly why: string; readonly rising: readonly number[] }[] = [
  {
    why: 'a power-off is given up, the activity ends and reports it, before Temporal counts its worker as lost',
    rising: [limits.RESEND_AFTER_MS, limits.SEE_OFF_MS, BMC_ACTIVITY_MS, BMC_ACTIVITY_MS + REPORT_MS, BMC_TIMEOUT_MS],
  },
  {
    why: 'a power-on is sent again as often as it may be within one activity, each time after it could have shown',
    rising: [limits.RESEND_AFTER_MS, ON_TAKES_MS, ON_TRIES * ON_TAKES_MS, BMC_ACTIVITY_MS],
  },
  {
    why: 'a release that waits for what is in flight, and for a power-on to show, still has the time of any call',
    rising: [
      BMC_TIMEOUT_MS,
      IN_FLIGHT_MS + ON_TAKES_MS + BMC_ACTIVITY_MS,
      IN_FLIGHT_MS + ON_TAKES_MS + BMC_ACTIVITY_MS + REPORT_MS,
      limits.RELEASE_TIMEOUT_MS,
      limits.LONGEST_RELEASE_PAUSE_MS,
    ],
  },
  {
    why: 'a write that was begun in time has ended before the next attempt of its activity starts',
    rising: [
      limits.WRITE_BEGINS_WITHIN_MS,
      KUBE_CALL_MS,
      limits.WRITE_BEGINS_WITHIN_MS + KUBE_CALL_MS,
      limits.KUBE_ACTIVITY_MS,
    ],
  },
  {
    why: 'a host is reserved, and its machine claims no other one, for as long as a claim may be in flight',
    rising: [limits.WRITE_BEGINS_WITHIN_MS + KUBE_CALL_MS, limits.CLAIMING_MS],
  },
  {
    why: 'an enrolment reads the system, then the network, and writes what it found, before its worker counts as lost',
    rising: [limits.ENROLL_MS.system, limits.ENROLL_MS.network, limits.ENROLL_MS.network + REPORT_MS, BMC_TIMEOUT_MS],
  },
  {
    why: 'a slow BMC has the three requests that find its system, each within the deadline of a call',
    rising: [3 * 30_000, limits.ENROLL_MS.system],
  },
  {
    why: 'a request is given up, with a reset, before the kernel would give it up; neither outlasts what is waited for',
    rising: [limits.BMC_CALL_MS, limits.KERNEL_SENDS_MS, IN_FLIGHT_MS],
  },
  {
    why: 'a poll ends before the deadline of a call, its activity before Temporal gives it up',
    rising: [limits.POLL_REQUEST_MS, limits.BMC_CALL_MS, limits.POLL_MS, limits.MONITOR_LASTS_MS],
  },
  {
    why: 'polls that were begun last have ended before Temporal counts the worker of their shard as lost',
    rising: [limits.MONITOR_LASTS_MS + limits.POLL_MS, limits.MONITOR_TIMEOUT_MS],
  },
  {
    why: 'several heartbeats may be missed before a worker counts as lost',
    rising: [limits.HEARTBEAT_MS, 3 * limits.SLOW_HEARTBEAT_MS, WORKER_LOST_MS],
  },
  {
    why: 'a watcher starts a release only when the boot whose worker is lost was ended by Temporal, and its run had time',
    rising: [WORKER_LOST_MS, limits.RELEASE_UNSTARTED_MS, limits.RELEASE_AWAITED_MS],
  },
  {
    why: 'two calls to the API server fit into the time of a callback',
    rising: [limits.CALLBACK_CALL_MS, 2 * limits.CALLBACK_CALL_MS, DEFAULT_TIMEOUTS.requestMs],
  },
  {
    why: 'at a shutdown activities are told to end, requests drain, and the process ends before Kubernetes kills it',
    rising: [
      limits.SHUTDOWN_GRACE_MS,
      limits.SHUTDOWN_GRACE_MS + DEFAULT_TIMEOUTS.stopMs,
      limits.SHUTDOWN_MS,
      ...new Set(terminationGraces()),
    ],
  },
];

function terminationGraces(): number[] {
  const files = globSync('deploy/**/*.yaml', { cwd: ROOT });
  const found = files.flatMap((file) =>
    [...readFileSync(path.join(ROOT, file), 'utf8').matchAll(/terminationGracePeriodSeconds: (\d+)/g)].map(
      ([, seconds]) => Number(seconds) * 1_000,
    ),
  );
  expect(found.length).toBeGreaterThan(0);
  return found;
}

test.each(RELATIONS)('$why', ({ rising }) => {
  const wrong = rising.flatMap((ms, index) => {
    const before = rising[index - 1];
    return before !== undefined && before >= ms ? [`${before} before ${ms}`] : [];
  });
  expect(wrong).toEqual([]);
});

test('what is in flight is the fence and the longer of call and kernel', () => {
  expect(IN_FLIGHT_MS).toBe(limits.FENCE_MS + Math.max(limits.BMC_CALL_MS, limits.KERNEL_SENDS_MS));
  // 8 repeats of Linux, doubling from 0.2 s, after a first one that comes within 2.8 s.
  expect(limits.KERNEL_SENDS_MS).toBeGreaterThanOrEqual(200 * (2 ** 9 - 1) + 2_800);
});

test('the Redfish client takes no longer deadline of a call than is waited for', () => {
  const connection = { address: 'http://a', username: '', password: '' };
  expect(() => checkConnection({ ...connection, callTimeoutMs: limits.BMC_CALL_MS })).not.toThrow();
  expect(() => checkConnection({ ...connection, callTimeoutMs: limits.BMC_CALL_MS + 1 })).toThrow();
});

test('two clocks that are each almost too wrong are as far apart as is reckoned with', () => {
  expect(limits.CLOCKS_APART_MS).toBe(2 * SKEW_LIMIT_MS);
});

test('a run that ends without its release has waited for the first retries of it', () => {
  const { firstMs, maxMs } = BACKOFF.release;
  expect(maxMs).toBe(limits.LONGEST_RELEASE_PAUSE_MS);
  expect(BMC_ACTIVITY_MS + REPORT_MS + firstMs).toBeLessThan(limits.RELEASE_AWAITED_MS);
});

test('the failure of a task that no worker picked up names the time that it has waited', () => {
  expect(noWorker('h', undefined).message).toContain(`within ${limits.NO_WORKER_MS / 60_000} minute:`);
});

test('each limit of the table depends on another one', () => {
  const [text = ''] = readFileSync(import.meta.filename, 'utf8').split("test('each limit of the table");
  const unused = Object.keys(limits).filter((name) => !new RegExp(`\\b${name}\\b`).test(text));
  // What writes the end of a token and what judges it use the same constant.
  expect(unused).toEqual(['TOKEN_GRACE_MS']);
});

test('no time limit of an activity is written where it is used', () => {
  const written = globSync('workflows/**/*.ts', { cwd: ROOT }).flatMap((file) =>
    readFileSync(path.join(ROOT, file), 'utf8')
      .split('\n')
      .filter((line) => /(startToClose|scheduleToStart|heartbeat)Timeout: ['\d]/.test(line))
      .map((line) => `${file}: ${line.trim()}`),
  );
  // They depend on no other: a wait of days, and the answer of a queue that only waits.
  expect(written).toEqual([
    "workflows/proxies.ts: startToCloseTimeout: '7 days',",
    "workflows/proxies.ts: startToCloseTimeout: '30 seconds',",
  ]);
});
