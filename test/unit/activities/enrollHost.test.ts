import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import { enrollHost } from '../../../activities/enroll/enrollHost.ts';
import { findCondition } from '../../../crds/conditions.ts';
import { connectionHash } from '../../../model/connection.ts';
import type { PhysicalHost, PhysicalHostStatus } from '../../../crds/physicalHost.ts';
import { HOSTS } from '../../../kube/resource.ts';
import { host } from '../controllers/builders.ts';
import { extendedError, fakeBmc, stopAll, type FakeBmc } from '../redfish/fakeBmc.ts';
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
  return enrolledNow();
}

async function enrolledNow() {
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

test.each<[string, string[], 'PXE' | 'HTTP' | undefined, RegExp | undefined]>([
  ['lists it', ['None', 'Pxe'], undefined, undefined],
  ['lists nothing', [], undefined, undefined],
  ['lists HTTP boot only', ['None', 'UefiHttp'], undefined, /only None, UefiHttp: set spec.networkBoot to HTTP/],
  ['lists HTTP boot, which is asked for', ['None', 'UefiHttp'], 'HTTP', undefined],
  ['lists PXE only', ['None', 'Pxe'], 'HTTP', /only None, Pxe: leave spec.networkBoot out/],
])('a BMC that %s: NetworkBootNotOffered says what is offered', async (_what, targets, networkBoot, message) => {
  bmc.boot = { ...bmc.boot, 'BootSourceOverrideTarget@Redfish.AllowableValues': targets };
  putBehind(api, bmc, host());
  const { spec } = live();
  api.put(HOSTS, { ...live(), spec: { ...spec, ...(networkBoot ? { networkBoot } : {}) } });
  expect(await enrolledNow()).toEqual({ kind: 'enrolled' });
  const said = findCondition(live().status?.conditions, 'NetworkBootNotOffered');
  if (message === undefined) expect(said).toBeUndefined();
  else expect(said?.message).toMatch(message);
});

test('interfaces that the BMC does not give away do not end an enrolment: the condition says why', async () => {
  bmc.extra = { EthernetInterfaces: { '@odata.id': '/nics' } };
  bmc.on('GET', '/nics', { status: 403, body: extendedError('Oem.1.0.NotLicensed', 'A license is needed.') });
  expect(await enrolled()).toEqual({ kind: 'enrolled' });
  expect(live().status).toMatchObject({ state: 'Available', ready: true, macAddresses: [] });
  const said = findCondition(live().status?.conditions, 'NetworkInterfacesUnread');
  expect(said?.message).toMatch(/A license is needed.*the account is not the reason.*spec.bootMACAddress/);
});

// That the collection is not there (404) says that there are none.
test.each([
  ...[401, 403, 500].map((status) => ({ status, path: '/nics' })),
  ...[401, 403, 404, 500].map((status) => ({ status, path: '/nics/2' })),
])(
  'interfaces of which $path answers $status: enrolled, and not said that the boot MAC address is unknown',
  async ({ status, path }) => {
    bmc.extra = { EthernetInterfaces: { '@odata.id': '/nics' } };
    bmc.resources.set('/nics', { Members: [{ '@odata.id': '/nics/1' }, { '@odata.id': '/nics/2' }] });
    bmc.resources.set('/nics/1', { Id: 'NIC.1', MACAddress: '00:25:90:9a:1b:2c' });
    bmc.resources.set('/nics/2', { Id: 'NIC.2', MACAddress: '00:25:90:9a:1b:2d' });
    bmc.on('GET', path, { status });
    putBehind(api, bmc, host({ spec: { ...host().spec, bootMACAddress: '00:25:90:9a:1b:2d' } }));
    expect(await enrolledNow()).toEqual({ kind: 'enrolled' });
    const types = live().status?.conditions?.map(({ type }) => type);
    expect(types).toContain('NetworkInterfacesUnread');
    expect(types).not.toContain('BootMACUnknown');
    // Right credentials, which a 401 of one resource says nothing against.
    expect(findCondition(live().status?.conditions, 'RedfishReachable')?.status).toBe('True');
  },
  15_000,
);
