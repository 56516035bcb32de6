import { describe, expect, test } from '@jest/globals';
import { parseReport } from '../../../api/report/parse.ts';
import { arch, dimm, disk, flat, FLAT, nic, REPORT } from './reports.ts';

function problemsOf(value: unknown): readonly string[] {
  const result = parseReport(value);
  return result.kind === 'bad' ? result.problems : [];
}

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
