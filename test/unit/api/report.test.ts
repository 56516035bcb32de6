import { describe, expect, test } from '@jest/globals';
import { Value } from 'typebox/value';
import fc from 'fast-check';
import { parseReport } from '../../../api/report/parse.ts';
import { parseClockRate, parseLineRate, parseMemorySize } from '../../../api/report/units.ts';
import { InspectionReport } from '../../../crds/inspectionReport.ts';
import { summarize } from '../../../model/requirements.ts';
import { arch, disk, flat, FLAT, nic, REPORT } from './reports.ts';

function reportOf(value: unknown): InspectionReport {
  const result = parseReport(value);
  if (result.kind === 'bad') throw new Error(result.problems.join('\n'));
  return result.report;
}

describe('good reports', () => {
  test('the example of the architecture text', () => {
    expect(reportOf(REPORT)).toEqual({ version: '1', ...REPORT, timestamp: '2025-11-27T10:00:00.000Z' });
  });
  test('the flat form is added up', () => {
    const report = reportOf(FLAT);
    expect(report).toEqual({
      version: '4.2',
      cpus: { count: 2, cores: 16, threads: 32, model: 'Xeon 4110', mhz: 2100 },
      memory: {
        totalBytes: 2 ** 36,
        totalGB: 64,
        modules: [
          { id: 'DIMM_A1', type: 'DDR4', sizeBytes: 2 ** 35, speed: '2666 MT/s' },
          { id: 'DIMM_B1', type: 'DDR4', sizeBytes: 2 ** 35, speed: '2666' },
        ],
      },
      disks: [{ device: 'sda', sizeBytes: 480e9, sizeGB: 480, type: 'SSD', model: 'INTEL SSD', serial: 'P1' }],
      nics: [
        {
          interface: 'eno1',
          macAddress: '00:25:90:f0:79:00',
          speedMbps: 10_000,
          driver: 'ixgbe',
          ipAddresses: ['10.0.0.5/24'],
        },
      ],
      system: { manufacturer: 'Supermicro', model: 'X11', serialNumber: 'S1', biosVersion: '3.4' },
      bootMode: 'UEFI',
    });
    expect(summarize(report)).toEqual({ cpuCores: 16, memoryBytes: 2 ** 36, largestDiskBytes: 480e9 });
  });
  test('DIMMs that the kernel does not have, and the UUID of the board', () => {
    const memory = { totalGB: 188, modules: [{ sizeBytes: 384 * 2 ** 30 }] };
    const system = { uuid: '4C4C4544-0042-4D10-8054-B7C04F563233' };
    const report = reportOf(arch({ memory, system }));
    expect(report.memory).toMatchObject({ totalBytes: 188 * 2 ** 30, installedBytes: 384 * 2 ** 30 });
    expect(report.system).toEqual({ uuid: '4c4c4544-0042-4d10-8054-b7c04f563233' });
    expect(reportOf(arch({ system: { model: 'M', uuid: 'Not Settable' } })).system).toEqual({ model: 'M' });
    expect(reportOf(flat({ uuid: '4c4c454400424d108054b7c04f563233' })).system?.uuid).toBe(system.uuid.toLowerCase());
  });
  test.each<[string, object, object]>([
    ['unknown keys are not stored', arch({ extra: 1, __proto__: { x: 1 } }), {}],
    ['null is absent', arch({ bootMode: null, nics: null }), {}],
    [
      'what is empty is absent',
      disk({ model: '', serial: '  ' }),
      { disks: [{ device: '/dev/sda', sizeGB: 1, sizeBytes: 1e9 }] },
    ],
    [
      'firmware writes NULs and ESC',
      disk({ model: 'A\u0000\u0000 B\u001b[1m ' }),
      { disks: [{ device: '/dev/sda', sizeGB: 1, sizeBytes: 1e9, model: 'A B [1m' }] },
    ],
    [
      'other scripts',
      disk({ model: '硬盘 😀' }),
      { disks: [{ device: '/dev/sda', sizeGB: 1, sizeBytes: 1e9, model: '硬盘 😀' }] },
    ],
    [
      'half a character',
      disk({ model: 'x\ud800' }),
      { disks: [{ device: '/dev/sda', sizeGB: 1, sizeBytes: 1e9, model: 'x\ufffd' }] },
    ],
    ['no disks at all', arch({ disks: [] }), { disks: [] }],
    ['a NIC without link', nic({ speedMbps: -1, ipAddresses: [] }), { nics: [{ interface: 'eth0' }] }],
    ['InfiniBand', nic({ macAddress: `80:00${':ff'.repeat(18)}` }), {}],
    ['IPv6 with prefix', nic({ ipAddresses: ['fd00::5/64', 'fe80::1'] }), {}],
    ['GiB only', arch({ memory: { totalGB: 2 } }), { memory: { totalGB: 2, totalBytes: 2 ** 31 } }],
    [
      'modules only',
      arch({ memory: { modules: [{ sizeBytes: 1024 }] } }),
      { memory: { modules: [{ sizeBytes: 1024 }] } },
    ],
    ['the largest number', disk({ sizeBytes: Number.MAX_SAFE_INTEGER }), {}],
    ['GB that do not fit into bytes', disk({ sizeGB: 1e9 }), { disks: [{ device: '/dev/sda', sizeGB: 1e9 }] }],
    ['version 1', arch({ version: '1' }), { version: '1' }],
    ['version v4.2', flat({ version: 'v4.2' }), { version: '4.2' }],
    [
      'a leap second, another zone',
      arch({ timestamp: '2025-11-27T11:00:00.5+01:00' }),
      { timestamp: '2025-11-27T10:00:00.500Z' },
    ],
    [
      'unlike packages',
      flat({
        cpus: [
          { cores: 2, model: 'A' },
          { cores: 4, model: 'B' },
        ],
      }),
      { cpus: { count: 2, cores: 6, threads: 6, model: 'A, B' } },
    ],
    [
      'a virtual machine with 16 sockets',
      flat({ cpus: Array.from({ length: 16 }, () => ({ cores: 1, threads: 1 })) }),
      {},
    ],
    ['8 packages of 28 cores', flat({ cpus: Array.from({ length: 8 }, () => ({ cores: 28, threads: 56 })) }), {}],
    [
      'what tools write when they do not know',
      flat({ nics: [{ name: 'a', speed: 'Unknown!' }] }),
      { nics: [{ interface: 'a' }] },
    ],
    [
      'DIMMs that are all called the same',
      flat({
        memory: [
          { id: 'A', capacity: '1GiB' },
          { id: 'A', capacity: '1GiB' },
        ],
      }),
      {},
    ],
    [
      'accelerators',
      arch({ accelerators: [{ id: 0, vendor: 'NVIDIA', x: 1 }] }),
      { accelerators: [{ id: '0', vendor: 'NVIDIA' }] },
    ],
  ])('%s', (_name, value, expected) => {
    const report = reportOf(value);
    expect(report).toMatchObject(expected);
    expect(Value.Check(InspectionReport, report)).toBe(true);
  });
});

