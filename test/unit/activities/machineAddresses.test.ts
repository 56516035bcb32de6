import { expect, test } from '@jest/globals';
import { machineAddresses } from '../../../activities/provision/machineAddresses.ts';
import type { PhysicalHostStatus } from '../../../crds/physicalHost.ts';
import { host } from '../controllers/builders.ts';

const ip = (address: string) => ({ type: 'InternalIP' as const, address });

test('the report of the claim comes first, and what leads no other machine to the server is left out', () => {
  const nics = [
    { interface: 'usb0', ipAddresses: ['192.168.77.2/24'] },
    { interface: 'eth0', ipAddresses: ['fe80::1/64', '169.254.7.7/16', '10.7.0.1/24', 'fd00::7/64'] },
    { interface: 'lo', ipAddresses: ['127.0.0.1/8', '::1/128'] },
  ];
  const status = {
    inspectionReport: { nics },
    addresses: [ip('169.254.3.1'), ip('0.0.0.0'), ip('255.255.255.255'), ip('ff02::1'), ip('10.0.0.99')],
  } as unknown as PhysicalHostStatus;
  expect(machineAddresses(host({ status }))).toEqual([
    { type: 'Hostname', address: 'h' },
    ip('10.7.0.1'),
    ip('fd00::7'),
    ip('10.0.0.99'),
  ]);
});

test('without a report, what was known before the status was lost comes before what the BMC tells', () => {
  const status = { addresses: [ip('10.0.0.99')] };
  const before = [{ type: 'ExternalDNS' as const, address: 'node.example' }, ip('10.7.0.1')];
  expect(machineAddresses(host({ status }), before).slice(1)).toEqual([...before, ip('10.0.0.99')]);
});
