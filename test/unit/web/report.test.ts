import { describe, expect, it } from '@jest/globals';
import { diffReports } from '../../../web/shared/reportDiff.ts';
import { diskKind, isLinkUp, largestDiskBytes, memoryBytes } from '../../../web/shared/reportTotals.ts';

describe('the difference of two inspection reports', () => {
  it('is empty for the same hardware, in whatever order it is told', () => {
    const disks = [
      { serial: 'A', device: '/dev/sda', sizeBytes: 1e12 },
      { serial: 'B', device: '/dev/sdb', sizeBytes: 2e12 },
    ];
    expect(diffReports({ disks }, { disks: disks.toReversed() })).toEqual([]);
  });

  it('knows a disk by its serial number: another device name is one change, another disk two', () => {
    const before = { disks: [{ serial: 'A', device: '/dev/sda', sizeBytes: 1e12, type: 'SSD' }] };
    expect(diffReports(before, { disks: [{ ...before.disks[0], device: '/dev/sdb' }] })).toEqual([
      { group: 'Disks', what: 'A', before: '/dev/sda 1 TB SSD', after: '/dev/sdb 1 TB SSD' },
    ]);
    expect(diffReports(before, { disks: [{ ...before.disks[0], serial: 'B' }] })).toEqual([
      { group: 'Disks', what: 'A', before: '/dev/sda 1 TB SSD' },
      { group: 'Disks', what: 'B', after: '/dev/sda 1 TB SSD' },
    ]);
  });

  it('tells of a DIMM that is gone, a link that went down, new firmware', () => {
    const dimm = (id: string) => ({ id, sizeBytes: 32 * 2 ** 30, type: 'DDR5' });
    const nic = { interface: 'eno1', macAddress: '52:54:00:AA:00:01', speedMbps: 25_000 };
    const before = {
      memory: { modules: [dimm('A1'), dimm('A2')] },
      nics: [{ ...nic, linkStatus: 'up' }],
      system: { biosVersion: '1.0' },
    };
    const after = {
      memory: { modules: [dimm('A1')] },
      nics: [{ ...nic, macAddress: '52:54:00:aa:00:01', linkStatus: 'down' }],
      system: { biosVersion: '1.1' },
    };
    expect(diffReports(before, after)).toEqual([
      { group: 'System', what: 'BIOS', before: '1.0', after: '1.1' },
      { group: 'Memory', what: 'A2', before: '32 GiB DDR5' },
      {
        group: 'Network',
        what: '52:54:00:aa:00:01',
        before: 'eno1 link up 25 Gb/s',
        after: 'eno1 link down 25 Gb/s',
      },
    ]);
  });

  it('counts parts that a report does not tell apart', () => {
    const gpu = { vendor: 'NVIDIA', model: 'L40S' };
    expect(diffReports({ accelerators: [gpu, gpu] }, { accelerators: [gpu] })).toEqual([
      { group: 'Accelerators', what: 'NVIDIA L40S (2)', before: 'NVIDIA L40S' },
    ]);
  });
});

describe('the sums of an inspection report', () => {
  it('are those that a machine’s requirements are held against', () => {
    expect(memoryBytes({ memory: { totalGB: 64 } })).toBe(64 * 2 ** 30);
    expect(memoryBytes({ memory: { totalBytes: 1, modules: [{ sizeBytes: 5 }, { sizeBytes: 7 }] } })).toBe(12);
    const disks = [{ sizeGB: 100 }, { sizeBytes: 9e12, removable: true }, { sizeBytes: 8e12, readOnly: true }];
    expect(largestDiskBytes({ disks })).toBe(100e9);
  });

  it('take the kind of a disk and the state of a link as inspectors spell them', () => {
    expect(diskKind({ device: '/dev/nvme0n1' })).toBe('NVMe');
    expect(diskKind({ type: 'rotational' })).toBe('HDD');
    expect(diskKind({ type: 'Optane' })).toBe('Optane');
    expect(['up', 'LinkUp', 'down', 'NoLink', 'dormant', undefined].map(isLinkUp)).toEqual([
      true,
      true,
      false,
      false,
      undefined,
      undefined,
    ]);
  });
});
