import { describe, expect, test } from '@jest/globals';
import { leadsToManager, reachableAddress, usableMac } from '../../../model/networkIdentity.ts';
import type { PhysicalHost } from '../../../crds/physicalHost.ts';
import { duplicateMessage, duplicateOf, sharedBy } from '../../../model/sameServer.ts';
import {
  acceptCommand,
  bmcPlace,
  compareServer,
  isAccepted,
  recordedServer,
  recordOf,
  serializeServer,
  usableSerial,
  usableUuid,
  type ServerShown,
} from '../../../model/serverIdentity.ts';
import { claimedHost, host } from '../controllers/builders.ts';

const UUID = '4c4c4544-0051-3610-8052-b4c04f4e3232';
const SWAPPED = '44454c4c-5100-1036-8052-b4c04f4e3232';
const at = (address: string, systemID?: string) =>
  bmcPlace({ redfishConnection: { address, credentialsSecretRef: 's', ...(systemID ? { systemID } : {}) } });

describe('the address of a BMC in one form', () => {
  test.each([
    ['https://10.0.0.5/', '10.0.0.5'],
    ['https://10.0.0.5:443', '10.0.0.5'],
    ['http://10.0.0.5', '10.0.0.5'],
    ['http://10.0.0.5:80/redfish/v1', '10.0.0.5'],
    ['HTTPS://BMC7.Example.COM.', 'bmc7.example.com'],
    ['https://10.0.0.5:8443', '10.0.0.5:8443'],
    ['https://[FD00:0:0::5]/', '[fd00::5]'],
    ['https://[::ffff:10.0.0.5]', '10.0.0.5'],
    ['https://0xa.0.0.5', '10.0.0.5'],
    ['https://proxy.example/bmc7/redfish/v1/', 'proxy.example/bmc7'],
  ])('%s', (address, expected) => {
    expect(at(address)).toEqual({ address: expected });
  });

  test('a system may stand in the address or beside it', () => {
    expect(at('https://10.0.0.5/redfish/v1/Systems/2')).toEqual(at('https://10.0.0.5', '2'));
  });
});

describe('texts that tell a server', () => {
  test.each([UUID.toUpperCase(), `{${UUID}}`, UUID.replaceAll('-', ''), `urn:uuid:${UUID}`, SWAPPED])(
    'UUID %s is the same',
    (text) => {
      expect(usableUuid(text)).toBe(usableUuid(UUID));
      expect(usableUuid(text)).toBeDefined();
    },
  );

  test.each([
    undefined,
    '',
    '00000000-0000-0000-0000-000000000000',
    'FFFFFFFF-FFFF-FFFF-FFFF-FFFFFFFFFFFF',
    '03000200-0400-0500-0006-000700080009',
    '00020003-0004-0005-0006-000700080009',
    'Not Settable',
    '1234',
  ])('UUID %s tells nothing', (text) => expect(usableUuid(text)).toBeUndefined());

  test.each([
    undefined,
    '',
    ' ',
    'To be filled by O.E.M.',
    'To Be Filled By O.E.M',
    'Default string',
    'System Serial Number',
    'Chassis Serial Number',
    'Not Specified',
    'Not Available',
    '0123456789',
    '123456789',
    '1234567890',
    'None',
    'N/A',
    'NULL',
    'Unknown',
    '00000000',
    'XXXXXXXX',
    '..................',
    '0',
  ])('serial number %s tells nothing', (text) => expect(usableSerial(text)).toBeUndefined());

  test.each(['1Q6R4N2', 'S15317X2A03421', 'CZJ8510G1D', '210235A2DXH', 'SN01000001', '7K3-0042'])(
    'serial number %s tells a server',
    (text) => expect(usableSerial(` ${text.toLowerCase()} `)).toBe(text),
  );
});

