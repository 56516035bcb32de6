import { describe, expect, test } from '@jest/globals';
import { FormatRegistry, TypeRegistry } from '@sinclair/typebox';
import { Value } from '@sinclair/typebox/value';
import fc from 'fast-check';
import { parseReport } from '../../../api/report/parse.ts';
import { parseClockRate, parseLineRate, parseMemorySize } from '../../../api/report/units.ts';
import { InspectionReport } from '../../../crds/inspectionReport.ts';
import { summarize } from '../../../crds/requirements.ts';
import { REPORT } from './scene.ts';

FormatRegistry.Set('date-time', (text) => !Number.isNaN(Date.parse(text)));
// The enums of our schemas are Type.Unsafe.
TypeRegistry.Set<{ enum: unknown[] }>('Unsafe', (schema, value) => schema.enum.includes(value));

const FLAT = {
  manufacturer: 'Supermicro',
  model: 'X11',
  serialNumber: 'S1',
  bootModeDetected: 'uefi',
  firmwareVersion: '3.4',
  cpus: [
    { id: 0, vendor: 'Intel', model: 'Xeon 4110', cores: 8, threads: 16, frequency: '2.1GHz' },
    { id: 1, vendor: 'Intel', model: 'Xeon 4110', cores: 8, threads: 16, frequency: '2.1GHz' },
  ],
  memory: [
    { id: 'DIMM_A1', type: 'DDR4', capacity: '32GiB', speed: '2666 MT/s' },
    { id: 'DIMM_B1', type: 'DDR4', capacity: '32 GB', speed: 2666 },
    { id: 'DIMM_C1', capacity: 'No Module Installed' },
  ],
  disks: [{ name: 'sda', model: 'INTEL SSD', sizeGB: 480, type: 'SSD', serialNumber: 'P1' }],
  nics: [
    { name: 'eno1', macAddress: '00-25-90-F0-79-00', driver: 'ixgbe', speed: '10Gbps', ipAddresses: ['10.0.0.5/24'] },
  ],
};

function problemsOf(value: unknown): readonly string[] {
  const result = parseReport(value);
  return result.kind === 'bad' ? result.problems : [];
}
function reportOf(value: unknown): InspectionReport {
  const result = parseReport(value);
  if (result.kind === 'bad') throw new Error(result.problems.join('\n'));
  return result.report;
}
/** The architecture form with one part replaced. */
const arch = (change: object) => ({ ...REPORT, ...change });
const flat = (change: object) => ({ ...FLAT, ...change });
const disk = (change: object) => arch({ disks: [{ device: '/dev/sda', sizeGB: 1, ...change }] });
const nic = (change: object) => arch({ nics: [{ interface: 'eth0', ...change }] });
const dimm = (change: object) => flat({ memory: [{ id: 'A', capacity: '8GiB', ...change }] });

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

