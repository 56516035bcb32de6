import { expect, test } from '@jest/globals';
import { BMC_ACTIVITY_MS } from '../../../activities/activityScope.ts';
import { ON_TAKES_MS } from '../../../activities/bmc/power.ts';
import {
  BMC_CALL_MS,
  FENCE_MS,
  IN_FLIGHT_MS,
  KERNEL_SENDS_MS,
  RELEASE_UNSTARTED_MS,
  WORKER_LOST_MS,
} from '../../../model/deadlines.ts';
import { checkConnection } from '../../../redfish/connectionOptions.ts';
import { RELEASE_ACTIVITY } from '../../../workflows/proxies.ts';

test('deadlines that lean on each other', () => {
  // A request is given up, with a reset, before the kernel would give it up; and neither outlasts what is waited for.
  expect(IN_FLIGHT_MS).toBe(FENCE_MS + Math.max(BMC_CALL_MS, KERNEL_SENDS_MS));
  // 8 repeats of Linux, doubling from 0.2 s, after a first one that comes within 2.8 s.
  expect(KERNEL_SENDS_MS).toBeGreaterThanOrEqual(200 * (2 ** 9 - 1) + 2_800);
  expect(() =>
    checkConnection({ address: 'http://a', username: '', password: '', callTimeoutMs: BMC_CALL_MS + 1 }),
  ).toThrow();
  // A watcher starts a release only when the boot whose worker is lost has been ended by Temporal.
  expect(RELEASE_UNSTARTED_MS).toBeGreaterThanOrEqual(WORKER_LOST_MS + 10_000);
  // A release that waits for what is in flight, and for a power-on to show, still has the time of any call.
  expect(IN_FLIGHT_MS + ON_TAKES_MS + BMC_ACTIVITY_MS).toBeLessThan(Number.parseInt(RELEASE_ACTIVITY, 10) * 1_000);
});