describe('comparing what answers with what was recorded', () => {
  const recorded = { uuid: UUID, serialNumber: 'CZJ8510G1D' };
  test.each<[string, ServerShown, ServerShown, string]>([
    ['both the same', recorded, { uuid: SWAPPED, serialNumber: 'czj8510g1d' }, 'same'],
    ['only one is shown', recorded, { uuid: UUID, serialNumber: 'Default string' }, 'same'],
    ['another UUID', recorded, { ...recorded, uuid: '4c4c4544-0051-3610-8052-b4c04f4e3233' }, 'different'],
    ['another serial number', recorded, { ...recorded, serialNumber: 'CZJ8510G1E' }, 'different'],
    [
      'the serial number is the service tag',
      { serialNumber: '1Q6R4N2' },
      { serialNumber: 'CN74', sku: '1q6r4n2' },
      'same',
    ],
    ['nothing of it is shown', recorded, { serialNumber: 'Not Specified' }, 'unconfirmed'],
    ['nothing was recorded', { uuid: '0' }, recorded, 'same'],
  ])('%s', (_what, was, now, expected) => expect(compareServer(was, now)).toBe(expected));
});

/** An enrolled host at an address of its own. */
function enrolled(
  name: string,
  {
    address = `https://${name}.example`,
    namespace = 'ns',
    created = '2026-01-01T00:00:00Z',
    macs = [] as string[],
    ...of
  }: {
    address?: string;
    namespace?: string;
    created?: string;
    macs?: string[];
    uuid?: string;
    serialNumber?: string;
  },
): PhysicalHost {
  const redfishConnection = { address, credentialsSecretRef: 'bmc' };
  const annotations = { 'beskar7.io/server': serializeServer({ ...bmcPlace({ redfishConnection }), ...of }) };
  return host({
    metadata: { name, namespace, uid: `${namespace}-${name}`, creationTimestamp: created, annotations },
    spec: { redfishConnection },
    status: { state: 'Available', macAddresses: macs },
  });
}

