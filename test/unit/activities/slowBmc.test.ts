import { afterEach, beforeEach, describe, expect, jest, test } from '@jest/globals';
import { enrollHost } from '../../../activities/enroll/enrollHost.ts';
import { findCondition } from '../../../crds/conditions.ts';
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

let api: ApiServer;
let fleet: Fleet;
beforeEach(async () => {
  api = await ApiServer.start();
});
afterEach(async () => {
  await fleet.stop();
  await api.stop();
});

describe('a BMC that takes 25 s for each answer is enrolled', () => {
  test.each([
    ['generic', 1],
    // One that knows sessions only needs a request more for the log-in.
    ['openbmc', 2],
  ])('%s, within %i attempts', async (profile, most) => {
    fleet = await startFleet({
      hosts: 1,
      basePort: 0,
      latencyMs: ANSWER_MS,
      profile,
      username: USER,
      password: PASSWORD,
    });
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
