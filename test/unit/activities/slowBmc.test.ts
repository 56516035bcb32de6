import { afterEach, beforeEach, describe, expect, jest, test } from '@jest/globals';
import { enrollHost } from '../../../activities/enroll/enrollHost.ts';
import { pollHost } from '../../../activities/monitor/pollHost.ts';
import { findCondition } from '../../../crds/conditions.ts';
import { serializeServer } from '../../../model/serverIdentity.ts';
import { HOSTS } from '../../../kube/resource.ts';
import { startFleet, type Fleet } from '../../../simulator/index.ts';
import { host } from '../controllers/builders.ts';
import { PASSWORD, USER, type FakeBmc } from '../redfish/fakeBmc.ts';
import { ApiServer } from './apiServer.ts';
import { asActivity, putBehind, workerOn } from './worker.ts';

/** BMCs that take 25 s for each answer, at a fiftieth of all times: half a second, and limits to match. */

jest.setTimeout(30_000);

const ANSWER_MS = 500;
const LIMITS = { systemMs: 1_900, networkMs: 2_100 };
/** What the monitor gives a request. */
const POLL_REQUEST_MS = 900;

let api: ApiServer;
let fleet: Fleet;
beforeEach(async () => {
  api = await ApiServer.start();
});
afterEach(async () => {
  await fleet.stop();
  await api.stop();
});

async function startBmc(profile: string): Promise<void> {
  fleet = await startFleet({
    hosts: 1,
    basePort: 0,
    latencyMs: ANSWER_MS,
    profile,
    username: USER,
    password: PASSWORD,
  });
}

describe('a BMC that takes 25 s for each answer is enrolled', () => {
  test.each([
    ['generic', 1],
    // One that knows sessions only needs a request more for the log-in.
    ['openbmc', 2],
  ])('%s, within %i attempts', async (profile, most) => {
    await startBmc(profile);
    putBehind(api, { address: fleet.hosts[0]?.address ?? '' } as FakeBmc, host());
    const deps = workerOn(api);
    const results = [];
    try {
      for (let failures = 0; failures < most && results.at(-1) !== 'enrolled'; failures += 1) {
        const input = { host: { namespace: 'ns', name: 'h', uid: 'h-uid' }, failures };
        results.push((await asActivity((signal) => enrollHost(deps, input, signal, LIMITS))).kind);
      }
    } finally {
      await deps.redfish.closeAll();
    }
    expect(results.at(-1)).toBe('enrolled');
    const { status } = api.get(HOSTS, 'h');
    expect(status).toMatchObject({
      state: 'Available',
      ready: true,
      hardware: { serialNumber: fleet.hosts[0]?.serial },
    });
    expect(findCondition(status?.conditions, 'RedfishReachable')?.status).toBe('True');
    // What there was no time for is said, and does not hold it up.
    expect(findCondition(status?.conditions, 'NetworkInterfacesUnread')?.message).toMatch(
      /not answered within|is slow/,
    );
    // No second log-in that has to be refused.
    const requests = fleet.requests('sim-0001').map(({ path, status: answered }) => `${path} ${answered}`);
    expect(requests.filter((line) => line.endsWith(' 401')).length).toBeLessThanOrEqual(1);
  });
});

describe('a BMC that takes 25 s for each answer is said to be reachable by the monitor', () => {
  test.each([
    ['generic', 1],
    // The log-in takes the time of two requests; what came of it is there for the next look, and no session is lost.
    ['openbmc', 3],
  ])('%s, within %i looks', async (profile, most) => {
    await startBmc(profile);
    const { address = '', serial: serialNumber = '' } = fleet.hosts[0] ?? {};
    const annotations = { 'beskar7.io/server': serializeServer({ address, serialNumber }) };
    putBehind(api, { address } as FakeBmc, host({ metadata: { annotations } }));
    const deps = workerOn(api);
    const never = new AbortController().signal;
    const failures = [];
    try {
      for (let looks = 0; looks < most; looks += 1) {
        const failure = await pollHost(deps, api.get(HOSTS, 'h'), undefined, 60_000, never, POLL_REQUEST_MS);
        if (failure === undefined) break;
        failures.push(failure);
      }
    } finally {
      await deps.redfish.closeAll();
    }
    expect(failures.length).toBeLessThan(most);
    const { status } = api.get(HOSTS, 'h');
    expect(status?.powerState).toBe('Off');
    expect(findCondition(status?.conditions, 'RedfishReachable')?.status).toBe('True');
    const requests = fleet.requests('sim-0001').map(({ method, status: answered }) => `${method} ${answered}`);
    expect(requests.filter((line) => line === 'POST 201').length).toBe(profile === 'openbmc' ? 1 : 0);
    expect(requests.filter((line) => line.endsWith(' 401')).length).toBeLessThanOrEqual(1);
  });
});
