import { expect, test } from '@jest/globals';
import { freedStatus } from '../../../activities/release/freedStatus.ts';
import { claimOf } from '../../../model/claim.ts';
import { claimedHost } from '../controllers/builders.ts';

test.each<[string | undefined, string | null]>([
  ['ProvisionFailed: Host h: the inspection image gave up: no disk to write to', 'ProvisionFailed'],
  ['InspectionTimeout: Host h sent no inspection report until 10:00', 'InspectionTimeout'],
  ['BootFailed: Host h was not seen on', 'BootFailed'],
  // A machine that asks for less may do well on it.
  ['HardwareRequirementsNotMet: Host h does not meet hardwareRequirements', null],
  ['Cancelled: Cancelled on host h', null],
  ['InvalidBootConfiguration: the URL has a line break', null],
  ['its machine is deleted', null],
  [undefined, null],
])(
  'a claim that ended for %j leaves the failure %j on its host, with the time of its release',
  (reason, lastFailure) => {
    const live = claimedHost('Releasing', { lastFailure: 'BootFailed' }, {}, reason === undefined ? {} : { reason });
    const before = Date.now();
    const freed = freedStatus(live, 'Available', undefined, claimOf(live));
    expect(freed).toMatchObject({ state: 'Available', lastFailure });
    expect(Date.parse(freed.releasedAt)).toBeGreaterThanOrEqual(before);
  },
);
