import { execFileSync, spawnSync } from 'node:child_process';
import {
  closeSync,
  existsSync,
  ftruncateSync,
  mkdirSync,
  mkdtempSync,
  openSync,
  readFileSync,
  rmSync,
  writeFileSync,
  writeSync,
} from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { afterEach, beforeEach, describe, expect, jest } from '@jest/globals';
import { parse } from 'yaml';
import { runParts, testWithDisks, type ShellRun } from '../../support/inspector.ts';

jest.setTimeout(60_000);

const MIB = 2 ** 20;
const USER_DATA = '#cloud-config\nhostname: "ü"\n';
let run = '';
const disk = () => path.join(run, 'disk');

// In memory where there is one: sfdisk and dd wait until a disk has what they write.
const scratch = existsSync('/dev/shm') ? '/dev/shm' : os.tmpdir();
beforeEach(() => {
  run = mkdtempSync(path.join(scratch, 'beskar7-drive-'));
});
afterEach(() => rmSync(run, { recursive: true, force: true }));

interface Disk {
  /** Lines for sfdisk; undefined: no partition table. */
  readonly table: string | undefined;
  readonly imageMiB?: number;
  readonly diskMiB?: number;
  /** File systems of the image: MiB from its beginning, MiB, label. */
  readonly fat?: readonly (readonly [number, number, string])[];
}

/** A disk on which an image was written that is smaller than the disk. */
function write({ table, imageMiB = 24, diskMiB = 96, fat = [] }: Disk): void {
  const file = openSync(disk(), 'w');
  ftruncateSync(file, imageMiB * MIB);
  closeSync(file);
  if (table !== undefined) execFileSync('sfdisk', ['-q', disk()], { input: table });
  for (const [at, size, label] of fat) {
    const image = path.join(run, 'fat');
    execFileSync('mkfs.fat', ['-n', label, '-C', image, String(size * 1024)], { stdio: 'pipe' });
    const opened = openSync(disk(), 'r+');
    writeSync(opened, readFileSync(image), 0, undefined, at * MIB);
    closeSync(opened);
    rmSync(image);
  }
  const whole = openSync(disk(), 'r+');
  ftruncateSync(whole, diskMiB * MIB);
  closeSync(whole);
}

const GPT = 'label: gpt\nstart=1MiB, size=8MiB, name=root\n';
const MBR = 'label: dos\nstart=1MiB, size=8MiB, type=83\n';

async function deliver(data: string | Buffer = USER_DATA, lines = ''): Promise<ShellRun> {
  mkdirSync(path.join(run, 'handover'), { recursive: true });
  writeFileSync(path.join(run, 'handover/user-data'), data);
  writeFileSync(path.join(run, 'handover/provider-id'), 'b7://n/h/m');
  return runParts(
    ['console', 'disk'],
    `SERIAL_LINES=''
    say() { echo "says: $1"; }
    say_lines() { cat "$1"; }
    blockdev() { case $1 in --getsize64) wc -c <"$2" ;; --getss) echo 512 ;; esac; }
    USER_DATA=Auto FORMAT=cloud-config PROVIDER_ID=b7://n/h/m NODE_NAME=worker-1
    ${lines}
    deliver_user_data "$RUN/disk" && echo ok || echo "problem: $PROBLEM"`,
    { RUN: run },
  );
}
const last = ({ stdout }: ShellRun) => stdout.trim().split('\n').at(-1);

interface Partition {
  readonly start: number;
  readonly size: number;
  readonly name?: string;
}
/** The partition table as another program reads it: sfdisk says on its standard error what is wrong with it. */
function partitions(isRight = true): readonly Partition[] {
  const { stdout, stderr } = spawnSync('sfdisk', ['-J', disk()], { encoding: 'utf8' });
  // The backup of a GPT is not at the end of the disk yet.
  if (isRight) expect(stderr).toBe('');
  return (JSON.parse(stdout) as { partitiontable: { partitions: Partition[] } }).partitiontable.partitions;
}
/** Empty where there is no file system. */
const labelOf = ({ start, size }: Partition) =>
  spawnSync(
    'blkid',
    ['-p', '-o', 'value', '-s', 'LABEL', '-O', String(start * 512), '-S', String(size * 512), disk()],
    { encoding: 'utf8' },
  ).stdout.trim();
const drive = (label: string) => {
  const found = partitions().filter((one) => labelOf(one) === label);
  expect(found).toHaveLength(1);
  return found[0] as Partition;
};
const readIn = (label: string, file: string) =>
  execFileSync('mtype', ['-i', `${disk()}@@${drive(label).start * 512}`, `::/${file}`], {
    env: { ...process.env, MTOOLS_SKIP_CHECK: '1' },
  });

