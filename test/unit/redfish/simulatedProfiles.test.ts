import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { RedfishClient } from '../../../redfish/index.ts';
import { PROFILES } from '../../../simulator/profiles.ts';
import { startFleet, type Fleet } from '../../../simulator/index.ts';

const fleets = new Map<string, Fleet>();
const names = Object.keys(PROFILES).filter((name) => name !== 'several-systems');

beforeAll(async () => {
  for (const profile of names) {
    fleets.set(
      profile,
      await startFleet({ hosts: 1, basePort: 0, latencyMs: 0, powerDelayMs: 1, bootTimeMs: 60_000, profile }),
    );
  }
});
afterAll(async () => {
  for (const fleet of fleets.values()) await fleet.stop();
});

describe('an override that was never used can be cleared', () => {
  test.each(names)('%s', async (profile) => {
    const bmc = fleets.get(profile)?.hosts[0];
    if (!bmc) throw new Error('no such fleet');
    const client = new RedfishClient({ address: bmc.address, username: 'admin', password: 'simulated' });
    const options = { userAgent: 'beskar7 (test)', fence: () => Promise.resolve(() => undefined) };
    await client.setBootSourcePXE(options);
    expect(bmc.server.override).toMatchObject({ target: 'Pxe', enabled: 'Once' });
    await client.clearBootOverride(options);
    expect(bmc.server.override.enabled).toBe('Disabled');
    await client.close();
  });
});
