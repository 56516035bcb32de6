import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
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
