import { afterEach, describe, expect, test } from '@jest/globals';
import { clientOf, extendedError, fakeBmc, stopAll, SYSTEM, type Answer, type FakeBmc } from './fakeBmc.ts';

afterEach(stopAll);

const NICS = `${SYSTEM}/EthernetInterfaces`;
const link = (path: string) => ({ '@odata.id': path });
const collection = (...paths: string[]) => ({ Members: paths.map(link) });
const nic = (Id: string, MACAddress: unknown) => ({ Id, MACAddress });

function withNics(bmc: FakeBmc, macs: unknown[]): void {
  bmc.extra = { EthernetInterfaces: link(NICS) };
  bmc.resources.set(NICS, collection(...macs.map((_mac, index) => `${NICS}/${index}`)));
  for (const [index, mac] of macs.entries()) bmc.resources.set(`${NICS}/${index}`, nic(String(index), mac));
}
const macsOf = async (bmc: FakeBmc) => {
  const { interfaces, problem } = await clientOf(bmc).readNetwork();
  return { macs: interfaces.map(({ macAddress }) => macAddress), problem };
};

test.each<[unknown, string]>([
  ['02:00:00:00:00:0A', '02:00:00:00:00:0a'],
  ['00-25-90-9A-1B-2C', '00:25:90:9a:1b:2c'],
  ['0025909a1b2c', '00:25:90:9a:1b:2c'],
  ['0025.909a.1b2c', '00:25:90:9a:1b:2c'],
  ['00:00:00:00:00:00', ''],
  ['ff:ff:ff:ff:ff:ff', ''],
  ['01:00:5e:00:00:01', ''],
  ['N/A', ''],
  [null, ''],
])('a MAC address %j is %j', async (text, mac) => {
  expect(await macsOf(await fakeBmc((it) => withNics(it, [text])))).toEqual({ macs: [mac], problem: undefined });
});

describe('interfaces are a nicety', () => {
  const refusals: [string, Answer, RegExp][] = [
    [
      '403, no privilege',
      { status: 403, body: extendedError('Base.1.8.InsufficientPrivilege', 'no privilege') },
      /check the account/,
    ],
    [
      '403, not licensed',
      { status: 403, body: extendedError('Oem.1.0.NotLicensed', 'A license is needed.') },
      /asks for a license, the account is not/,
    ],
    ['500', { status: 500, body: extendedError('Base.1.8.InternalError', 'broken') }, /broken/],
  ];

  test.each(refusals)('the collection is answered %s: none, and why', async (_what, answer, why) => {
    const bmc = await fakeBmc((it) => {
      withNics(it, ['02:00:00:00:00:01']);
      it.on('GET', NICS, answer);
    });
    const { macs, problem } = await macsOf(bmc);
    expect(macs).toEqual([]);
    expect(problem).toMatch(why);
  });

  test.each(refusals)('one member is answered %s: the others', async (_what, answer, why) => {
    const bmc = await fakeBmc((it) => {
      withNics(it, ['02:00:00:00:00:01', '02:00:00:00:00:02']);
      it.on('GET', `${NICS}/0`, answer);
    });
    const { macs, problem } = await macsOf(bmc);
    expect(macs).toEqual(['02:00:00:00:00:02']);
    expect(problem).toMatch(why);
  });

  test('404 says that there are none', async () => {
    const bmc = await fakeBmc((it) => (it.extra = { EthernetInterfaces: link('/gone') }));
    expect(await macsOf(bmc)).toEqual({ macs: [], problem: undefined });
  });

  test('a member that is listed and answered 404: the others, and why', async () => {
    const bmc = await fakeBmc((it) => {
      withNics(it, ['02:00:00:00:00:01', '02:00:00:00:00:02']);
      it.on('GET', `${NICS}/1`, { status: 404 });
    });
    const { macs, problem } = await macsOf(bmc);
    expect(macs).toEqual(['02:00:00:00:00:01']);
    expect(problem).toContain(`${NICS}/1 is listed by the BMC and is not there`);
  });

  test('a collection in pages is read to its end, and one without an end is left', async () => {
    const page = (n: number, next: string) => ({
      Members: [{ ...link(`${NICS}/x${n}`), ...nic('x', `02:00:00:00:00:0${n}`) }],
      'Members@odata.nextLink': next,
    });
    const bmc = await fakeBmc((it) => {
      it.extra = { EthernetInterfaces: link(NICS) };
      it.resources.set(NICS, page(1, `${NICS}?$skip=1`));
      it.resources.set(`${NICS}?$skip=1`, { Members: [nic('x', '02:00:00:00:00:02')] });
    });
    expect(await macsOf(bmc)).toEqual({ macs: ['02:00:00:00:00:01', '02:00:00:00:00:02'], problem: undefined });
    const endless = await fakeBmc((it) => {
      it.extra = { EthernetInterfaces: link(NICS) };
      it.resources.set(NICS, page(1, NICS));
    });
    const { macs, problem } = await macsOf(endless);
    expect(macs).toHaveLength(64);
    expect(problem).toMatch(/more than 64|only 64/);
  });

  test('a BMC that does not answer is left after the time for all of it', async () => {
    const bmc = await fakeBmc((it) => {
      withNics(it, ['02:00:00:00:00:01', '02:00:00:00:00:02']);
      it.on('GET', `${NICS}/1`, { instead: 'hang' });
    });
    const { interfaces, problem } = await clientOf(bmc).readNetwork({ timeoutMs: 300 });
    expect(interfaces.map(({ macAddress }) => macAddress)).toEqual(['02:00:00:00:00:01']);
    expect(problem).toBeDefined();
  });
});