describe('user data on the disk of an image that brings no place for it', () => {
  testWithDisks('the meta-data says where the machine runs, and which labels its Node gets', async () => {
    const told = {
      failure_domain: 'zone: "a"',
      region: 'eu',
      node_labels: 'rack.example.com/row=7,topology.kubernetes.io/zone=a',
      provider_id: 'b7://n/h/other',
      extra: 1,
    };
    const meta = { ...told, provider_id: 'b7://n/h/m', extra: undefined };
    write({ table: GPT });
    const header = Buffer.from(JSON.stringify(told)).toString('base64');
    expect(last(await deliver(USER_DATA, `META_DATA=${header}`))).toBe('ok');
    const noCloud = readIn('cidata', 'meta-data').toString();
    expect(parse(noCloud)).toEqual(
      JSON.parse(JSON.stringify({ 'instance-id': 'b7://n/h/m', 'local-hostname': 'worker-1', ...meta })),
    );
    expect(JSON.parse(readIn('config-2', 'openstack/latest/meta_data.json').toString())).toMatchObject({
      uuid: 'b7://n/h/m',
      availability_zone: 'zone: "a"',
      ...JSON.parse(JSON.stringify(meta)),
    });
  });

  testWithDisks.each([
    ['none', ''],
    ['that is no base64', '%%%'],
    ['that is no JSON', Buffer.from('{"node_labels":').toString('base64')],
    ['that is no object', Buffer.from('[1]').toString('base64')],
    ['of other types', Buffer.from('{"node_labels":1,"region":null}').toString('base64')],
  ])('a header %s: the meta-data has what is known without it', async (_name, header) => {
    write({ table: GPT });
    expect(last(await deliver(USER_DATA, `META_DATA='${header}'`))).toBe('ok');
    expect(parse(readIn('cidata', 'meta-data').toString())).toEqual({
      'instance-id': 'b7://n/h/m',
      'local-hostname': 'worker-1',
      provider_id: 'b7://n/h/m',
      node_labels: '',
    });
  });

  testWithDisks.each([
    ['GPT', GPT],
    ['MBR', MBR],
  ])('%s: cloud-init finds it as NoCloud and as ConfigDrive', async (_name, table) => {
    write({ table });
    const [root] = partitions(false);
    expect(last(await deliver())).toBe('ok');
    expect(readIn('cidata', 'user-data').toString()).toBe(USER_DATA);
    expect(readIn('cidata', 'meta-data').toString()).toBe(
      'instance-id: b7://n/h/m\nlocal-hostname: worker-1\nprovider_id: "b7://n/h/m"\nnode_labels: ""\n',
    );
    expect(readIn('cidata', 'beskar7/provider-id').toString()).toBe('b7://n/h/m');
    expect(readIn('config-2', 'openstack/latest/user_data').toString()).toBe(USER_DATA);
    expect(JSON.parse(readIn('config-2', 'openstack/latest/meta_data.json').toString())).toEqual({
      uuid: 'b7://n/h/m',
      hostname: 'worker-1',
      name: 'worker-1',
      provider_id: 'b7://n/h/m',
      node_labels: '',
    });
    // The image's own partition is where it was, and can grow up to the drives, which are at the end of the disk.
    const [first, ...drives] = partitions();
    expect(first).toMatchObject({ start: root?.start, size: root?.size });
    const ends = drives.map(({ start, size }) => start + size);
    expect(Math.max(...ends) * 512).toBeGreaterThan(94 * MIB);
    expect(Math.max(...ends) * 512).toBeLessThanOrEqual(96 * MIB);
    expect(drives.map(({ start }) => (start * 512) % MIB)).toEqual([0, 0]);
  });

  testWithDisks('the backup of a GPT is moved to the end of the disk, and is right', async () => {
    write({ table: GPT });
    expect(readFileSync(disk()).subarray(-512).toString('latin1', 0, 8)).not.toBe('EFI PART');
    await deliver();
    expect(readFileSync(disk()).subarray(-512).toString('latin1', 0, 8)).toBe('EFI PART');
    expect(execFileSync('sfdisk', ['-V', disk()], { encoding: 'utf8' })).toContain('No errors detected.');
  });

  testWithDisks('an image whose backup of the GPT is cut off', async () => {
    write({ table: GPT, imageMiB: 24 });
    const file = openSync(disk(), 'r+');
    writeSync(file, Buffer.alloc(MIB), 0, MIB, 23 * MIB);
    closeSync(file);
    expect(last(await deliver())).toBe('ok');
    expect(readIn('cidata', 'user-data').toString()).toBe(USER_DATA);
  });

  testWithDisks('Ignition reads ConfigDrive alone', async () => {
    write({ table: GPT });
    expect(last(await deliver('{"ignition":{"version":"3.4.0"}}', 'FORMAT=ignition'))).toBe('ok');
    expect(partitions().slice(1).map(labelOf)).toEqual(['config-2']);
    expect(readIn('config-2', 'openstack/latest/user_data').toString()).toBe('{"ignition":{"version":"3.4.0"}}');
  });

  testWithDisks.each([
    ['NoCloud', 'cidata', 'user-data'],
    ['ConfigDrive', 'config-2', 'openstack/latest/user_data'],
    ['Talos', 'metal-iso', 'config.yaml'],
  ])('spec.userData: %s', async (userData, label, file) => {
    write({ table: GPT });
    expect(last(await deliver(USER_DATA, `USER_DATA=${userData}`))).toBe('ok');
    expect(partitions().slice(1).map(labelOf)).toEqual([label]);
    expect(readIn(label, file).toString()).toBe(USER_DATA);
  });

  testWithDisks('1 MiB of bytes, as a Secret can hold it', async () => {
    const data = Buffer.alloc(MIB, Buffer.from([0x1f, 0x8b, 0, 255, 10]));
    write({ table: GPT });
    expect(last(await deliver(data))).toBe('ok');
    expect(readIn('cidata', 'user-data').equals(data)).toBe(true);
    expect(readIn('config-2', 'openstack/latest/user_data').equals(data)).toBe(true);
  });

  testWithDisks('room for one drive only: the one that matters most', async () => {
    write({ table: GPT, diskMiB: 32 });
    expect(last(await deliver())).toBe('ok');
    expect(partitions().slice(1).map(labelOf)).toEqual(['cidata']);
  });

  testWithDisks('one free entry in an old partition table: the same', async () => {
    write({ table: `${MBR}start=9MiB, size=1MiB\nstart=10MiB, size=1MiB\n` });
    expect(last(await deliver())).toBe('ok');
    expect(partitions().slice(3).map(labelOf)).toEqual(['cidata']);
  });
});

