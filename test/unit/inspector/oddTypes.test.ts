import { readFileSync } from 'node:fs';
import path from 'node:path';
import { describe, expect, jest } from '@jest/globals';
import { parseReport } from '../../../api/report/parse.ts';
import type { InspectionReport } from '../../../crds/inspectionReport.ts';
import { FACT_FILES, reportOf, testWithShell, type Facts } from '../../support/inspector.ts';

// A busy machine starts shells slowly.
jest.setTimeout(60_000);

const FOLDER = path.join(import.meta.dirname, 'recorded', 'lenovo-sr650-multipath');
const facts = Object.fromEntries(
  FACT_FILES.map((name) => [name, readFileSync(path.join(FOLDER, name), 'utf8')]),
) as Facts;

async function reportWith(changed: Partial<Facts>): Promise<InspectionReport> {
  const parsed = parseReport(await reportOf({ ...facts, ...changed }));
  if (parsed.kind === 'bad') throw new Error(parsed.problems.join('\n'));
  return parsed.report;
}

interface Lsblk {
  readonly blockdevices: readonly Record<string, unknown>[];
}
const lsblk = JSON.parse(facts['lsblk.json']) as Lsblk;
/** lsblk with its first device changed: that of the first disk's first path. */
const withFirst = (change: Record<string, unknown>) => {
  const [first, ...rest] = lsblk.blockdevices;
  return JSON.stringify({ blockdevices: [{ ...first, ...change }, ...rest] });
};

describe('JSON of tools with other types than they should have', () => {
  testWithShell.each<[string, Partial<Facts>, number]>([
    ['a name that is null', { 'lsblk.json': withFirst({ name: null }) }, 3],
    ['a name that is a number', { 'lsblk.json': withFirst({ name: 7 }) }, 3],
    ['sizes as text', { 'lsblk.json': withFirst({ size: '1920383410176', ro: '0', rota: '0', rm: '0' }) }, 3],
    ['subsystems, vendor and model as numbers', { 'lsblk.json': withFirst({ subsystems: 1, vendor: 2, model: 3 }) }, 3],
    ['children that are no objects', { 'lsblk.json': withFirst({ children: [null, 'x', 5] }) }, 3],
    ['a path that is a list', { 'lsblk.json': withFirst({ path: ['/dev/sda'] }) }, 3],
    ['devices that are no objects', { 'lsblk.json': JSON.stringify({ blockdevices: [null, 3, 'sda'] }) }, 0],
    ['no list of devices', { 'lsblk.json': '{"blockdevices":null}' }, 0],
    ['another document', { 'lsblk.json': '"lsblk: not found"' }, 0],
    ['smartctl: a device that is a text', { 'smart.json': '{"device":"/dev/sda"}\n[]\nnull\n' }, 3],
  ])('lsblk and smartctl: %s: a report all the same', async (_what, changed, disks) => {
    const report = await reportWith(changed);
    expect(report.disks ?? []).toHaveLength(disks);
    expect([report.cpus?.cores, report.memory?.totalGB, report.nics?.length]).toEqual([32, 256, 1]);
  });

  testWithShell.each<[string, string]>([
    ['a field that is null', '{"lscpu":[{"field":null,"data":"x"},{"field":"CPU(s):","data":"64"}]}'],
    ['a field that is a number', '{"lscpu":[{"field":5,"data":"x"},{"field":"CPU(s):","data":"64"}]}'],
    [
      'data that is empty, null or a number',
      '{"lscpu":[{"field":"CPU(s):","data":64},{"field":"Core(s) per socket:","data":""},{"field":"Socket(s):","data":null}]}',
    ],
    ['nothing but a text', '"64"'],
    ['an empty list', '{"lscpu":[]}'],
  ])('lscpu: %s: the processors of the DMI table count', async (_what, json) => {
    const dmidecode = readFileSync(path.join(FOLDER, '../dell-r740xd/dmidecode.txt'), 'utf8');
    const report = await reportWith({ 'lscpu.json': json, 'dmidecode.txt': dmidecode });
    expect([report.cpus?.count, report.cpus?.cores]).toEqual([2, 40]);
    expect(report.disks).toHaveLength(3);
  });

  testWithShell.each<[string, string]>([
    ['empty objects, as old versions write for what they leave out', '[{},{},{"ifname":"lo","addr_info":[{}]}]'],
    [
      'names and addresses of other types',
      '[{"ifname":3,"address":4,"flags":7,"addr_info":[null,{"scope":"global","local":9}]}]',
    ],
    ['an object', '{"error":"none"}'],
    ['null', 'null'],
  ])('ip: %s: the NIC as ethtool says it', async (_what, json) => {
    const report = await reportWith({ 'ip.json': json });
    expect(report.nics?.map((nic) => nic.interface)).toEqual(['ens1f0']);
  });

  testWithShell('no DMI table at all: cores of lscpu, memory of the kernel, no system', async () => {
    for (const dmidecode of ['', '# dmidecode 3.6\n# No SMBIOS nor DMI entry point found, sorry.\n']) {
      const report = await reportWith({ 'dmidecode.txt': dmidecode, 'lan.txt': '' });
      expect([report.cpus?.cores, report.memory?.modules, report.system]).toEqual([32, undefined, undefined]);
      expect(report.memory?.totalGB).toBeGreaterThan(200);
    }
  });
});
