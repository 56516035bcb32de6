import { describe, expect, test } from '@jest/globals';
import { judgePower } from '../../../activities/bmc/unexpectedlyOn.ts';
import { withConditions } from '../../../crds/conditions.ts';
import type { PowerState } from '../../../redfish/index.ts';
import { claimedHost, freeHost } from '../controllers/builders.ts';

const found = (host: Parameters<typeof judgePower>[0], power: PowerState | undefined) =>
  judgePower(host, power).conditions.map(({ type, status }) => `${type}=${status}`);

describe('a server that was handed over', () => {
  test.each<[PowerState | undefined, string[]]>([
    ['Off', ['UnexpectedlyOff=True']],
    ['On', []],
    ['PoweringOn', []],
    [undefined, []],
  ])('that is %s', (power, expected) => {
    expect(found(claimedHost('HandedOver', {}), power)).toEqual(expected);
  });

  test('and that is on again, or released, is as expected; a BMC that does not answer changes nothing', () => {
    const off = claimedHost('HandedOver', {});
    const conditions = withConditions([], judgePower(off, 'Off').conditions, '2026-01-01T00:00:00Z', 1);
    const known = claimedHost('HandedOver', { conditions });
    expect(found(known, undefined)).toEqual(['UnexpectedlyOff=True']);
    expect(found(known, 'On')).toEqual(['UnexpectedlyOff=False']);
    const { status: _status, ...free } = freeHost('h');
    expect(found({ ...free, status: { state: 'Available', conditions } }, 'Off')).toEqual(['UnexpectedlyOff=False']);
  });

  test('says which machine runs on it, and that Beskar7 does not switch it on', () => {
    const [condition] = judgePower(claimedHost('HandedOver', {}), 'Off').conditions;
    expect(condition?.message).toMatch(/host h is off, and Beskar7Machine m runs on it.*does not switch on/);
  });
});
