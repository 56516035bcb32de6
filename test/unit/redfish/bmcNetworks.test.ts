import { afterEach, describe, expect, test } from '@jest/globals';
import { BmcNetworks, type BmcNetworksOptions, RedfishClient, RedfishPool } from '../../../redfish/index.ts';
import { failureOf, fakeBmc, PASSWORD, stopAll, USER } from './fakeBmc.ts';

/**
 * Whoever may create PhysicalHosts chooses the address that the bmc-worker connects to, from inside the cluster, with
 * credentials of that namespace.
 */

const resolved = new Map<string, string[]>();
const resolve: NonNullable<BmcNetworksOptions['resolve']> = (name, _options, done) => {
  const found = (resolved.get(name) ?? []).map((address) => ({ address, family: address.includes(':') ? 6 : 4 }));
  setImmediate(() => done(null, found));
};

afterEach(async () => {
  resolved.clear();
  await stopAll();
});

const inCluster = new BmcNetworks({ refused: ['10.96.0.1', '10.244.1.7'], allowsLoopback: false, resolve });
const rack = new BmcNetworks({ allowed: ['10.20.0.0/16', 'fd12::/64'] });
const client = (address: string, networks: BmcNetworks) =>
  new RedfishClient({ address, username: USER, password: PASSWORD, networks });

describe('an address that no BMC has', () => {
  test.each([
    'http://127.0.0.1:1',
    'https://[::1]:1',
    'https://[::ffff:127.0.0.1]:1',
    'https://0x7f.1:1',
    'https://2130706433:1',
    'http://169.254.169.254',
    'https://[fe80::1]',
    'http://[fd00:ec2::254]',
    'https://0.0.0.0:1',
    'https://224.0.0.1',
    'https://255.255.255.255',
    'https://10.96.0.1',
    'https://10.244.1.7:8081',
    'http://100.100.100.200',
    'http://192.0.0.192',
    // By a gateway: NAT64, 6to4, IPv4-compatible.
    'http://[64:ff9b::169.254.169.254]',
    'http://[64:ff9b::a60:1]',
    'http://[2002:a9fe:a9fe::1]',
    'http://[::10.96.0.1]',
    'http://[64:ff9b::7f00:1]:1',
  ])('%s is refused in a cluster, and nothing is connected', async (address) => {
    expect(await failureOf(client(address, inCluster).getPowerState())).toMatchObject({
      kind: 'AddressRefused',
      retryable: false,
      message: expect.stringMatching(/was not sent: .* is no address of a BMC.*--bmc-networks/) as unknown,
    });
  });

  test.each(['169.254.169.254', '0.0.0.0', 'ff02::1'])('%s is refused outside of a cluster too', (address) => {
    expect(new BmcNetworks().refusal(address)).toMatch(/is no address of a BMC/);
  });

  test.each(['10.97.0.1', '64:ff9b::a61:1', '2002:a61:1::', 'fd12::1', '100.100.100.201', '::ffff:10.97.0.1'])(
    '%s beside them is not',
    (address) => expect(inCluster.refusal(address)).toBeUndefined(),
  );

  test('a simulated BMC on loopback is one outside of a cluster', async () => {
    const bmc = await fakeBmc();
    await expect(client(bmc.address, new BmcNetworks()).getPowerState()).resolves.toBe('Off');
  });
});

describe('--bmc-networks', () => {
  test.each(['https://10.21.0.1', 'https://[fd13::1]', 'http://127.0.0.1:1', 'https://[::ffff:10.21.0.1]'])(
    '%s is in none of them',
    async (address) => {
      expect(await failureOf(client(address, rack).getPowerState())).toMatchObject({
        kind: 'AddressRefused',
        message: expect.stringContaining('is not in --bmc-networks (10.20.0.0/16, fd12::/64)') as unknown,
      });
    },
  );

  test('what is listed is allowed, loopback too', async () => {
    const bmc = await fakeBmc();
    const networks = new BmcNetworks({ allowed: ['127.0.0.1'], allowsLoopback: false });
    await expect(client(bmc.address, networks).getPowerState()).resolves.toBe('Off');
    expect(rack.refusal('10.20.255.255')).toBeUndefined();
    expect(rack.refusal('::ffff:10.20.0.1')).toBeUndefined();
    expect(rack.refusal('fd12::7')).toBeUndefined();
  });

  test.each(['10.0.0.0/33', 'rack', '10.0.0.0/8/8', '10.0.0/8', '1.2.3.4/-1'])('%s is neither', (entry) => {
    expect(() => new BmcNetworks({ allowed: [entry] })).toThrow(`"${entry}" is no IP address and no CIDR block`);
  });
});

describe('a name', () => {
  const at = (url: string) => url.replace('127.0.0.1', 'bmc.example');

  test('that resolves to a service of the cluster is refused, whatever else it resolves to', async () => {
    resolved.set('bmc.example', ['10.96.0.1', '127.0.0.1']);
    expect(await failureOf(client('http://bmc.example:1', inCluster).getPowerState())).toMatchObject({
      kind: 'AddressRefused',
      message: expect.stringContaining('bmc.example resolves to 10.96.0.1') as unknown,
    });
  });

  test('is looked at again for each connection: one that moves after the first (DNS rebinding) gets nothing more', async () => {
    const bmc = await fakeBmc();
    const networks = new BmcNetworks({ allowed: ['127.0.0.1'], resolve });
    resolved.set('bmc.example', ['127.0.0.1']);
    const user = client(at(bmc.address), networks);
    await expect(user.getPowerState()).resolves.toBe('Off');
    for (const socket of bmc.sockets) socket.destroy();
    const seen = bmc.seen.length;
    resolved.set('bmc.example', ['127.0.0.2']);
    expect(await failureOf(user.getPowerState())).toMatchObject({ kind: 'AddressRefused' });
    expect(bmc.seen).toHaveLength(seen);
  });

  test('of which one address is allowed is asked there', async () => {
    const bmc = await fakeBmc();
    resolved.set('bmc.example', ['169.254.169.254', '127.0.0.1']);
    await expect(client(at(bmc.address), new BmcNetworks({ resolve })).getPowerState()).resolves.toBe('Off');
  });
});

describe('--require-bmc-https', () => {
  test('an address that begins with http:// is refused before anything is sent, by every client of the pool', async () => {
    const bmc = await fakeBmc();
    const pool = new RedfishPool({ requiresHttps: true });
    const options = { address: bmc.address, username: USER, password: PASSWORD };
    expect(() => pool.get(options)).toThrow(/begins with http:\/\/, which --require-bmc-https forbids/);
    expect(bmc.seen).toEqual([]);
    expect(new RedfishPool().get(options)).toBeInstanceOf(RedfishClient);
  });

  test('the networks hold for every client of the pool', async () => {
    const bmc = await fakeBmc();
    const pool = new RedfishPool({ networks: rack });
    const user = pool.get({ address: bmc.address, username: USER, password: PASSWORD });
    expect(await failureOf(user.getPowerState())).toMatchObject({ kind: 'AddressRefused' });
    expect(bmc.seen).toEqual([]);
    await pool.closeAll();
  });
});