describe('$expand', () => {
  const offers = (bmc: FakeBmc, expand: object): void => {
    withNics(bmc, ['02:00:00:00:00:01', '02:00:00:00:00:02']);
    const root = { Systems: link('/redfish/v1/Systems'), ProtocolFeaturesSupported: { ExpandQuery: expand } };
    bmc.resources.set('/redfish/v1/', root);
  };
  const both = ['02:00:00:00:00:01', '02:00:00:00:00:02'];

  test.each([
    [{ NoLinks: true, Levels: true }, `${NICS}?$expand=.($levels=1)`],
    [{ ExpandAll: true, NoLinks: false }, `${NICS}?$expand=*`],
  ])('%j: all interfaces in one request', async (expand, path) => {
    const bmc = await fakeBmc((it) => {
      offers(it, expand);
      it.resources.set(path, {
        Members: both.map((mac, index) => ({ ...link(`${NICS}/${index}`), ...nic('x', mac) })),
      });
    });
    expect((await macsOf(bmc)).macs).toEqual(both);
    expect(bmc.seen.filter((one) => one.path.startsWith(NICS))).toHaveLength(1);
  });

  test.each<[string, Answer]>([
    ['refused', { status: 501 }],
    ['ignored', { body: collection(`${NICS}/0`, `${NICS}/1`) }],
  ])('announced and %s: one by one', async (_what, answer) => {
    const bmc = await fakeBmc((it) => {
      offers(it, { NoLinks: true });
      it.on('GET', `${NICS}?$expand=.`, answer);
    });
    expect(await macsOf(bmc)).toEqual({ macs: both, problem: undefined });
  });
});

describe('MAC addresses of network adapters, where there are no EthernetInterfaces', () => {
  const ADAPTER = '/redfish/v1/Chassis/1/NetworkAdapters/A';
  const put = (bmc: FakeBmc, key: string, members: object[]): void => {
    bmc.resources.set(ADAPTER, { Id: 'A', [key]: link(`${ADAPTER}/${key}`) });
    bmc.resources.set(`${ADAPTER}/${key}`, collection(...members.map((_one, index) => `${ADAPTER}/${key}/${index}`)));
    for (const [index, one] of members.entries())
      bmc.resources.set(`${ADAPTER}/${key}/${index}`, { Id: `p${index}`, ...one });
  };

  test.each<[string, object]>([
    ['Ports', { Ethernet: { AssociatedMACAddresses: ['0025909A1B2C'] } }],
    ['NetworkPorts', { AssociatedNetworkAddresses: ['00:25:90:9a:1b:2c'] }],
    ['NetworkDeviceFunctions', { Ethernet: { MACAddress: null, PermanentMACAddress: '00:25:90:9a:1b:2c' } }],
  ])('%s of the adapters of its chassis', async (key, member) => {
    const bmc = await fakeBmc((it) => {
      it.extra = { Links: { Chassis: [link('/redfish/v1/Chassis/1')] } };
      it.resources.set('/redfish/v1/Chassis/1', { NetworkAdapters: link('/redfish/v1/Chassis/1/NetworkAdapters') });
      it.resources.set('/redfish/v1/Chassis/1/NetworkAdapters', collection(ADAPTER));
      put(it, key, [{ Ethernet: {} }, member]);
    });
    if (key === 'NetworkDeviceFunctions') expect((await macsOf(bmc)).macs).toContain('00:25:90:9a:1b:2c');
    else expect(await macsOf(bmc)).toEqual({ macs: ['00:25:90:9a:1b:2c'], problem: undefined });
  });

  test('of the NetworkInterfaces of the system first', async () => {
    const bmc = await fakeBmc((it) => {
      it.extra = { NetworkInterfaces: link(`${SYSTEM}/NetworkInterfaces`) };
      it.resources.set(`${SYSTEM}/NetworkInterfaces`, collection(ADAPTER));
      put(it, 'Ports', [{ Ethernet: { AssociatedMACAddresses: ['02:00:00:00:00:0a'] } }]);
    });
    expect((await macsOf(bmc)).macs).toEqual(['02:00:00:00:00:0a']);
  });
});

test('what a search for the system has found is kept, also where it came to no end', async () => {
  const bmc = await fakeBmc((it) => it.on('GET', SYSTEM, { instead: 'hang' }, 1));
  const client = clientOf(bmc);
  await expect(client.getSystemInfo({ timeoutMs: 200 })).rejects.toMatchObject({ kind: 'Timeout' });
  const before = bmc.seen.length;
  await client.getSystemInfo();
  expect(bmc.seen.slice(before).map(({ path }) => path)).toEqual([SYSTEM]);
});
