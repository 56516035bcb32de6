import { expect, test } from '@jest/globals';
import { capacityOf } from '../../../controllers/templateCapacity.ts';
import type { Beskar7MachineSpec } from '../../../crds/beskar7Machine.ts';
import type { Beskar7MachineTemplate } from '../../../crds/beskar7MachineTemplate.ts';
import type { PhysicalHost } from '../../../crds/physicalHost.ts';
import { freeHost } from './builders.ts';

const template = (spec: Partial<Beskar7MachineSpec> = {}): Beskar7MachineTemplate => ({
  metadata: { namespace: 'ns', name: 't', uid: 't-uid', resourceVersion: '1' },
  spec: { template: { spec: { targetOSImage: 'http://images/os.tar.gz', ...spec } } },
});

function inspected(
  name: string,
  cores: number,
  memoryGB: number,
  more: { threads?: number; labels?: Record<string, string> } = {},
): PhysicalHost {
  const host = freeHost(name, more.labels);
  const cpus = { cores, ...(more.threads === undefined ? {} : { threads: more.threads }) };
  return {
    ...host,
    status: { ...host.status, inspectionReport: { cpus, memory: { totalGB: memoryGB }, disks: [{ sizeGB: 500 }] } },
  };
}

test('is the smallest of the inspected hosts that fit; cpu counts threads', () => {
  const hosts = [inspected('a', 16, 64, { threads: 32 }), inspected('b', 8, 256, { threads: 16 }), freeHost('new')];
  expect(capacityOf(template(), hosts)).toEqual({ cpu: '16', memory: '64Gi' });
});

test('hosts that its selector or its requirements leave out do not count', () => {
  const hosts = [
    inspected('small', 4, 16, { labels: { size: 'small' } }),
    inspected('weak', 2, 512, { labels: { size: 'large' } }),
    inspected('large', 32, 512, { labels: { size: 'large' } }),
  ];
  const spec = { hostSelector: { matchLabels: { size: 'large' } }, hardwareRequirements: { minCPUCores: 8 } };
  expect(capacityOf(template(spec), hosts)).toEqual({ cpu: '32', memory: '512Gi' });
});

test('without an inspected host: what the template asks for, or nothing', () => {
  const spec = { hardwareRequirements: { minCPUCores: 8, minMemoryGB: 32 } };
  expect(capacityOf(template(spec), [freeHost('new')])).toEqual({ cpu: '8', memory: '32Gi' });
  expect(capacityOf(template({ hardwareRequirements: { minDiskGB: 100 } }), [])).toBeUndefined();
});
