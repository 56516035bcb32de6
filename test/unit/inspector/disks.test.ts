import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { afterAll, describe, expect } from '@jest/globals';
import { runParts, testWithShell } from '../../support/inspector.ts';

const folder = mkdtempSync(path.join(os.tmpdir(), 'beskar7-disks-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

const recorded = (server: string, file: string) =>
  readFileSync(path.join(import.meta.dirname, 'recorded', server, file), 'utf8');

interface Wish {
  /** lsblk's answer, or the name of a recorded server. */
  readonly disks: string | object[];
  readonly image?: number;
  readonly minDiskGB?: number;
  readonly disk?: string;
  readonly wwids?: string;
}

/** The disk that would be written, or why none. */
async function chosen({ disks, image = 0, minDiskGB = 0, disk = '', wwids = '' }: Wish): Promise<string> {
  const isRecorded = typeof disks === 'string';
  const lsblk = isRecorded ? recorded(disks, 'lsblk.json') : JSON.stringify({ blockdevices: disks });
  writeFileSync(path.join(folder, 'lsblk.json'), lsblk);
  writeFileSync(path.join(folder, 'wwids.txt'), isRecorded ? recorded(disks, 'wwids.txt') : wwids);
  writeFileSync(path.join(folder, 'smart.json'), isRecorded ? recorded(disks, 'smart.json') : '');
  const { stdout } = await runParts(
    ['disk'],
    `DISK='${disk}' MIN_DISK_GB=${minDiskGB}; choose_disk ${image} && echo "$CHOSEN" || echo "$PROBLEM"`,
    { FACTS: folder },
  );
  return stdout.trim();
}

const sd = (name: string, gigabytes: number, more: object = {}) => ({
  ...{ name, path: `/dev/${name}`, type: 'disk', size: gigabytes * 1e9, ro: false, rm: false },
  ...{ rota: true, tran: 'sas', model: 'M', serial: null, vendor: 'V', wwn: null, subsystems: 'block:scsi:pci' },
  ...more,
});

const nvme = (name: string, gigabytes: number, more: object = {}) =>
  sd(name, gigabytes, { rota: false, tran: 'nvme', serial: 'S64', subsystems: 'block:nvme:pci', ...more });
const namespaces = [nvme('nvme0n1', 960, { wwn: 'eui.1' }), nvme('nvme0n2', 480, { wwn: 'eui.2' })];

describe('the disk that WholeDisk writes', () => {
  const three = [sd('sda', 8000), sd('sdb', 480), sd('sdc', 960)];

  testWithShell.each<[string, Wish, string]>([
    ['the smallest', { disks: three }, '/dev/sdb'],
    ['the smallest that fits the image', { disks: three, image: 500e9 }, '/dev/sdc'],
    ['the smallest that has minDiskGB', { disks: three, minDiskGB: 961 }, '/dev/sda'],
    ['both count', { disks: three, image: 500e9, minDiskGB: 10 }, '/dev/sdc'],
    [
      'of two as small the first, numbers by their value',
      { disks: [sd('nvme10n1', 1), sd('nvme2n1', 1)] },
      '/dev/nvme2n1',
    ],
    ['none is large enough', { disks: three, minDiskGB: 8001 }, 'NoDiskFits: no disk fits'],
    ['none at all', { disks: [] }, 'NoDiskFits: no disk fits'],
    [
      'a bay for hot swap sets RM and is as good as any',
      { disks: [sd('sda', 8, { rm: true }), sd('sdb', 480)] },
      '/dev/sda',
    ],
    ['RM as old versions of lsblk write it', { disks: [sd('sda', 8, { rm: '1', tran: 'sata' })] }, '/dev/sda'],
    ['RM where the transport is not known', { disks: [sd('sda', 8, { rm: true, tran: null })] }, '/dev/sda'],
    [
      'never one behind a bridge on USB',
      { disks: [sd('sda', 8, { tran: null, subsystems: 'block:scsi:usb:pci' }), sd('sdb', 480)] },
      '/dev/sdb',
    ],
    ['never one on USB', { disks: [sd('sda', 8, { tran: 'usb' }), sd('sdb', 480)] }, '/dev/sdb'],
    ['never a read-only one', { disks: [sd('sda', 8, { ro: true }), sd('sdb', 480)] }, '/dev/sdb'],
    [
      'never a CD, a RAM disk or a loop',
      { disks: [sd('sr0', 1, { type: 'rom' }), sd('zram0', 1), sd('loop0', 1, { type: 'loop' })] },
      'NoDiskFits: no disk fits',
    ],
    ['never an empty card reader', { disks: [sd('sda', 0)] }, 'NoDiskFits: no disk fits'],
    [
      'two paths to a disk are one disk',
      { disks: [sd('sda', 10), sd('sdb', 10)], wwids: 'sda naa.5\nsdb naa.5\n' },
      '/dev/sda',
    ],
    ['Dell: not the SD module, not the virtual CD', { disks: 'dell-r740xd' }, '/dev/sda'],
    ['HPE: not the smaller SD card', { disks: 'hpe-dl380-gen10' }, '/dev/sda'],
    [
      'disks with one made-up name are not one disk: the smallest counts',
      { disks: [sd('sda', 480), sd('sdb', 240), sd('sdc', 960)], wwids: 'sda naa.5\nsdb naa.5\nsdc naa.5\n' },
      '/dev/sdb',
    ],
    [
      'nor are namespaces of one drive',
      { disks: [nvme('nvme0n1', 3840), nvme('nvme0n2', 960)], minDiskGB: 1000 },
      '/dev/nvme0n1',
    ],
    ['QEMU: not the smaller read-only disk', { disks: 'qemu-virtio' }, '/dev/vda'],
  ])('%s', async (_name, wish, expected) => {
    expect(await chosen(wish)).toBe(expected);
  });

  testWithShell.each<[string, Wish, string]>([
    ['by its path', { disks: three, disk: '/dev/sda' }, '/dev/sda'],
    ['by its name', { disks: three, disk: 'sdc' }, '/dev/sdc'],
    ['by its serial number', { disks: 'qemu-virtio', disk: 'VM0001-D0' }, '/dev/vda'],
    ['by the serial number that smartctl says', { disks: 'supermicro-nvme', disk: 'S64GNE0RB00010' }, '/dev/nvme10n1'],
    ['by the serial number of a SCSI disk', { disks: 'lenovo-sr650-multipath', disk: '8C60A00BTQB7' }, '/dev/sdb'],
    ['by its world-wide name', { disks: 'dell-r740xd', disk: 'naa.6a2e7c41d4c1f8f28007e4e3d40f681' }, '/dev/sdb'],
    ['that is not there: no other one instead', { disks: three, disk: 'sdz' }, 'NoDiskFits: beskar7.disk is not there'],
    ['that is on USB', { disks: [sd('sda', 8, { tran: 'usb' })], disk: 'sda' }, 'NoDiskFits: beskar7.disk is on USB'],
    ['that is in a bay for hot swap', { disks: [sd('sda', 8, { rm: true })], disk: 'sda' }, '/dev/sda'],
    [
      'by a serial number that two namespaces of a drive share: neither is overwritten',
      { disks: namespaces, disk: 'S64' },
      'NoDiskFits: beskar7.disk fits 2 disks (/dev/nvme0n1, /dev/nvme0n2): name one by its path or world-wide name',
    ],
    [
      'by a serial number that they share, where only one is large enough: neither, too',
      { disks: namespaces, disk: 'S64', image: 900e9 },
      'NoDiskFits: beskar7.disk fits 2 disks (/dev/nvme0n1, /dev/nvme0n2): name one by its path or world-wide name',
    ],
    ['by the path of one of them', { disks: namespaces, disk: 'nvme0n2' }, '/dev/nvme0n2'],
    ['by the world-wide name of one of them', { disks: namespaces, disk: 'eui.2' }, '/dev/nvme0n2'],
    [
      'by a world-wide name that namespaces share (a firmware that made it up)',
      { disks: namespaces.map((one) => ({ ...one, wwn: 'eui.7' })), disk: 'eui.7' },
      'NoDiskFits: beskar7.disk fits 2 disks (/dev/nvme0n1, /dev/nvme0n2): name one by its path or world-wide name',
    ],
    [
      'by a serial number that many LUNs of an array share',
      {
        disks: ['a', 'b', 'c', 'd', 'e'].map((n) => sd(`sd${n}`, 10, { serial: 'ARRAY', wwn: `naa.${n}` })),
        disk: 'ARRAY',
      },
      'NoDiskFits: beskar7.disk fits 5 disks (/dev/sda, /dev/sdb, /dev/sdc, /dev/sdd): name one by its path or world-wide name',
    ],
    [
      'by the serial number of a disk with two paths: that is one disk',
      {
        disks: [sd('sda', 10, { serial: 'S' }), sd('sdb', 10, { serial: 'S' })],
        wwids: 'sda naa.5\nsdb naa.5\n',
        disk: 'S',
      },
      '/dev/sda',
    ],
    [
      'by the name of one of its paths: that path',
      { disks: [sd('sda', 10), sd('sdb', 10)], wwids: 'sda naa.5\nsdb naa.5\n', disk: 'sdb' },
      '/dev/sdb',
    ],
    ['that is read-only', { disks: 'qemu-virtio', disk: 'vdb' }, 'NoDiskFits: beskar7.disk is read-only'],
    ['that is too small', { disks: three, disk: 'sdb', image: 481e9 }, 'NoDiskFits: beskar7.disk is too small'],
  ])('beskar7.disk %s', async (_name, wish, expected) => {
    expect(await chosen(wish)).toBe(expected);
  });
});