describe('two hosts for one server', () => {
  const mac = '00:25:90:f0:79:00';
  const other = '00:25:90:f0:79:01';
  test.each<[string, Parameters<typeof enrolled>[1], Parameters<typeof enrolled>[1], string | undefined]>([
    [
      'another spelling of the address',
      { address: 'https://10.0.0.5/' },
      { address: 'https://10.0.0.5:443' },
      'BMC address',
    ],
    ['a name and an address', { uuid: UUID }, { uuid: SWAPPED, address: 'https://10.0.0.5' }, 'UUID'],
    ['another namespace', { uuid: UUID }, { uuid: UUID, namespace: 'theirs' }, 'UUID'],
    ['one UUID of a series', { uuid: UUID, serialNumber: 'A-001' }, { uuid: UUID, serialNumber: 'A-002' }, undefined],
    ['one UUID of a series, no serial numbers', { uuid: UUID, macs: [mac] }, { uuid: UUID, macs: [other] }, undefined],
    ['a placeholder', { uuid: '0' }, { uuid: '0' }, undefined],
    ['the serial number alone', { serialNumber: 'A-001' }, { serialNumber: 'a-001' }, 'serial number'],
    ['that of a chassis', { serialNumber: 'A-001', macs: [mac] }, { serialNumber: 'A-001', macs: [other] }, undefined],
    ['a MAC address alone', { macs: [mac, other] }, { macs: [mac] }, 'MAC addresses'],
    [
      'a MAC address, other serial numbers',
      { macs: [mac], serialNumber: 'A-001' },
      { macs: [mac], serialNumber: 'A-002' },
      undefined,
    ],
    ['a BMC elsewhere that claims many', { macs: [mac] }, { macs: [mac, other], namespace: 'theirs' }, undefined],
    ['a BMC elsewhere that tells the same ones', { macs: [mac] }, { macs: [mac], namespace: 'theirs' }, undefined],
  ])('%s', (_what, one, two, expected) => {
    expect(sharedBy(enrolled('a', one), enrolled('b', two))).toBe(expected);
    expect(sharedBy(enrolled('b', two), enrolled('a', one))).toBe(expected);
  });

  test('a MAC address of a whole series tells nothing', () => {
    expect(sharedBy(enrolled('a', { macs: [mac] }), enrolled('b', { macs: [mac] }), () => 3)).toBeUndefined();
  });

  const [early, late] = ['2026-01-01T00:00:00Z', '2026-02-01T00:00:00Z'];
  const address = 'https://10.0.0.5';
  const isFirst = (a: PhysicalHost, b: PhysicalHost) => duplicateOf(a, [b])?.isFirst;

  test('of two free ones the older comes first', () => {
    const [a, b] = [enrolled('a', { address, created: late }), enrolled('b', { address, created: early })];
    expect([isFirst(a, b), isFirst(b, a)]).toEqual([false, true]);
  });

  test('one that never was enrolled at that address shuts nobody out, however old it is', () => {
    const real = enrolled('a', { address, created: late });
    const squat = host({
      metadata: { name: 'b', creationTimestamp: early },
      spec: { redfishConnection: { address, credentialsSecretRef: 's' } },
    });
    const edited = enrolled('c', { address: 'https://10.0.0.9', created: early });
    edited.spec.redfishConnection.address = `${address}/`;
    for (const each of [squat, edited]) expect([isFirst(real, each), isFirst(each, real)]).toEqual([true, false]);
  });

  test('one with a consumer comes first, and a consumer that was only written into a manifest does not count', () => {
    const live = claimedHost('HandedOver', { state: 'Ready' }, { name: 'a', creationTimestamp: late });
    const free = enrolled('b', { address: 'https://10.0.0.5', created: early });
    const copied = claimedHost('HandedOver', {}, { name: 'c', creationTimestamp: early, namespace: 'theirs' });
    for (const each of [free, copied]) expect([isFirst(live, each), isFirst(each, live)]).toEqual([true, false]);
    expect(duplicateOf(live, [free, copied])?.areBothClaimed).toBe(false);
    const second = claimedHost('Armed', { state: 'Inspecting' }, { name: 'd' });
    expect(duplicateOf(live, [free, second])).toMatchObject({
      areBothClaimed: true,
      other: { metadata: { name: 'd' } },
    });
  });

  describe('a BMC of another namespace that tells the UUID, serial number and MAC addresses of a known server', () => {
    const held = { state: 'Ready' } as const;
    const known = (namespace: string, name: string, since: string, claimed: boolean): PhysicalHost => {
      const made = enrolled(name, { namespace, created: early, address: `https://${name}.${namespace}` });
      const record = {
        ...bmcPlace(made.spec),
        uuid: UUID,
        uuidSince: since,
        serialNumber: 'A-001',
        serialNumberSince: since,
      };
      const annotations = { 'beskar7.io/server': serializeServer(record) };
      const of = claimed ? claimedHost('HandedOver', held, {}) : made;
      const metadata = {
        ...of.metadata,
        ...made.metadata,
        annotations: { ...of.metadata.annotations, ...annotations },
      };
      return { ...of, metadata, spec: { ...of.spec, ...made.spec }, status: { ...of.status, macAddresses: [mac] } };
    };
    test.each([
      ['free', false, false],
      ['claimed by a machine of its tenant', false, true],
      ['as the server itself is', true, true],
    ])('shuts it out neither when it is %s', (_what, victimIsClaimed, attackerIsClaimed) => {
      const victim = known('theirs', 'victim', early, victimIsClaimed);
      const attacker = known('tenant', 'attacker', late, attackerIsClaimed);
      // Its object is older: what counts is since when its BMC tells it.
      attacker.metadata.creationTimestamp = '2020-01-01T00:00:00Z';
      expect(duplicateOf(victim, [attacker])).toMatchObject({ isFirst: true, areBothClaimed: false });
      expect(duplicateOf(attacker, [victim])).toMatchObject({ isFirst: false });
    });
    test('nor hides another host of its own namespace that comes first', () => {
      const victim = known('theirs', 'victim', early, false);
      const neighbour = known('theirs', 'neighbour', early, true);
      const attackers = [0, 1, 2].map((at) => known('tenant', `attacker-${at}`, late, true));
      expect(duplicateOf(victim, [...attackers, neighbour])).toMatchObject({
        isFirst: false,
        other: { metadata: { name: 'neighbour' } },
      });
    });
    test('since when is kept as long as it tells the same, and begins again when it tells another', () => {
      const spec = { redfishConnection: { address: 'https://10.0.0.5', credentialsSecretRef: 'bmc' } };
      const first = recordOf(spec, { uuid: UUID }, undefined, early);
      expect(first).toMatchObject({ uuidSince: early });
      const more = recordOf(spec, { uuid: SWAPPED, serialNumber: 'A-001' }, first, late);
      expect(more).toMatchObject({ uuidSince: early, serialNumberSince: late });
      expect(recordOf(spec, { uuid: UUID, serialNumber: 'A-002' }, more, '2026-03-01T00:00:00Z')).toMatchObject({
        uuidSince: early,
        serialNumberSince: '2026-03-01T00:00:00Z',
      });
    });
  });

  test('names of other namespaces are not told', () => {
    const [mine, theirs] = [enrolled('mine', { address }), enrolled('secret', { address, namespace: 'theirs' })];
    const duplicate = duplicateOf(mine, [theirs]);
    const message = duplicate && duplicateMessage(mine, duplicate);
    expect(message).toContain('in another namespace');
    expect(message).not.toMatch(/secret|theirs/);
  });
});

