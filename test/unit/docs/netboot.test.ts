import { execFileSync, spawnSync } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { expect, test } from '@jest/globals';

const ROOT = path.join(__dirname, '..', '..', '..');
const read = (name: string) => readFileSync(path.join(ROOT, name), 'utf8');
const BOOT_SETTINGS = { BOOT_URL: 'http://10.0.0.5:8083', INTERFACE: 'eth1', NETWORK: '10.0.0.0' };
const dnsmasq = (mode: string) =>
  execFileSync(path.join(ROOT, 'deploy/netboot/dnsmasq.sh'), ['--print'], {
    env: { ...process.env, ...BOOT_SETTINGS, MODE: mode },
    encoding: 'utf8',
  });

// With two cards whose firmware is iPXE, net0 is the first one, whichever is on the network.
test.each<[string, () => string]>([
  ['dnsmasq.sh beside a DHCP server', () => dnsmasq('proxy')],
  ['dnsmasq.sh as the only one', () => dnsmasq('full')],
  ['ISC DHCP', () => read('deploy/netboot/dhcpd.conf')],
  ['Kea', () => read('deploy/netboot/kea-dhcp4.json')],
  ['docs/boot.md', () => read('docs/boot.md').replace('Not `${net0/mac}`', '')],
  ['README.md', () => read('README.md')],
  ['docker-compose.yml', () => read('docker-compose.yml').replaceAll('$$', '$')],
])('%s: the boot script is asked for with the MAC of the NIC that is open', (_name, text) => {
  expect(text()).toContain('boot?mac=${netX/mac}');
  expect(text()).not.toContain('net0/mac');
});

// UEFI HTTP boot (spec.networkBoot: HTTP): firmware ignores an answer that does not say HTTPClient in option 60.
test.each<[string, () => string]>([
  ['dnsmasq.sh as the only one', () => dnsmasq('full')],
  ['ISC DHCP', () => read('deploy/netboot/dhcpd.conf')],
  ['Kea', () => JSON.stringify(JSON.parse(read('deploy/netboot/kea-dhcp4.json')))],
  ['docs/boot.md', () => read('docs/boot.md')],
])('%s: firmware with HTTP boot gets iPXE by a URL, and its own vendor class', (_name, text) => {
  expect(text()).toMatch(/60,HTTPClient|vendor-class-identifier "HTTPClient"|"data":"HTTPClient"/);
  expect(text()).toContain('/images/ipxe/snponly.efi');
});

// In Debian's dnsmasq-base, which .ci/packages installs.
const program = ['/usr/sbin/dnsmasq', '/usr/bin/dnsmasq'].find((file) => existsSync(file)) ?? '';
(program === '' ? test.skip : test).each(['full', 'proxy'])('dnsmasq takes the configuration of MODE=%s', (mode) => {
  const env = {
    ...process.env,
    ...BOOT_SETTINGS,
    MODE: mode,
    NETWORK: mode === 'full' ? '10.0.0.100,10.0.0.200,1h' : '10.0.0.0',
  };
  const script = path.join(ROOT, 'deploy/netboot/dnsmasq.sh');
  const input = execFileSync(script, ['--print'], { env, encoding: 'utf8' });
  const { status, stderr } = spawnSync(program, ['--test', '--conf-file=-'], {
    input,
    encoding: 'utf8',
    timeout: 10_000,
  });
  expect({ status, stderr }).toEqual({ status: 0, stderr: expect.stringContaining('syntax check OK') });
});
