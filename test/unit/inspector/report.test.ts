import { mkdtempSync, readFileSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { describe, expect, jest } from '@jest/globals';
import { parseReport } from '../../../api/report/parse.ts';
import { InspectionReport } from '../../../crds/inspectionReport.ts';
import { summarize, unmetRequirements } from '../../../model/requirements.ts';
import { Value } from 'typebox/value';
import { FACT_FILES, reportOf, runParts, testWithShell, type Facts } from '../../support/inspector.ts';

// A busy machine starts shells slowly.
jest.setTimeout(60_000);

const RECORDED = path.join(import.meta.dirname, 'recorded');
const servers = readdirSync(RECORDED, { withFileTypes: true })
  .filter((entry) => entry.isDirectory())
  .map(({ name }) => name);

const factsOf = (server: string): Facts =>
  Object.fromEntries(
    FACT_FILES.map((name) => [name, readFileSync(path.join(RECORDED, server, name), 'utf8')]),
  ) as Facts;

/**
 * CPU time that the report of these facts costs; `times` of the shell says minutes and seconds, that of its children in
 * the second line.
 */
async function cpuSecondsOf(facts: Facts): Promise<number> {
  const folder = mkdtempSync(path.join(os.tmpdir(), 'beskar7-cpu-'));
  try {
    for (const [name, text] of Object.entries(facts)) writeFileSync(path.join(folder, name), text);
    const lines = 'make_report "$FACTS" 2025-11-27T10:00:00Z UEFI >/dev/null; times';
    const { stdout } = await runParts(['collect'], lines, { FACTS: folder, RUN: folder });
    const spent =
      stdout
        .trim()
        .split('\n')
        .at(-1)
        ?.matchAll(/(\d+)m([\d.]+)s/g) ?? [];
    return [...spent].reduce((sum, [, minutes, seconds]) => sum + Number(minutes) * 60 + Number(seconds), 0);
  } finally {
    rmSync(folder, { recursive: true });
  }
}

/** As Beskar7 stores it. Throws with everything that its parser or the schema of the kind has against it. */
async function stored(facts: Facts): Promise<InspectionReport> {
  const parsed = parseReport(await reportOf(facts));
  if (parsed.kind === 'bad') throw new Error(parsed.problems.join('\n'));
  expect([...Value.Errors(InspectionReport, parsed.report)]).toEqual([]);
  return parsed.report;
}

const summary = ({ cpus, memory, disks = [], nics = [], system }: InspectionReport) => ({
  cpus: [cpus?.count, cpus?.cores, cpus?.threads],
  memoryGB: memory?.totalGB,
  modules: memory?.modules?.length ?? 0,
  disks: disks.map(({ device, sizeGB, type, serial, removable, readOnly }) =>
    [device, sizeGB, type, serial, removable && 'removable', readOnly && 'read-only'].filter(Boolean).join(' '),
  ),
  nics: nics.map(({ interface: name, linkStatus, speedMbps, driver }) =>
    [name, linkStatus, speedMbps, driver].filter(Boolean).join(' '),
  ),
  system: [system?.manufacturer, system?.model, system?.serialNumber, system?.bmcAddress],
});

describe('the report of recorded outputs', () => {
  const expected: Record<string, ReturnType<typeof summary>> = {
    'dell-r740xd': {
      cpus: [2, 40, 80],
      memoryGB: 384,
      modules: 12,
      disks: [
        '/dev/sda 480 SSD 0062e7c41d4c1f8f28007e4e3d40f681',
        '/dev/sdb 7999 HDD 00a2e7c41d4c1f8f28007e4e3d40f681',
      ],
      nics: ['eno1np0 up 25000 bnxt_en', 'eno2np1 up 25000 bnxt_en', 'eno3 down tg3'],
      system: ['Dell Inc.', 'PowerEdge R740xd', 'BMT7V23', '10.10.3.21'],
    },
    'hpe-dl380-gen10': {
      cpus: [1, 10, 20],
      memoryGB: 64,
      modules: 2,
      disks: ['/dev/sda 960 SSD PFJHN0ARHBZ0X7', '/dev/sdb 32 HDD removable'],
      nics: ['eth0 up 10000 i40e'],
      system: ['HPE', 'ProLiant DL380 Gen10', 'CZ2031ABCD', '192.168.49.7'],
    },
    'supermicro-nvme': {
      cpus: [1, 32, 64],
      memoryGB: 512,
      modules: 8,
      disks: [0, 1, 2, 10].map((n) => `/dev/nvme${n}n1 3841 NVMe S64GNE0RB000${String(n).padStart(2, '0')}`),
      nics: ['enp65s0f0np0 up 100000 mlx5_core', 'ib0 up 200000 mlx5_core[ib_ipoib]'],
      system: ['Supermicro', 'Super Server', 'C8150LL12345678', undefined],
    },
    'lenovo-sr650-multipath': {
      cpus: [2, 32, 64],
      memoryGB: 256,
      modules: 16,
      disks: ['a', 'b', 'e'].map((n, index) => `/dev/sd${n} 1920 SSD 8C60A00${'ABC'[index]}TQB7`),
      nics: ['ens1f0 up 10000 ixgbe'],
      system: ['Lenovo', 'ThinkSystem SR650 V2 -[7Z73CTO1WW]-', 'J301ABCD', undefined],
    },
    'qemu-virtio': {
      cpus: [4, 4, 4],
      memoryGB: 1,
      modules: 1,
      disks: ['/dev/vda 21 HDD VM0001-D0', '/dev/vdb 11 HDD read-only'],
      nics: ['eth0 up virtio_net'],
      system: ['QEMU', 'Standard PC (Q35 + ICH9, 2009)', undefined, undefined],
    },
  };

  testWithShell('there is a server for every expectation', () => {
    expect(Object.keys(expected).sort()).toEqual(servers.sort());
  });

  testWithShell.each(servers)('%s', async (server) => {
    expect(summary(await stored(factsOf(server)))).toEqual(expected[server]);
  });

  testWithShell('accelerators: cards that compute, not the screen of the BMC', async () => {
    const models = async (server: string) =>
      (await stored(factsOf(server))).accelerators?.map(({ model, type }) => [type, model]);
    expect(await models('hpe-dl380-gen10')).toEqual([
      ['GPU', 'TU104GL [Tesla T4]'],
      ['Accelerator', 'Device'],
    ]);
    expect(await models('supermicro-nvme')).toEqual([['GPU', 'Aldebaran/MI200 [Instinct MI210]']]);
    expect(await models('dell-r740xd')).toBeUndefined();
  });
});

describe('odd servers', () => {
  const dell = () => factsOf('dell-r740xd');

  testWithShell('no DIMM table: what the kernel sees, rounded up to a whole GiB', async () => {
    const dmidecode = dell()
      ['dmidecode.txt'].split('\n\n')
      .filter((part) => !part.includes('DMI type 17'))
      .join('\n\n');
    const { memory } = await stored({
      ...dell(),
      'dmidecode.txt': dmidecode,
      'meminfo.txt': 'MemTotal:       65537244 kB\n',
    });
    expect(memory).toEqual({ totalBytes: 63 * 2 ** 30, totalGB: 63 });
  });

  testWithShell.each<[string, number, number, number | undefined]>([
    ['half of it mirrored', 188, 188, 384],
    ['rounded up to a whole GiB', 187.4, 188, 384],
    ['one of 12 DIMMs mapped out', 346, 346, 384],
    ['what the kernel and the firmware keep for themselves', 376.5, 384, undefined],
    ['all of it', 384, 384, undefined],
  ])(
    '12 DIMMs of 32 GB of which the kernel has %s: that counts, both are shown',
    async (_name, seen, counted, installed) => {
      const report = await stored({ ...dell(), 'meminfo.txt': `MemTotal: ${Math.round(seen * 2 ** 20)} kB\n` });
      expect(summarize(report).memoryBytes).toBe(counted * 2 ** 30);
      expect([report.memory?.totalGB, report.memory?.installedBytes]).toEqual([
        counted,
        installed && installed * 2 ** 30,
      ]);
      expect(report.memory?.modules).toHaveLength(12);
      expect(unmetRequirements({ minMemoryGB: 385 }, summarize(report))).toEqual([
        installed === undefined
          ? 'minMemoryGB: 385 asked for, 384 found'
          : `minMemoryGB: 385 asked for, ${counted} found (384 GiB are installed, the server's kernel has ${counted})`,
      ]);
    },
  );

  testWithShell('a DIMM table with less than the kernel sees is not believed', async () => {
    const { memory } = await stored({ ...dell(), 'meminfo.txt': `MemTotal:       ${500 * 2 ** 20} kB\n` });
    expect(memory?.totalGB).toBe(500);
  });

  testWithShell.each(['{"blockdevices":[]}', '{}', ''])(
    'no disks (%j): an empty list, which says so',
    async (lsblk) => {
      const report = await reportOf({ ...dell(), 'lsblk.json': lsblk, 'smart.json': '' });
      expect(report).toMatchObject({ disks: [] });
      expect((await stored({ ...dell(), 'lsblk.json': lsblk })).disks).toEqual([]);
    },
  );

  testWithShell('100 LUNs with 8 paths each are 100 disks, and cost less than a second', async () => {
    const paths = Array.from({ length: 800 }, (_, n) => {
      const name = `sd${String.fromCharCode(97 + (n % 26))}${n}`;
      const children = [{ name: `mpath${n % 100}`, type: 'mpath', size: 10e9 }];
      return { name, path: `/dev/${name}`, type: 'disk', size: 10e9, ro: false, rm: false, tran: 'fc', children };
    });
    const wwids = paths.map(({ name }, n) => `${name} naa.6000000000000000000000000000${(n % 100) + 100}\n`).join('');
    const smart = paths.map(({ path: name }, n) =>
      JSON.stringify({ device: { name }, model_name: 'LUN', serial_number: `L${n % 100}` }),
    );
    const facts = {
      ...dell(),
      'lsblk.json': JSON.stringify({ blockdevices: paths }),
      'wwids.txt': wwids,
      'smart.json': smart.join('\n'),
    };
    expect((await stored(facts)).disks).toHaveLength(100);
    // Without names of the kernel the maps of multipathd tell the same.
    expect((await stored({ ...facts, 'wwids.txt': '' })).disks).toHaveLength(100);
    // A filter that is worked out for every path took 42 s.
    expect(await cpuSecondsOf(facts)).toBeLessThan(2);
  });

  testWithShell('namespaces of one drive, and disks with one made-up name, are shown one by one', async () => {
    const one = (name: string, gigabytes: number, serial: string, tran: string) => ({
      ...{
        name,
        path: `/dev/${name}`,
        type: 'disk',
        size: gigabytes * 1e9,
        ro: false,
        rm: true,
        rota: false,
        tran,
        serial,
      },
    });
    const blockdevices = [
      ...[one('nvme0n1', 960, 'S64', 'nvme'), one('nvme0n2', 960, 'S64', 'nvme')],
      ...[one('sda', 480, 'A', 'sata'), one('sdb', 480, 'B', 'sata'), one('sdc', 32, 'U', 'usb')],
    ];
    const names = blockdevices.map(({ name }) => `${name} naa.5\n`).join('');
    const facts = { ...dell(), 'lsblk.json': JSON.stringify({ blockdevices }), 'wwids.txt': names, 'smart.json': '' };
    const { disks } = await stored(facts);
    expect(disks?.map(({ device, removable }) => [device, removable])).toEqual([
      ['/dev/sda', undefined],
      ['/dev/sdb', undefined],
      ['/dev/sdc', true],
      ['/dev/nvme0n1', undefined],
      ['/dev/nvme0n2', undefined],
    ]);
  });

  testWithShell('40 NICs', async () => {
    const numbers = Array.from({ length: 40 }, (_, index) => index);
    const mac = (n: number) => `02:00:00:00:00:${n.toString(16).padStart(2, '0')}`;
    const ethtool = numbers.map(
      (n) => `== eth${n}\ndriver: igb\nPermanent address: ${mac(n)}\n\tSpeed: 1000Mb/s\n\tLink detected: yes\n`,
    );
    const ip = numbers.map((n) => ({ ifname: `eth${n}`, address: mac(n), flags: ['UP', 'LOWER_UP'], addr_info: [] }));
    const { nics } = await stored({ ...dell(), 'ethtool.txt': ethtool.join(''), 'ip.json': JSON.stringify(ip) });
    expect(nics).toHaveLength(40);
    expect(nics?.[39]).toEqual({
      interface: 'eth39',
      macAddress: mac(39),
      linkStatus: 'up',
      speedMbps: 1000,
      driver: 'igb',
    });
  });

  testWithShell('names with quotes, backslashes, dollars, control characters and bytes that are no UTF-8', async () => {
    const nasty = 'PowerEdge "R740" \\n $(reboot) `x` \u0007 ü';
    const report = await stored({
      ...dell(),
      'dmidecode.txt': dell()['dmidecode.txt'].replace('PowerEdge R740xd', nasty),
    });
    expect(report.system?.model).toBe('PowerEdge "R740" \\n $(reboot) `x` ü');
  });

  testWithShell('a name of 1,000 characters is cut to what the kind takes', async () => {
    const long = await stored({
      ...dell(),
      'dmidecode.txt': dell()['dmidecode.txt'].replace('PowerEdge R740xd', 'x y'.repeat(400)),
    });
    expect(long.system?.model).toHaveLength(256);
  });

  testWithShell('tools that say nothing at all: a report that is taken', async () => {
    const nothing = Object.fromEntries(FACT_FILES.map((name) => [name, ''])) as Facts;
    const report = await stored({ ...nothing, 'meminfo.txt': 'MemTotal: 1000000 kB\n' });
    expect(summary(report)).toMatchObject({ cpus: [1, 1, 1], memoryGB: 1, disks: [], nics: [] });
  });

  describe('processors', () => {
    type Row = { field: string; data: string; children?: Row[] };
    const row = (field: string, data: string | number, children?: Row[]): Row => ({
      field: `${field}:`,
      data: String(data),
      ...(children && { children }),
    });
    const kind = (model: string, cores: number, sockets: string | number = 1, per = 'socket'): Row[] => [
      row('Model name', model),
      row('Thread(s) per core', 1),
      row(`Core(s) per ${per}`, cores),
      row(per === 'socket' ? 'Socket(s)' : 'Cluster(s)', sockets),
    ];
    const dmi = (...processors: string[]) =>
      processors
        .map((fields, n) => `Handle 0x000${n}, DMI type 4, 48 bytes\nProcessor Information\n${fields}`)
        .join('\n\n');
    const one = (cores: number, threads: number) =>
      `\tVersion: CPU\n\tStatus: Populated, Enabled\n\tCore Count: ${cores}\n\tThread Count: ${threads}`;
    const cpusOf = async (rows: Row[], dmidecode = '') => {
      const facts = { ...dell(), 'dmidecode.txt': dmidecode, 'lscpu.json': JSON.stringify({ lscpu: rows }) };
      const { count, cores, threads, model } = (await stored(facts)).cpus ?? {};
      return [count, cores, threads, model];
    };
    const flat = [row('CPU(s)', 20), ...kind('Cortex-A78', 10), ...kind('Cortex-X1', 10)];
    const nested = [
      row('CPU(s)', 20),
      row('Vendor ID', 'ARM', [
        { ...row('Model name', 'Cortex-A78'), children: kind('', 10).slice(1) },
        { ...row('Model name', 'Cortex-X1'), children: kind('', 10).slice(1) },
      ]),
    ];

    testWithShell.each<[string, Row[], string, unknown[]]>([
      ['two models of 10 cores', flat, '', [1, 20, 20, 'Cortex-A78, Cortex-X1']],
      ['two models, nested', nested, '', [1, 20, 20, 'Cortex-A78, Cortex-X1']],
      ['two models in a socket each', flat, dmi(one(10, 10), one(10, 10)), [2, 20, 20, 'Cortex-A78, Cortex-X1']],
      [
        'clusters instead of sockets',
        [row('CPU(s)', 12), ...kind('A55', 4, 1, 'cluster'), ...kind('A78', 4, 2, 'cluster')],
        '',
        [1, 12, 12, 'A55, A78'],
      ],
      [
        'the topology before the model, as old versions say it',
        [row('CPU(s)', 32), row('Core(s) per socket', 8), row('Socket(s)', 2), row('Model name', 'Xeon')],
        '',
        [2, 16, 32, 'Xeon'],
      ],
      [
        '24 sockets of one core, one processor',
        [row('CPU(s)', 24), ...kind('CPU', 1, 24)],
        dmi(one(24, 24)),
        [1, 24, 24, 'CPU'],
      ],
      ['24 sockets that are threads', [row('CPU(s)', 24), ...kind('CPU', 1, 24)], dmi(one(12, 24)), [1, 12, 24, 'CPU']],
      [
        '24 sockets, two processors',
        [row('CPU(s)', 24), ...kind('CPU', 1, 24)],
        dmi(one(12, 12), one(12, 12)),
        [2, 24, 24, 'CPU'],
      ],
      [
        'one socket of two is switched off',
        [row('CPU(s)', 8), ...kind('CPU', 8, 1)],
        dmi(one(8, 8), one(8, 8)),
        [1, 8, 8, 'CPU'],
      ],
    ])('%s', async (_name, rows, dmidecode, expected) => {
      expect(await cpusOf(rows, dmidecode)).toEqual(expected);
    });
  });

  testWithShell.each<[string, string | undefined]>([
    ['4C4C4544-0042-4D10-8054-B7C04F563233', '4c4c4544-0042-4d10-8054-b7c04f563233'],
    ['00000000-0000-0000-0000-000000000000', undefined],
    ['FFFFFFFF-FFFF-FFFF-FFFF-FFFFFFFFFFFF', undefined],
    ['03000200-0400-0500-0006-000700080009', undefined],
    ['Not Settable', undefined],
  ])('UUID %s of the board is %s', async (said, expected) => {
    const dmidecode = dell()['dmidecode.txt'].replace(/\tUUID: .*/, `\tUUID: ${said}`);
    expect((await stored({ ...dell(), 'dmidecode.txt': dmidecode })).system?.uuid).toBe(expected);
  });

  testWithShell('a hypervisor with more sockets than CPUs, and one without sockets', async () => {
    const row = (field: string, data: string) => ({ field: `${field}:`, data });
    const cpus = async (...rows: object[]) =>
      (await stored({ ...dell(), 'dmidecode.txt': '', 'lscpu.json': JSON.stringify({ lscpu: rows }) })).cpus;
    expect(await cpus(row('CPU(s)', '2'), row('Core(s) per socket', '1'), row('Socket(s)', '4'))).toEqual({
      count: 2,
      cores: 2,
      threads: 2,
    });
    expect(await cpus(row('CPU(s)', '6'), row('Socket(s)', '-'))).toEqual({ count: 1, cores: 6, threads: 6 });
  });
});