describe('accepting another server', () => {
  const said = (value: string) => host({ metadata: { annotations: { 'beskar7.io/accept-server': value } } });
  test('by its serial number or UUID, in any form', () => {
    const shown = { uuid: UUID, serialNumber: 'CZJ8510G1D' };
    for (const value of ['czj8510g1d ', SWAPPED, UUID.toUpperCase()]) expect(isAccepted(said(value), shown)).toBe(true);
    for (const value of ['', 'yes', 'unidentified', 'CZJ8510G1E']) expect(isAccepted(said(value), shown)).toBe(false);
    expect(isAccepted(said('unidentified'), { serialNumber: 'None' })).toBe(true);
  });

  test('the command names it, but never a text that a shell would run', () => {
    const { metadata } = host();
    expect(acceptCommand(metadata, { serialNumber: 'A-001' })).toContain('beskar7.io/accept-server="A-001"');
    expect(acceptCommand(metadata, { serialNumber: 'A"; reboot; "' })).toContain('"<its UUID>"');
    expect(acceptCommand(metadata, {})).toContain('"unidentified"');
  });
});

test('what was recorded is found in the status when the annotation is lost', () => {
  const lost = host({ status: { hardware: { serialNumber: 'A-001', uuid: UUID } } });
  expect(recordedServer(lost)).toEqual({ address: '10.0.0.5', serialNumber: 'A-001', uuid: UUID });
  expect(recordedServer(host())).toBeUndefined();
});

describe('MAC addresses and IP addresses', () => {
  test.each(['0025909a1b2c', '00-25-90-9A-1B-2C', '0025.909a.1b2c', ' 00:25:90:9a:1b:2c '])('%s is one', (text) => {
    expect(usableMac(text)).toBe('00:25:90:9a:1b:2c');
  });
  test.each(['00:00:00:00:00:00', 'ff:ff:ff:ff:ff:ff', '01:00:5e:00:00:01', '', 'N/A', '00:25:90-9a:1b:2c'])(
    '%s is none',
    (text) => expect(usableMac(text)).toBeUndefined(),
  );
  test.each(['10.7.0.1', '192.0.2.5/24', 'fd00::5', '2001:db8::1/64'])('%s leads to a server', (text) => {
    expect(reachableAddress(text)).toBe(text.split('/')[0]);
  });
  test.each([
    '169.254.3.1',
    '127.0.0.1/8',
    '0.0.0.0',
    '255.255.255.255',
    '224.0.0.1',
    'fe80::1',
    'febf::1/64',
    '::1',
    '::',
    'ff02::1',
    '::ffff:169.254.3.1',
    'fe80::1%eth0',
    'nonsense',
  ])('%s does not', (text) => expect(reachableAddress(text)).toBeUndefined());

  test('interfaces to the BMC, by name and by habit', () => {
    expect(leadsToManager('ToManager', [])).toBe(true);
    expect(leadsToManager('usb0', [])).toBe(true);
    expect(leadsToManager('eth7', ['169.254.3.1'])).toBe(true);
    expect(leadsToManager('eth0', ['fe80::1', '10.0.0.7'])).toBe(false);
    expect(leadsToManager('NIC.Integrated.1-1-1', [])).toBe(false);
  });
});
