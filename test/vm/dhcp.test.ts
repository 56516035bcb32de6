import { once } from 'node:events';
import { createServer, type Server } from 'node:http';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { afterAll, afterEach, beforeAll, expect, jest, test } from '@jest/globals';
import { startFleet, type Fleet } from '../../simulator/index.ts';
import { VM_DEFAULTS } from '../../simulator/vm/options.ts';
import { describeWithNetwork, TestNetwork } from '../support/vm/network.ts';

jest.setTimeout(240_000);

const NETBOOT = path.join(__dirname, '..', '..', 'deploy', 'netboot');
const TFTP_ROOT = '/usr/lib/ipxe';
/** Without KVM, and while the machine does other things as well. */
const BOOT_MS = 120_000;

/**
 * The configurations of deploy/netboot and docs/boot.md, each with a real server, and firmware that knows nothing but
 * PXE.
 */
describeWithNetwork('DHCP on a real network', () => {
  const folder = mkdtempSync(path.join(os.tmpdir(), 'beskar7-dhcp-'));
  let network: TestNetwork;
  let http: Server;
  let port = 0;
  let fleet: Fleet | undefined;

  beforeAll(async () => {
    network = await TestNetwork.create();
    http = createServer();
    http.listen(0, network.address);
    await once(http, 'listening');
    ({ port } = http.address() as { port: number });
  });

  afterEach(async () => {
    await fleet?.stop();
    fleet = undefined;
    await network.stopServers();
  });

  afterAll(async () => {
    http.close();
    http.closeAllConnections();
    await network.remove();
    rmSync(folder, { recursive: true });
  });

  /** Boots a machine from the network; resolves with the first request that it makes of Beskar7's boot listener. */
  async function firstRequest(firmware: 'bios' | 'uefi'): Promise<{ url: string; agent: string; mac: string }> {
    fleet = await startFleet({
      hosts: 1,
      basePort: 0,
      profile: 'generic',
      powerDelayMs: 0,
      vm: { ...VM_DEFAULTS, firmware, folder, network },
    });
    const { server, mac } = fleet.host('sim-0001');
    Object.assign(server.override, { target: 'Pxe', enabled: 'Once' });
    const asked = once(http, 'request', { signal: AbortSignal.timeout(BOOT_MS) });
    server.reset('On');
    const [{ url, headers }, response] = (await asked) as [
      { url: string; headers: Record<string, string> },
      { end(text: string): void },
    ];
    response.end('#!ipxe\nexit\n');
    return { url: decodeURIComponent(url), agent: headers['user-agent'] ?? '', mac };
  }

  const settings = (mode: 'full' | 'proxy') => ({
    BOOT_URL: `http://${network.address}:${port}`,
    INTERFACE: 'br0',
    MODE: mode,
    NETWORK: mode === 'full' ? '10.77.0.100,10.77.0.200,1h' : '10.77.0.0',
  });
  const dnsmasq = (mode: 'full' | 'proxy') =>
    network.serve(/started, version/, path.join(NETBOOT, 'dnsmasq.sh'), [], settings(mode));
  const plain = (name: string, more: string[]) =>
    network.serve(/started, version/, 'dnsmasq', [
      ...['--no-daemon', '--conf-file=/dev/null', '--port=0', '--interface=br0', '--bind-interfaces', '--log-dhcp'],
      ...[`--dhcp-leasefile=${path.join(folder, name)}`, `--pid-file=${path.join(folder, `${name}.pid`)}`, ...more],
    ]);
  /** A file of deploy/netboot with the addresses of this network. */
  const adapted = (name: string) => {
    const file = path.join(folder, name);
    const text = readFileSync(path.join(NETBOOT, name), 'utf8')
      .replaceAll('192.0.2.10:8083', `${network.address}:${port}`)
      .replaceAll('192.0.2.', '10.77.0.')
      .replace('eth1', 'br0')
      .replace('/var/lib/kea/', `${folder}/`)
      .replaceAll('10.77.0.11', '10.77.0.2');
    writeFileSync(file, text);
    return file;
  };
  const isScript = ({ url, agent, mac }: { url: string; agent: string; mac: string }) => {
    expect(agent).toMatch(/^iPXE\//);
    expect(url).toBe(`/api/v1/boot?mac=${mac}`);
  };

  test('dnsmasq.sh as the only DHCP server: UEFI gets iPXE by TFTP, and iPXE the script', async () => {
    const lines = await dnsmasq('full');
    isScript(await firstRequest('uefi'));
    expect(lines).toContainEqual(expect.stringMatching(/tftp: sent .*snponly\.efi/));
  });

  test('dnsmasq.sh as the only DHCP server: BIOS whose network card has iPXE', async () => {
    await dnsmasq('full');
    isScript(await firstRequest('bios'));
  });

  test('dnsmasq.sh beside a router that hands out addresses and nothing else', async () => {
    await plain('router', ['--dhcp-range=10.77.0.100,10.77.0.200,1h']);
    const lines = await dnsmasq('proxy');
    isScript(await firstRequest('uefi'));
    expect(lines).toContainEqual(expect.stringMatching(/tftp: sent .*snponly\.efi/));
  });

  test('ISC DHCP', async () => {
    await plain('tftp', ['--enable-tftp', `--tftp-root=${TFTP_ROOT}`]);
    const leases = path.join(folder, 'leases');
    writeFileSync(leases, '');
    const files = ['-lf', leases, '-pf', path.join(folder, 'dhcpd.pid'), '-cf', adapted('dhcpd.conf')];
    await network.serve(/Server starting service/, 'dhcpd', ['-4', '-f', '-d', '--no-pid', ...files, 'br0']);
    isScript(await firstRequest('uefi'));
  });

  test('Kea', async () => {
    await plain('tftp', ['--enable-tftp', `--tftp-root=${TFTP_ROOT}`]);
    await network.serve(/DHCP4_STARTED/, 'kea-dhcp4', ['-c', adapted('kea-dhcp4.json')], {
      KEA_PIDFILE_DIR: folder,
      KEA_LOCKFILE_DIR: folder,
    });
    isScript(await firstRequest('uefi'));
  });
});
