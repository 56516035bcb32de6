import { afterEach, describe, expect, test } from '@jest/globals';
import { MockActivityEnvironment } from '@temporalio/testing';
import { releaseHost } from '../../../activities/release/releaseHost.ts';
import { startFleet, type Fleet } from '../../../simulator/index.ts';
import { claimedHost } from '../controllers/builders.ts';
import { NEVER, OneHost, REF } from './oneHost.ts';
import { ON_TAKES_MS } from '../../../model/deadlines.ts';

let fleet: Fleet | undefined;
let one: OneHost | undefined;
afterEach(async () => {
  await one?.close();
  await fleet?.stop();
});

/**
 * A fleet of one whose BMC has accepted PXE and On for an armed claim, and shows nothing of the power-on until
 * `lateMs`.
 */
async function cancelledBoot(lateMs: number): Promise<{ fleet: Fleet; one: OneHost }> {
  const username = 'x';
  fleet = await startFleet({
    hosts: 1,
    basePort: 0,
    latencyMs: 0,
    powerDelayMs: 5,
    bootTimeMs: 30_000,
    profile: 'generic',
    username,
    password: 'x',
  });
  const bmc = fleet.host('sim-0001');
  await bmc.fault({ powerOnLateMs: lateMs });
  Object.assign(bmc.server.override, { target: 'Pxe', enabled: 'Once' });
  bmc.server.reset('On');
  const since = new Date(Date.now() - ON_TAKES_MS + 8_000).toISOString();
  const host = claimedHost('Releasing', {}, {}, { releasedFrom: 'Armed', since });
  const { redfishConnection } = host.spec;
  one = new OneHost({
    ...host,
    spec: { ...host.spec, redfishConnection: { ...redfishConnection, address: bmc.address } },
  });
  return { fleet, one };
}

describe('a power-on that its BMC carries out long after it accepted it', () => {
  test('boots from the network when it comes, is switched off, and only then the override is cleared and the claim ends', async () => {
    const { fleet, one } = await cancelledBoot(600);
    const { server } = fleet.host('sim-0001');
    const ran: string[] = [];
    let atEnd: unknown;
    one.beforeWrite = (what) => {
      if (what === 'host') atEnd = { power: server.state.power, enabled: server.override.enabled };
    };
    const looks = setInterval(() => ran.push(server.state.running), 2);
    const result = await new MockActivityEnvironment().run(() =>
      releaseHost(one.deps, { claim: REF, attempt: 1, nextAttemptInMs: 1 }, NEVER),
    );
    clearInterval(looks);
    expect(result).toEqual({ kind: 'released' });
    expect(server.state).toMatchObject({ boots: 1, networkBoots: 1, power: 'Off' });
    expect(ran).not.toContain('disk');
    expect(atEnd).toEqual({ power: 'Off', enabled: 'Disabled' });
  });

  test('a release waits for it as long as a boot does', () => {
    expect(ON_TAKES_MS).toBeGreaterThanOrEqual(30_000);
  });
});
