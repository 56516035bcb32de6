import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import { enrollHost } from '../../../activities/enrollHost.ts';
import { findCondition } from '../../../crds/conditions.ts';
import { connectionHash } from '../../../crds/connection.ts';
import type { PhysicalHost, PhysicalHostStatus } from '../../../crds/physicalHost.ts';
import { HOSTS } from '../../../kube/resource.ts';
import { host } from '../controllers/builders.ts';
import { fakeBmc, stopAll, type FakeBmc } from '../redfish/fakeBmc.ts';
import { ApiServer } from './apiServer.ts';
import { asActivity, putBehind, workerOn } from './worker.ts';

let api: ApiServer;
let bmc: FakeBmc;

beforeEach(async () => {
  api = await ApiServer.start();
  bmc = await fakeBmc();
});
afterEach(async () => {
  await stopAll();
  await api.stop();
});

const live = (): PhysicalHost => api.get(HOSTS, 'h');

/** One attempt to enroll the host, whose status is as given before it. */
async function enrolled(status?: (connection: string) => PhysicalHostStatus) {
  putBehind(api, bmc, host());
  const { spec } = live();
  if (status) api.put(HOSTS, { ...live(), status: status(connectionHash(spec)) });
  const deps = workerOn(api);
  const input = { host: { namespace: 'ns', name: 'h', uid: 'h-uid' }, failures: 0 };
  const result = await asActivity((signal) => enrollHost(deps, input, signal));
  await deps.redfish.closeAll();
  return result;
}

describe('a server that is on when it is enrolled', () => {
  const unexpected = () => findCondition(live().status?.conditions, 'UnexpectedlyOn')?.status;
  const released = (foundOn: boolean, hash: string): PhysicalHostStatus => ({
    state: 'Enrolling',
    enrollment: { connectionHash: hash, attempt: 0, foundOn },
  });

  test.each<[string, unknown, ((connection: string) => PhysicalHostStatus) | undefined, boolean, string | undefined]>([
    ['for the first time: left running (rule 7)', 'On', undefined, true, undefined],
    ['for the first time, and off', 'Off', undefined, false, undefined],
    ['found on before', 'On', (hash) => released(true, hash), true, undefined],
    ['released by force before: it had to be off', 'On', (hash) => released(false, hash), false, 'True'],
    ['released by force before, and off', 'Off', (hash) => released(false, hash), false, undefined],
    ['the same by another connection: another server', 'On', () => released(false, 'other'), true, undefined],
  ])('%s', async (_what, power, status, foundOn, condition) => {
    bmc.power = power;
    expect(await enrolled(status)).toEqual({ kind: 'enrolled' });
    expect(live().status).toMatchObject({ state: 'Available', powerState: power, enrollment: { foundOn } });
    expect(unexpected()).toBe(condition);
    expect(bmc.changes).toEqual([]);
  });
});