describe('units', () => {
  test.each([
    [parseMemorySize, '1KiB', 1024],
    [parseMemorySize, '1.5 gib', 1.5 * 2 ** 30],
    [parseMemorySize, '512MB', 2 ** 29],
    [parseMemorySize, '1TB', 2 ** 40],
    [parseClockRate, '2400 MHz', 2400],
    [parseClockRate, '2.25GHz', 2250],
    [parseLineRate, '1000Mb/s', 1000],
    [parseLineRate, '2.5Gbit/s', 2500],
    [parseLineRate, '100Gbps', 100_000],
  ])('%p of %j is %d', (parse, text, value) => expect(parse(text)).toEqual({ kind: 'value', value }));
});

test('whatever is sent: never a throw, and what is taken fits the schema', () => {
  const odd = fc.oneof(
    fc.jsonValue({ maxDepth: 2 }),
    fc.constantFrom(-1, 1.5, 1e308, '32GiB', '', '\u0000', null, [], {}, -0),
    fc.string({ unit: 'binary', maxLength: 80 }),
  );
  const keys = [
    'id',
    'cores',
    'threads',
    'count',
    'model',
    'capacity',
    'device',
    'name',
    'sizeGB',
    'sizeBytes',
    'speed',
  ];
  const part = fc.dictionary(fc.constantFrom(...keys, 'interface', 'macAddress', 'ipAddresses', 'totalBytes'), odd);
  const parts = fc.oneof(part, fc.array(part, { maxLength: 4 }), odd);
  const top = [
    'version',
    'timestamp',
    'cpus',
    'memory',
    'disks',
    'nics',
    'system',
    'manufacturer',
    'bootMode',
    'accelerators',
  ];
  const mutated = fc
    .tuple(fc.constantFrom<object>(REPORT, FLAT), fc.dictionary(fc.constantFrom(...top), parts))
    .map(([base, change]) => ({ ...base, ...change }));
  fc.assert(
    fc.property(fc.oneof(mutated, odd), (value) => {
      const result = parseReport(JSON.parse(JSON.stringify(value)));
      if (result.kind === 'bad') {
        expect(result.problems.length).toBeGreaterThan(0);
        for (const problem of result.problems) expect(problem).not.toMatch(/\p{Cc}/u);
      } else {
        const isRight = Value.Check(InspectionReport, result.report);
        if (!isRight) throw new Error(JSON.stringify([...Value.Errors(InspectionReport, result.report)]));
      }
    }),
    { numRuns: 100 },
  );
});
