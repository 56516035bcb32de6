import { expect, test } from '@jest/globals';
import { nextAttemptInMs } from '../../../activities/enroll/enrollRetry.ts';
import { HOST_REASONS } from '../../../crds/reasons.ts';

const delays = (reason: string) => [1, 2, 3, 6, 12, 1_000].map((attempt) => nextAttemptInMs(reason, attempt) / 1_000);

test.each<[string, number[]]>([
  // Nobody watches Secrets: one that is mended is found within a minute.
  [HOST_REASONS.secretMissing, [2, 4, 8, 60, 60, 60]],
  [HOST_REASONS.secretInvalid, [2, 4, 8, 60, 60, 60]],
  [HOST_REASONS.tls, [2, 4, 8, 60, 60, 60]],
  // Never sooner: BMCs lock accounts.
  [HOST_REASONS.unauthorized, [60, 60, 60, 60, 60, 60]],
  [HOST_REASONS.unreachable, [2, 4, 8, 64, 600, 600]],
  [HOST_REASONS.redfishError, [2, 4, 8, 64, 600, 600]],
])('the next attempt to enroll after %s', (reason, seconds) => {
  expect(delays(reason)).toEqual(seconds);
});