describe('bad reports say everything that is wrong', () => {
  test.each<[unknown, string]>([
    [null, 'the report has to be an object, not null'],
    [[REPORT], 'the report has to be an object, not a list'],
    ['x', 'the report has to be an object, not "x"'],
    [{}, 'the form of the report is unknown'],
    [{ disks: [], nics: [] }, 'the form of the report is unknown'],
    [arch({ version: '7' }), 'version: "7" is not known; known are 1 and 4.2'],
    [arch({ version: {} }), 'version: an object is not known'],
    [arch({ version: '4.2' }), 'version: "4.2" is said, but cpus, memory, system is as in version 1'],
    [arch({ cpus: FLAT.cpus }), 'the report mixes two forms: memory, system as in version 1'],
    [arch({ manufacturer: 'x' }), 'the report mixes two forms'],
    [{ version: '1' }, 'cpus: is missing'],
    [{ version: 4.2 }, 'memory: is missing'],
    [arch({ cpus: { count: 2 } }), 'cpus.cores: is missing'],
    [arch({ cpus: { count: 2, cores: 1 } }), 'cpus.cores: is the total of all packages: 1 cannot be less than count 2'],
    [
      arch({ cpus: { cores: 16, threads: 2 } }),
      'cpus.threads: is the total of all packages: 2 cannot be less than cores 16',
    ],
    [arch({ cpus: { cores: 0 } }), 'cpus.cores: has to be at least 1, not 0'],
    [arch({ cpus: { cores: 1, mhz: 2399.998 } }), 'cpus.mhz: has to be a whole number, not 2399.998'],
    [arch({ memory: {} }), 'memory.totalBytes: is missing'],
    [arch({ memory: { totalBytes: '64GB' } }), 'memory.totalBytes: has to be a number, not "64GB"'],
    [arch({ memory: { totalBytes: 1e300 } }), 'memory.totalBytes: has to be at most 9007199254740991'],
    [arch({ memory: 64 }), 'memory: has to be an object, not 64'],
    [arch({ disks: {} }), 'disks: has to be a list, not an object'],
    [arch({ disks: 'sda,sdb' }), 'disks: has to be a list, not "sda,sdb"'],
    [arch({ disks: [null] }), 'disks[0]: has to be an object, not null'],
    [arch({ disks: Array(513).fill({}) }), 'disks: has 513 entries, at most 512 are possible'],
    [disk({ sizeGB: -1 }), 'disks[0].sizeGB: has to be at least 0, not -1'],
    [disk({ sizeGB: 1.5 }), 'disks[0].sizeGB: has to be a whole number, not 1.5'],
    [disk({ sizeGB: null }), 'disks[0].sizeBytes: is missing'],
    [disk({ device: '' }), 'disks[0].device: is missing'],
    [disk({ model: 7 }), 'disks[0].model: has to be a text, not 7'],
    [disk({ model: 'x'.repeat(257) }), 'disks[0].model: has more than 256 characters'],
    [disk({ removable: 'no' }), 'disks[0].removable: has to be true or false, not "no"'],
    [
      arch({
        disks: [
          { device: 'a', sizeGB: 1 },
          { device: 'a', sizeGB: 1 },
        ],
      }),
      'disks[1].device: "a" occurs more than once',
    ],
    [nic({ macAddress: '00:25' }), 'nics[0].macAddress: has to be a MAC address'],
    [nic({ ipAddresses: '10.0.0.5,10.0.0.6' }), 'nics[0].ipAddresses: has to be a list, not "10.0.0.5,10.0.0.6"'],
    [nic({ ipAddresses: ['10.0.0.5', '10.0.0'] }), 'nics[0].ipAddresses[1]: has to be an IP address, not "10.0.0"'],
    [nic({ speedMbps: '10Gbps' }), 'nics[0].speedMbps: has to be a number'],
    [arch({ timestamp: '27.11.2025 10:00' }), 'timestamp: has to be a time such as'],
    [arch({ timestamp: 1764237600 }), 'timestamp: has to be a text'],
    [flat({ cpus: [] }), 'cpus: is empty'],
    [flat({ cpus: [{ model: 'x' }] }), 'cpus[0].cores: is missing'],
    [
      flat({
        cpus: [
          { id: 1, cores: 1 },
          { id: 1, cores: 1 },
        ],
      }),
      'cpus[1].id: "1" occurs more than once',
    ],
    [
      flat({ cpus: Array.from({ length: 64 }, () => ({ cores: 1 })) }),
      'cpus: has 64 entries: one per package is expected',
    ],
    [
      flat({ cpus: Array.from({ length: 32 }, (_, id) => ({ id, cores: 8, threads: 16 })) }),
      'these seem to be logical CPUs',
    ],
    [flat({ cpus: [{ cores: 8, threads: 2 }] }), 'cpus[0].threads: 2 cannot be less than cores 8'],
    [flat({ cpus: [{ cores: 1, frequency: 2.4 }] }), 'cpus[0].frequency: has no unit'],
    [flat({ memory: [] }), 'memory: names no installed DIMM'],
    [flat({ memory: [{ capacity: 'No Module Installed' }] }), 'memory: names no installed DIMM'],
    [dimm({ capacity: undefined }), 'memory[0].capacity: is missing'],
    [dimm({ capacity: '32' }), 'memory[0].capacity: "32" has no unit: write for example 32GiB'],
    [dimm({ capacity: 34359738368 }), 'memory[0].capacity: has no unit'],
    [dimm({ capacity: '1,024GiB' }), 'memory[0].capacity: "1,024GiB" has to be a number with a unit'],
    [dimm({ capacity: '-8GiB' }), 'has to be a number with a unit'],
    [dimm({ capacity: '8GHz' }), 'has the unknown unit "GHz"'],
    [dimm({ capacity: '8constructor' }), 'has the unknown unit "constructor"'],
    [dimm({ capacity: '999999999TiB' }), 'is too large'],
    [dimm({ capacity: 'Unknown' }), 'has to be a number with a unit'],
    [flat({ disks: [{ name: 'sda', sizeGB: '480' }] }), 'disks[0].sizeGB: has to be a number, not "480"'],
    [flat({ disks: [{ name: 'sda' }] }), 'disks[0].sizeGB: is missing'],
    [flat({ nics: [{ name: 'a', speed: '10' }] }), 'nics[0].speed: "10" has no unit: write for example 10Gbps'],
  ])('%#: %j', (value, expected) => {
    expect(problemsOf(value).join('\n')).toContain(expected);
  });
  test('all of them at once, and not without end', () => {
    const problems = problemsOf(arch({ cpus: { cores: -1 }, disks: Array(200).fill({ device: 5, sizeGB: 1 }) }));
    expect(problems[0]).toBe('cpus.cores: has to be at least 1, not -1');
    expect(problems).toHaveLength(101);
    expect(problems.at(-1)).toBe('and 101 more problems');
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
    { numRuns: 150 },
  );
});
