import { afterEach, describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import { RedfishError } from '../../../redfish/index.ts';
import { allow, clientOf, failureOf, fakeBmc, stopAll } from './fakeBmc.ts';

afterEach(stopAll);

const SYSTEM = '/redfish/v1/Systems/1';

describe('which system', () => {
  const several = ['/redfish/v1/Systems/HGX_Baseboard_0', SYSTEM];

  test('several and no systemID: an error that lists them, and nothing is sent to any', async () => {
    const bmc = await fakeBmc((it) => (it.members = several));
    const failure = await failureOf(clientOf(bmc).setPowerState('On', allow));
    expect(failure).toMatchObject({ kind: 'SystemAmbiguous', retryable: false });
    expect(String(failure)).toContain('(HGX_Baseboard_0, 1): set redfishConnection.systemID');
    expect(bmc.seen.some((one) => one.path.startsWith('/redfish/v1/Systems/'))).toBe(false);
  });

  test.each(['1', SYSTEM, `${SYSTEM}/`])('systemID %s', async (systemID) => {
    const bmc = await fakeBmc((it) => (it.members = several));
    await expect(clientOf(bmc, { systemID }).getSystemInfo()).resolves.toMatchObject({ systemID: '1' });
  });

  test('a systemID that is not there: never the only one instead', async () => {
    const bmc = await fakeBmc();
    const failure = await failureOf(clientOf(bmc, { systemID: '2' }).getPowerState());
    expect(failure).toMatchObject({ kind: 'SystemNotFound' });
    expect(String(failure)).toContain('has no system "2" but 1');
  });

  test.each([undefined, 'there-is-none'])(
    'thousands of systems with endless names: the message stays short (systemID %s)',
    async (systemID) => {
      const odd = `/redfish/v1/Systems/${'x'.repeat(3000)}%E2%80%AE%1B[2J`;
      const bmc = await fakeBmc((it) => (it.members = Array.from({ length: 500 }, (_, at) => `${odd}${at}`)));
      const failure = await failureOf(clientOf(bmc, systemID === undefined ? {} : { systemID }).getPowerState());
      expect(String(failure).length).toBeLessThan(1000);
      expect(String(failure)).toMatch(/and 492 more/);
      expect(String(failure)).not.toMatch(/[\p{C}]/u);
    },
  );

  test('none, and no Systems at all', async () => {
    const none = await fakeBmc((it) => (it.members = []));
    expect(await failureOf(clientOf(none).getPowerState())).toMatchObject({ kind: 'SystemNotFound', retryable: true });
    const service = await fakeBmc((it) => it.on('GET', '/redfish/v1/', { body: {} }));
    expect(await failureOf(clientOf(service).getPowerState())).toMatchObject({
      kind: 'SystemNotFound',
      retryable: false,
    });
  });

  test('members on several pages, with odd entries and slashes', async () => {
    const bmc = await fakeBmc((it) => {
      it.on('GET', '/redfish/v1/Systems', {
        body: { Members: [null, 7, {}], 'Members@odata.nextLink': '/redfish/v1/Systems?$skip=1' },
      });
      it.resources.set('/redfish/v1/Systems?$skip=1', { Members: [{ '@odata.id': `${SYSTEM}/` }] });
      it.on('GET', `${SYSTEM}/`, () => ({ body: it.system() }));
    });
    await expect(clientOf(bmc).getSystemInfo()).resolves.toMatchObject({ systemID: '1', serialNumber: 'SN-1' });
  });

  test('found once, and again when the BMC numbers its systems anew', async () => {
    const bmc = await fakeBmc();
    const client = clientOf(bmc);
    await client.getPowerState();
    await client.getPowerState();
    expect(bmc.sent('GET', '/redfish/v1/Systems')).toHaveLength(1);
    bmc.members = ['/redfish/v1/Systems/2'];
    bmc.on('GET', SYSTEM, { status: 404 });
    bmc.resources.set('/redfish/v1/Systems/2', { PowerState: 'On' });
    await expect(client.getPowerState()).resolves.toBe('On');
  });
});

describe('what is read', () => {
  test('the system', async () => {
    const bmc = await fakeBmc((it) => {
      it.power = 'On';
      it.extra = {
        UUID: 'u-1',
        BiosVersion: '2.1\u0000\n',
        Status: { Health: 'OK' },
        MemorySummary: { TotalSystemMemoryGiB: 64 },
        ProcessorSummary: { Count: 'two' },
        HostName: null,
      };
    });
    expect(await clientOf(bmc).getSystemInfo()).toEqual({
      systemID: '1',
      manufacturer: 'Acme',
      model: 'Anvil 9000',
      serialNumber: 'SN-1',
      powerState: 'On',
      uuid: 'u-1',
      biosVersion: '2.1',
      health: 'OK',
      memoryGiB: 64,
    });
  });

  test.each([
    ['On', 'On'],
    ['PoweringOff', 'PoweringOff'],
    ['off', 'Off'],
    [null, 'Unknown'],
    [3, 'Unknown'],
    ['Melting', 'Unknown'],
  ])('PowerState %j is %s', async (power, state) => {
    const bmc = await fakeBmc((it) => (it.power = power));
    await expect(clientOf(bmc).getPowerState()).resolves.toBe(state);
  });

  test('network addresses: members, expanded members, odd ones', async () => {
    const NICS = `${SYSTEM}/EthernetInterfaces`;
    const bmc = await fakeBmc((it) => {
      it.extra = { EthernetInterfaces: { '@odata.id': NICS } };
      it.resources.set(NICS, {
        Members: [
          { '@odata.id': `${NICS}/1` },
          { '@odata.id': `${NICS}/gone` },
          null,
          { Id: 'x', MACAddress: '02-00-00-00-00-0B' },
        ],
      });
      it.resources.set(`${NICS}/1`, {
        Id: 'eth0',
        MACAddress: '02:00:00:00:00:0A',
        IPv4Addresses: [{ Address: '10.0.0.5' }, { Address: '0.0.0.0' }, null, { Address: 7 }],
        IPv6Addresses: [{ Address: 'fe80::1/64' }, { Address: 'nonsense' }],
      });
    });
    expect(await clientOf(bmc).getNetworkAddresses()).toEqual([
      { interface: 'eth0', macAddress: '02:00:00:00:00:0a', addresses: ['10.0.0.5', 'fe80::1'] },
      { interface: 'x', macAddress: '02:00:00:00:00:0b', addresses: [] },
    ]);
    const without = await fakeBmc();
    await expect(clientOf(without).getNetworkAddresses()).resolves.toEqual([]);
  });
});

/** JSON that looks like Redfish here and there: the keys that are read, with values of any type. */
const oddJson = fc.letrec((tie) => ({
  value: fc.oneof(
    { maxDepth: 4 },
    fc.constantFrom(null, true, 0, -1e308, '', 'On', 'Pxe', 'Once', SYSTEM, '//x', 'http://[', '\u0000', 'W/"1"', '__proto__'),
    fc.array(tie('value'), { maxLength: 3 }),
    tie('object'),
  ),
  object: fc.dictionary(
    fc.constantFrom(
      '@odata.id', '@odata.etag', 'Members', 'Members@odata.nextLink', 'Systems', 'PowerState', 'Boot', 'Actions', 'target', 'Status',
      '#ComputerSystem.Reset', 'ResetType@Redfish.AllowableValues', '@Redfish.ActionInfo', 'Parameters', '@Redfish.Settings',
      'SettingsObject', 'BootSourceOverrideTarget', 'BootSourceOverrideEnabled', 'BootSourceOverrideMode', 'EthernetInterfaces',
      'BootSourceOverrideTarget@Redfish.AllowableValues', 'error', '@Message.ExtendedInfo', 'TaskState', 'MACAddress', '__proto__',
      'IPv4Addresses', 'Address', 'Links', 'Sessions', 'constructor',
    ),
    tie('value'),
    { maxKeys: 8 },
  ),
})); // prettier-ignore

test('whatever a BMC answers, a call resolves or rejects with a RedfishError', async () => {
  const bmc = await fakeBmc();
  await fc.assert(
    fc.asyncProperty(
      fc.array(fc.tuple(fc.constantFrom(200, 200, 200, 202, 204, 400, 401, 404, 412, 428, 500), oddJson.value), {
        minLength: 8,
        maxLength: 12,
      }),
      async (answers) => {
        let next = 0;
        bmc.habits.splice(0, bmc.habits.length, (seen) => {
          // Mostly a BMC, so that the odd answers are reached in all places.
          if (next++ % 2 === 0) return undefined;
          const [status, body] = answers[next % answers.length] ?? [200, {}];
          const merged = status === 200 && seen.path === SYSTEM ? { ...bmc.system(), ...(body as object) } : body;
          return { status, body: JSON.stringify(merged), headers: { 'retry-after': '0' } };
        });
        const client = clientOf(bmc, { callTimeoutMs: 80 });
        const calls = [
          () => client.getSystemInfo(),
          () => client.getNetworkAddresses(),
          () => client.setBootSourcePXE(allow),
          () => client.setPowerState('On', allow),
          () => client.clearBootOverride(allow),
        ];
        for (const call of calls) {
          const failure = await call().catch((error: unknown) => error);
          if (failure instanceof Error && !(failure instanceof RedfishError)) throw failure;
        }
        await client.close();
      },
    ),
    { numRuns: 60 },
  );
}, 20_000);
