import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import { enrollHost } from '../../../activities/enroll/enrollHost.ts';
import { findCondition } from '../../../crds/conditions.ts';
import { HOSTS } from '../../../kube/resource.ts';
import { BmcNetworks, RedfishPool, type BmcNetworksOptions, type RedfishPoolOptions } from '../../../redfish/index.ts';
import { host } from '../controllers/builders.ts';
import { fakeBmc, PASSWORD, stopAll, type FakeBmc } from '../redfish/fakeBmc.ts';
import { ApiServer } from './apiServer.ts';
import { asActivity, putBehind, workerOn } from './worker.ts';

/** Whoever creates a PhysicalHost chooses the address that Beskar7 speaks to: what its host says of it. */

let api: ApiServer;
let bmc: FakeBmc;
const resolved = new Map<string, string>();
const resolve: NonNullable<BmcNetworksOptions['resolve']> = (name, _options, done) => {
  const address = resolved.get(name);
  setImmediate(() => done(null, address === undefined ? [] : [{ address, family: 4 }]));
};
/** As in a cluster: loopback is this Pod. */
const inCluster = new BmcNetworks({ allowsLoopback: false, resolve });
const here = new BmcNetworks({ resolve });

beforeEach(async () => {
  api = await ApiServer.start();
  bmc = await fakeBmc();
  resolved.clear();
});
afterEach(async () => {
  await stopAll();
  await api.stop();
});

const port = () => new URL(bmc.address).port;
const live = () => api.get(HOSTS, 'h');
const said = (type: string) => {
  const found = findCondition(live().status?.conditions, type);
  return found && `${found.status} ${found.reason}: ${found.message}`;
};

/** One attempt to enroll the host at this address. */
async function enroll(address: string, options: RedfishPoolOptions) {
  putBehind(api, bmc, host());
  const { spec, ...rest } = live();
  api.put(HOSTS, { ...rest, spec: { ...spec, redfishConnection: { ...spec.redfishConnection, address } } });
  return again(options);
}
async function again(options: RedfishPoolOptions) {
  const deps = workerOn(api, { redfish: new RedfishPool(options) });
  const input = { host: { namespace: 'ns', name: 'h', uid: 'h-uid' }, failures: 0 };
  const result = await asActivity((signal) => enrollHost(deps, input, signal));
  await deps.redfish.closeAll();
  return result;
}
const at = (change: object) => {
  const { spec, ...rest } = live();
  api.put(HOSTS, { ...rest, spec: { ...spec, redfishConnection: { ...spec.redfishConnection, ...change } } });
};

