import { afterEach, describe, expect, test } from '@jest/globals';
import { allow, clientOf, failureOf, fakeBmc, stopAll } from './fakeBmc.ts';

afterEach(stopAll);

const SETTINGS = '/redfish/v1/Systems/1/SD';

describe('PXE once is for a server that is off (rule 5)', () => {
  test.each(['On', 'PoweringOn', 'PoweringOff', 'Paused', null])(
    '%s: nothing is sent, and that is said',
    async (power) => {
      const bmc = await fakeBmc((it) => (it.power = power));
      expect(await clientOf(bmc).setBootSourcePXE(allow)).toBe(false);
      expect(bmc.changes).toEqual([]);
    },
  );

  test('off: it is set', async () => {
    const bmc = await fakeBmc();
    expect(await clientOf(bmc).setBootSourcePXE(allow)).toBe(true);
    expect(bmc.sent('PATCH')).toHaveLength(1);
  });

  test('a BMC that was busy is looked at anew: switched on meanwhile, nothing more is sent', async () => {
    const bmc = await fakeBmc((it) =>
      it.on('PATCH', '/redfish/v1/Systems/1', () => {
        it.power = 'On';
        return { status: 503, headers: { 'retry-after': '0' } };
      }),
    );
    expect(await clientOf(bmc).setBootSourcePXE(allow)).toBe(false);
    expect(bmc.sent('PATCH')).toHaveLength(1);
  });

  test('a process that was stopped after it had seen the server off sends nothing, though its claim stands', async () => {
    const bmc = await fakeBmc();
    const now = performance.now.bind(performance);
    let stoppedMs = 0;
    performance.now = () => now() + stoppedMs;
    // The fence is passed after the stop: same claim, same stage.
    const fence = () => {
      stoppedMs = 30_000;
      return Promise.resolve(() => undefined);
    };
    try {
      const failure = await failureOf(clientOf(bmc).setBootSourcePXE({ ...allow, fence }));
      expect(failure).toMatchObject({ kind: 'FenceRefused', retryable: true });
      expect(String(failure)).toContain('confirmed off more than 10 s ago');
    } finally {
      performance.now = now;
    }
    expect(bmc.changes).toEqual([]);
  });

  test('settings that take long to read: the power is read again after them', async () => {
    const bmc = await fakeBmc((it) => {
      it.extra = { '@Redfish.Settings': { SettingsObject: { '@odata.id': SETTINGS } } };
      it.resources.set(SETTINGS, { Boot: { BootSourceOverrideTarget: 'None', BootSourceOverrideEnabled: 'Disabled' } });
    });
    const now = performance.now.bind(performance);
    let passedMs = 0;
    performance.now = () => now() + passedMs;
    bmc.on('GET', SETTINGS, () => {
      passedMs = 25_000;
      bmc.power = 'On';
      return undefined;
    });
    try {
      expect(await clientOf(bmc).setBootSourcePXE(allow)).toBe(false);
    } finally {
      performance.now = now;
    }
    expect(bmc.changes).toEqual([]);
  });
});