describe('user data on the disk of an image that brings a drive', () => {
  const BRINGS = `${GPT}start=9MiB, size=8MiB, name=seed\n`;

  testWithDisks.each([
    ['cidata', 'user-data'],
    ['CIDATA', 'user-data'],
    ['config-2', 'openstack/latest/user_data'],
  ])('%s: that one is used, and no second one made', async (label, file) => {
    write({ table: BRINGS, fat: [[9, 8, label]] });
    expect(last(await deliver())).toBe('ok');
    expect(partitions()).toHaveLength(2);
    expect(readIn(label, file).toString()).toBe(USER_DATA);
  });

  testWithDisks('one that its kind of user data does not go into is left as it is', async () => {
    write({ table: BRINGS, fat: [[9, 8, 'cidata']] });
    expect(last(await deliver('{}', 'FORMAT=ignition'))).toBe('ok');
    expect(readIn('config-2', 'openstack/latest/user_data').toString()).toBe('{}');
    expect(spawnSync('mtype', ['-i', `${disk()}@@${9 * MIB}`, '::/user-data']).status).not.toBe(0);
  });

  testWithDisks('one that is too small', async () => {
    write({ table: BRINGS, fat: [[9, 1, 'cidata']] });
    expect(last(await deliver(Buffer.alloc(1_000_000)))).toMatch(/^problem: UserDataNotDelivered: .*has it room/);
  });
});

describe('user data that cannot be delivered', () => {
  const cases: [string, Disk, RegExp][] = [
    ['no partition table', { table: undefined }, /no partition table/],
    ['no room behind the image', { table: GPT, diskMiB: 24 }, / MiB behind the image, and a config drive needs 19/],
    [
      'an old partition table that is full',
      { table: `${MBR}start=9MiB, size=1MiB\nstart=10MiB, size=1MiB\nstart=11MiB, size=1MiB\n` },
      /no free entry/,
    ],
  ];
  testWithDisks.each(cases)('%s: the machine fails, and says why', async (_name, given, problem) => {
    write(given);
    const done = await deliver();
    expect(last(done)).toMatch(/^problem: UserDataNotDelivered: /);
    expect(last(done)).toMatch(problem);
  });

  testWithDisks.each(cases)('%s, and none is due: the OS starts without', async (_name, given, problem) => {
    write(given);
    const done = await deliver('');
    expect(last(done)).toBe('ok');
    expect(done.stdout).toMatch(/says: no user data is due/);
    expect(done.stdout).toMatch(problem);
  });
});