describe('AddressNotAllowed', () => {
  test.each([
    'http://127.0.0.1:PORT',
    'http://[::ffff:127.0.0.1]:PORT',
    'http://[::ffff:7f00:1]:PORT',
    'http://[64:ff9b::7f00:1]:PORT',
    'http://2130706433:PORT',
    'http://0x7f000001:PORT',
    'http://0x7f.1:PORT',
    'http://0177.0.0.1:PORT',
    'http://127.1:PORT',
    'http://127.0.0.1.:PORT',
    'http://%31%32%37.0.0.1:PORT',
    'http://bmc.example:PORT',
    'http://bmc.example.:PORT',
  ])('%s leads to a service of this Pod: nothing is connected, and the host says why', async (address) => {
    resolved.set('bmc.example', '127.0.0.1').set('bmc.example.', '127.0.0.1');
    const result = await enroll(address.replace('PORT', port()), { networks: inCluster });
    expect(result).toMatchObject({ kind: 'failed', message: expect.stringContaining('--bmc-networks') as unknown });
    expect(live().status?.state).toBe('Error');
    expect(said('Ready')).toMatch(/^False AddressNotAllowed: .* was not sent: .*Attempt 1; the next one is due at /);
    expect(said('RedfishReachable')).toMatch(/^False AddressNotAllowed: /);
    expect([bmc.connections, bmc.seen]).toEqual([0, []]);
  });

  test.each([
    'http://10.20.0.1@127.0.0.1:PORT',
    'http://10.20.0.1:x@127.0.0.1:PORT',
    'http://127.0.0.1:PORT?@10.20.0.1',
  ])('%s hides behind another address: nothing is connected', async (address) => {
    await enroll(address.replace('PORT', port()), { networks: inCluster });
    expect(said('Ready')).toMatch(/^False /);
    expect([bmc.connections, bmc.seen]).toEqual([0, []]);
  });

  test('a BMC that redirects there: its credentials are not sent on', async () => {
    const service = await fakeBmc();
    for (const path of ['/redfish/v1', '/redfish/v1/', '/redfish/v1/Systems', '/redfish/v1/SessionService/Sessions'])
      for (const method of ['GET', 'POST'])
        bmc.on(method, path, {
          status: 307,
          headers: { location: service.address.replace('127.0.0.1', '[::1]') + path },
        });
    const result = await enroll(bmc.address, { networks: here });
    expect(result).toMatchObject({ kind: 'failed' });
    expect([service.connections, service.seen]).toEqual([0, []]);
    expect(JSON.stringify(live())).not.toContain(PASSWORD);
  });

  test('a session that a BMC says is there: its path counts, at the address of the BMC', async () => {
    const elsewhere = await fakeBmc();
    const path = '/redfish/v1/SessionService/Sessions';
    bmc.on('POST', path, {
      status: 201,
      headers: { location: `${elsewhere.address}${path}/7`, 'x-auth-token': 'session-token' },
      body: {},
    });
    await enroll(bmc.address, { networks: here });
    expect([elsewhere.connections, elsewhere.seen]).toEqual([0, []]);
  });

  test('an address that is corrected: the host is enrolled and says nothing of it any more', async () => {
    await enroll('http://169.254.169.254', { networks: here });
    expect(said('Ready')).toMatch(/^False AddressNotAllowed: /);
    at({ address: bmc.address });
    await expect(again({ networks: here })).resolves.toEqual({ kind: 'enrolled' });
    expect(said('Ready')).toMatch(/^True Enrolled: /);
    expect(said('RedfishReachable')).toMatch(/^True /);
  });
});

describe('PlainHTTP', () => {
  const NO_TLS = /^True NoTLS: The address of the BMC \w+ with http:\/\/.*--require-bmc-https/;

  test.each(['http://bmc.example:PORT', 'http://127.example:PORT', 'http://localhost.example:PORT'])(
    '%s is enrolled, and says that credentials go in clear text',
    async (address) => {
      for (const name of ['bmc.example', '127.example', 'localhost.example']) resolved.set(name, '127.0.0.1');
      const result = await enroll(address.replace('PORT', port()), { networks: here });
      expect(result).toEqual({ kind: 'enrolled' });
      expect(said('PlainHTTP')).toMatch(NO_TLS);
    },
  );

  test.each(['http://127.0.0.1:PORT', 'http://127.1:PORT', 'http://[::ffff:127.0.0.1]:PORT'])(
    '%s is this machine: nothing is said',
    async (address) => {
      await enroll(address.replace('PORT', port()), { networks: here });
      expect(said('PlainHTTP')).toBeUndefined();
    },
  );

  test('a BMC that refuses the log-in was sent the password in clear text, too', async () => {
    resolved.set('bmc.example', '127.0.0.1');
    bmc.habits.push(({ path }) => (path === '/redfish/v1' || path === '/redfish/v1/' ? undefined : { status: 401 }));
    await enroll(`http://bmc.example:${port()}`, { networks: here });
    expect(said('Ready')).toMatch(/^False Unauthorized: /);
    expect(said('PlainHTTP')).toMatch(NO_TLS);
    at({ address: 'https://10.255.255.1', timeouts: { connectSeconds: 1 } });
    await again({ networks: new BmcNetworks({ allowed: ['10.20.0.0/16'] }) });
    expect(said('Ready')).toMatch(/^False AddressNotAllowed: /);
    expect(said('PlainHTTP')).toBeUndefined();
  });

  test('is forbidden by --require-bmc-https: nothing is connected, and the host says so', async () => {
    const result = await enroll(bmc.address, { requiresHttps: true });
    expect(result).toMatchObject({ kind: 'failed' });
    expect(said('Ready')).toMatch(/^False PlainHTTPForbidden: .*--require-bmc-https/);
    expect(said('RedfishReachable')).toMatch(/^False PlainHTTPForbidden: /);
    expect([bmc.connections, bmc.seen]).toEqual([0, []]);
  });
});
