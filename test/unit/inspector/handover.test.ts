import { createHash, randomBytes } from 'node:crypto';
import { execFileSync, spawnSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import os from 'node:os';
import path from 'node:path';
import { gzipSync, zstdCompressSync } from 'node:zlib';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, jest, test } from '@jest/globals';
import { tarGz } from '../../../inspector/build/tar.ts';
import { runParts, testWithQemuImg, testWithShell, type ShellRun } from '../../support/inspector.ts';

jest.setTimeout(120_000);

const TOKEN = 'tHIS-iS_tHE-sECRET-bEARER-0123456789abcdefgh';
const KERNEL = Buffer.from('a kernel');
// 13 bytes: what follows has to begin at a multiple of 4.
const INITRD = Buffer.from('an initrd lz4');
const IMAGE = tarGz([
  { path: 'boot/vmlinuz-6.1', content: KERNEL },
  { path: 'boot/initrd.img-6.1', content: INITRD },
]);

/** `half`: breaks off in the middle. */
type Serve = Buffer | number | 'half';
let images: Serve[] = [];
const asked: {
  method: string | undefined;
  url: string | undefined;
  authorization: string | undefined;
  range: string | undefined;
}[] = [];
/**
 * How the server of images treats a range: as asked for, as if it were not asked for, or with 400; the last as long as
 * nobody tells it.
 */
let ranges: 'served' | 'ignored' | 'refused' = 'served';
let isLengthTold = true;
let server: Server;
let base = '';
let run = '';

beforeAll(async () => {
  server = createServer(({ method, url, headers, socket }, response) => {
    const { authorization, range } = headers;
    asked.push({ method, url, authorization, range });
    const isTaken = images.length > 1 && (range === undefined || typeof images[0] === 'number');
    const next = isTaken ? images.shift() : images[0];
    const [, from, to] = /^bytes=(\d+)-(\d+)$/.exec(range ?? '') ?? [];
    if (method === 'HEAD') {
      // A pre-signed URL is signed for GET.
      response.writeHead(403).end();
    } else if (range !== undefined && ranges === 'refused') {
      response.writeHead(400).end();
    } else if (typeof next === 'object' && from !== undefined && ranges === 'served') {
      const part = next.subarray(Number(from), Number(to) + 1);
      const total = isLengthTold ? next.length : '*';
      response
        .writeHead(206, { 'content-range': `bytes ${from}-${Number(from) + part.length - 1}/${total}` })
        .end(part);
    } else if (typeof next === 'number' || next === undefined) {
      response.writeHead(next ?? 500).end();
    } else if (next === 'half') {
      response.writeHead(200, { 'content-length': IMAGE.length });
      response.write(IMAGE.subarray(0, 100), () => socket.destroy());
    } else {
      response.on('error', () => undefined);
      response.writeHead(200, isLengthTold ? { 'content-length': next.length } : {}).end(next);
    }
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  base = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
});
beforeEach(() => {
  asked.length = 0;
  ranges = 'served';
  isLengthTold = true;
  run = mkdtempSync(path.join(os.tmpdir(), 'beskar7-handover-'));
});
afterEach(() => rmSync(run, { recursive: true, force: true }));
afterAll(() => new Promise((resolve) => server.close(resolve)));

const digestOf = (bytes: Buffer) => `sha256:${createHash('sha256').update(bytes).digest('hex')}`;

/**
 * Runs a deployment up to where the machine itself would be changed; those programs are replaced by functions that say
 * what they got.
 */
async function deploy(step: string, serve: readonly Serve[], parameters: string, lines = ''): Promise<ShellRun> {
  images = [...serve];
  mkdirSync(path.join(run, 'handover'));
  writeFileSync(path.join(run, 'handover/user-data'), '#cloud-config\n');
  writeFileSync(
    path.join(run, 'cmdline'),
    `beskar7.api=${base} beskar7.namespace=n beskar7.host=h beskar7.provider-id=b7://n/h/m beskar7.token=${TOKEN} beskar7.target=${base}/image?signature=hidden ${parameters}`,
  );
  const done = await runParts(
    ['console', 'parameters', 'system', 'calls', 'target', 'kexec', 'disk'],
    `SERIAL_LINES=' /dev/ttyS0'
    kexec() { for word; do echo "kexec: $word"; done >"$RUN/kexec"; }
    blockdev() { :; }
    FACTS=$RUN
    HANDOVER_SECONDS=99999999
    ${lines}
    say() { echo "says: $1"; }
    read_parameters
    trap 'cat "$RUN/kexec" >&2 2>/dev/null' EXIT
    ${step} && echo ok || echo "problem: $PROBLEM"`,
    { CMDLINE: path.join(run, 'cmdline'), RUN: run, FIRST_WAIT: '0', FETCH_TRIES: '3' },
  );
  expect(done.output).not.toContain(TOKEN);
  expect(done.output).not.toContain('hidden');
  // The bearer is for Beskar7 alone.
  expect(asked.map(({ authorization }) => authorization).filter(Boolean)).toEqual([]);
  return done;
}
const last = ({ stdout }: ShellRun) => stdout.trim().split('\n').at(-1);

describe('Kexec', () => {
  testWithShell('loads kernel and initrd of the archive, with what is handed over behind the initrd', async () => {
    const done = await deploy('deploy_kexec', [IMAGE], `beskar7.target-digest=${digestOf(IMAGE)}`);
    expect(last(done)).toBe('ok');
    expect(done.output).toContain('says: the digest of the target image is right');
    expect(done.output).toContain(`kexec: ${run}/target/boot/vmlinuz-6.1`);
    expect(done.output).toContain('kexec: --command-line= console=tty0 console=ttyS0,115200');
    const initrd = readFileSync(path.join(run, 'target/boot/initrd.img-6.1'));
    const begin = initrd.indexOf('070701');
    expect(begin % 4).toBe(0);
    // 4 zeros at least: the end of an archive in lz4.
    expect(initrd.subarray(INITRD.length, begin).length).toBeGreaterThanOrEqual(4);
    expect(initrd.subarray(0, begin)).toEqual(Buffer.concat([INITRD, Buffer.alloc(begin - INITRD.length)]));
    const unpacked = path.join(run, 'unpacked');
    mkdirSync(unpacked);
    execFileSync('busybox', ['cpio', '-i', '-d'], { input: initrd.subarray(begin), cwd: unpacked, stdio: 'pipe' });
    const read = (name: string) => readFileSync(path.join(unpacked, 'beskar7', name), 'utf8');
    expect(read('user-data')).toBe('#cloud-config\n');
    expect(read('provider-id')).toBe('b7://n/h/m');
    expect(JSON.parse(read('meta-data.json'))).toEqual({ provider_id: 'b7://n/h/m', node_labels: '' });
    expect(read('report.env')).toBe(
      `BESKAR7_API='${base}'\nBESKAR7_NAMESPACE='n'\nBESKAR7_HOST='h'\nBESKAR7_TOKEN='${TOKEN}'\n`,
    );
    expect(statSync(path.join(unpacked, 'beskar7/report.env')).mode & 0o777).toBe(0o600);
  });

  testWithShell('a command line of its own, and our consoles where it names none', async () => {
    const withCmdline = (text: string) =>
      tarGz([
        { path: 'vmlinuz', content: KERNEL },
        { path: 'initrd', content: INITRD },
        { path: 'cmdline', content: Buffer.from(text) },
      ]);
    const quiet = await deploy('deploy_kexec', [withCmdline('quiet root=LABEL=x\n')], 'console=ttyS1,57600');
    expect(quiet.output).toContain('kexec: --command-line=quiet root=LABEL=x  console=ttyS1,57600');
    rmSync(path.join(run, 'handover'), { recursive: true, force: true });
    const own = await deploy('deploy_kexec', [withCmdline('console=tty7\n')], 'console=ttyS1,57600');
    expect(own.output).toMatch(/kexec: --command-line=console=tty7 ?$/m);
  });

  testWithShell('a wrong digest: nothing is loaded', async () => {
    const done = await deploy('deploy_kexec', [IMAGE], `beskar7.target-digest=sha256:${'0'.repeat(64)}`);
    expect(last(done)).toMatch(/^problem: TargetDigestMismatch: /);
    expect(done.output).not.toContain('kexec:');
  });

  testWithShell('a stream that breaks off begins anew', async () => {
    const done = await deploy('deploy_kexec', ['half', 503, IMAGE], `beskar7.target-digest=${digestOf(IMAGE)}`);
    expect(last(done)).toBe('ok');
    expect(asked).toHaveLength(3);
  });

  testWithShell.each<[string, readonly Serve[], RegExp, number]>([
    ['is not there', [404], /^problem: TargetUnreachable: /, 1],
    ['breaks off every time', ['half'], /^problem: TargetUnreachable: /, 3],
    ['is no archive', [Buffer.from('<html>')], /^problem: TargetUnusable: .* unpacked/, 1],
    ['has no kernel', [tarGz([{ path: 'initrd', content: INITRD }])], /^problem: TargetUnusable: .* no kernel/, 1],
    ['has no initrd', [tarGz([{ path: 'kernel', content: KERNEL }])], /^problem: TargetUnusable: .* no initrd/, 1],
  ])('a target that %s', async (_name, serve, problem, tries) => {
    const done = await deploy('deploy_kexec', serve, '');
    expect(last(done)).toMatch(problem);
    expect(asked).toHaveLength(tries);
    expect(done.output).not.toContain('kexec:');
  });

  const chosenOf = async (...names: string[]) => {
    const image = tarGz(names.map((name) => ({ path: name, content: Buffer.from(name) })));
    const done = await deploy('deploy_kexec', [image], `beskar7.target-digest=${digestOf(image)}`);
    const loaded =
      /kexec: .*\/target\/((?:boot\/|lib\/)?\S*(?:vmlinuz|kernel)\S*)\n[^]*kexec: --initrd=.*?\/target\/(\S+)/.exec(
        done.output,
      );
    return loaded === null ? last(done) : [loaded[1], loaded[2]];
  };
  testWithShell.each<[string, string[], string[]]>([
    [
      'not the rescue kernel, and its own initrd',
      [
        ...['boot/vmlinuz-0-rescue-0123abc', 'boot/initramfs-0-rescue-0123abc.img'],
        ...['boot/vmlinuz-6.1.0-25', 'boot/initramfs-6.1.0-25.img'],
      ],
      ['boot/vmlinuz-6.1.0-25', 'boot/initramfs-6.1.0-25.img'],
    ],
    [
      'the newest, by numbers',
      ['vmlinuz-6.1.0-9-amd64', 'initrd.img-6.1.0-9-amd64', 'vmlinuz-6.1.0-25-amd64', 'initrd.img-6.1.0-25-amd64'],
      ['vmlinuz-6.1.0-25-amd64', 'initrd.img-6.1.0-25-amd64'],
    ],
    [
      'a newer kernel without an initrd is left',
      ['vmlinuz-6.1.0-25', 'initrd.img-6.1.0-25', 'vmlinuz-6.2.0-1', 'initrd.img-6.1.0-25kdump'],
      ['vmlinuz-6.1.0-25', 'initrd.img-6.1.0-25'],
    ],
    [
      'the one without a version is what boots by default; an old one is not',
      ['vmlinuz', 'initrd.img', 'vmlinuz.old', 'initrd.img.old', 'boot/vmlinuz-6.9', 'boot/initrd.img-6.9'],
      ['vmlinuz', 'initrd.img'],
    ],
    [
      'a kernel among the modules, its initrd elsewhere',
      ['lib/modules/6.1/vmlinuz-6.1', 'boot/initramfs-6.1.img.zst'],
      ['lib/modules/6.1/vmlinuz-6.1', 'boot/initramfs-6.1.img.zst'],
    ],
    ['a signature is no kernel', ['kernel-1', 'kernel-1.sig', 'initrd-1'], ['kernel-1', 'initrd-1']],
    ['one of each, whatever their names', ['vmlinuz-a', 'initrd-b'], ['vmlinuz-a', 'initrd-b']],
    [
      'only a rescue system: that one',
      ['vmlinuz-0-rescue-1', 'initramfs-0-rescue-1.img'],
      ['vmlinuz-0-rescue-1', 'initramfs-0-rescue-1.img'],
    ],
  ])('of several kernels: %s', async (_name, files, expected) => {
    expect(await chosenOf(...files)).toEqual(expected);
  });

  testWithShell('kernels and initrds that do not belong together: none is started', async () => {
    expect(await chosenOf('vmlinuz-1', 'vmlinuz-2', 'initrd-3')).toMatch(
      /^problem: TargetUnusable: .* none belong together/,
    );
  });

  testWithShell('a kernel that cannot be loaded', async () => {
    const done = await deploy('deploy_kexec', [IMAGE], '', 'kexec() { echo "not a kernel" >&2; return 1; }');
    expect(last(done)).toMatch(/^problem: KexecFailed: /);
    expect(done.output).toContain('not a kernel');
  });
});

describe('WholeDisk', () => {
  const RAW = Buffer.alloc(3_000_001, 'raw image ');
  const disk = () => path.join(run, 'disk');
  /** A file stands for the disk; the choice and the config drive have their own tests. */
  const chosen = 'choose_disk() { CHOSEN=$RUN/disk; echo "size: $1"; }';
  const lines = `${chosen}\ndeliver_user_data() { echo "delivered: $1"; }`;
  beforeEach(() => writeFileSync(disk(), Buffer.alloc(20 * 1024 * 1024, 'old')));

  testWithShell('writes the image while it is hashed', async () => {
    const done = await deploy(
      'deploy_disk',
      [RAW],
      `beskar7.mode=WholeDisk beskar7.target-digest=${digestOf(RAW)}`,
      lines,
    );
    expect(last(done)).toBe('ok');
    expect(done.output).toContain(`size: ${RAW.length}`);
    expect(done.output).toContain(`delivered: ${disk()}`);
    expect(readFileSync(disk()).subarray(0, RAW.length).equals(RAW)).toBe(true);
  });

  testWithShell('user data that is due and cannot be delivered ends it', async () => {
    const wanted = `beskar7.mode=WholeDisk beskar7.target-digest=${digestOf(RAW)}`;
    const done = await deploy('deploy_disk', [RAW], wanted, `${chosen}\nsay_lines() { :; }`);
    expect(last(done)).toMatch(/^problem: UserDataNotDelivered: the image has no partition table/);
  });

  testWithShell('without a digest nothing is fetched and nothing written', async () => {
    const done = await deploy('deploy_disk', [RAW], 'beskar7.mode=WholeDisk', lines);
    expect(last(done)).toMatch(/^problem: TargetDigestMissing: /);
    expect(asked).toEqual([]);
  });

  testWithShell('a wrong digest: what was written does not boot', async () => {
    const wrong = `beskar7.mode=WholeDisk beskar7.target-digest=sha256:${'0'.repeat(64)}`;
    const done = await deploy('deploy_disk', [RAW], wrong, lines);
    expect(last(done)).toMatch(/^problem: TargetDigestMismatch: /);
    expect(
      readFileSync(disk())
        .subarray(0, 16 * 1024 * 1024)
        .every((byte) => byte === 0),
    ).toBe(true);
  });

  testWithShell('no disk, whatever the image: nothing is fetched', async () => {
    const none = `choose_disk() { PROBLEM='NoDiskFits: no disk fits'; return 1; }`;
    const done = await deploy(
      'deploy_disk',
      [RAW],
      `beskar7.mode=WholeDisk beskar7.target-digest=${digestOf(RAW)}`,
      none,
    );
    expect(last(done)).toBe('problem: NoDiskFits: no disk fits');
    expect(asked).toEqual([]);
  });

  testWithShell('a disk that cannot be written', async () => {
    const full = lines.replace('$RUN/disk', '/dev/full');
    const done = await deploy(
      'deploy_disk',
      [RAW],
      `beskar7.mode=WholeDisk beskar7.target-digest=${digestOf(RAW)}`,
      full,
    );
    expect(last(done)).toMatch(/^problem: TargetUnusable: .*written/);
  });

  const deployed = (image: Buffer, name = 'image', more = '') =>
    deploy(
      'deploy_disk',
      [image],
      `beskar7.mode=WholeDisk beskar7.target-digest=${digestOf(image)} beskar7.target=${base}/${name}?signature=hidden`,
      `${lines}\n${more}`,
    );
  const isUntouched = () => readFileSync(disk()).equals(Buffer.alloc(20 * 1024 * 1024, 'old'));
  const packed = (program: string, ...args: string[]) => {
    const { status, stdout } = spawnSync(program, args, { input: RAW, maxBuffer: 2 ** 26 });
    return status === 0 ? stdout : undefined;
  };

  testWithShell.each<[string, typeof ranges, boolean]>([
    ['by a range', 'served', true],
    ['by the length of the whole, where ranges are ignored', 'ignored', true],
    ['by the length of the whole, where ranges are refused', 'refused', true],
    ['by fetching it twice, where nobody tells it', 'ignored', false],
    ['by fetching it twice, where a range does not tell it', 'served', false],
  ])('HEAD is refused: the size is known %s', async (_name, how, isTold) => {
    ranges = how;
    isLengthTold = isTold;
    const done = await deployed(RAW);
    expect(last(done)).toBe('ok');
    expect(done.output).toContain(`size: ${RAW.length}`);
    expect(done.output.includes('measures')).toBe(!isTold);
    expect(readFileSync(disk()).subarray(0, RAW.length).equals(RAW)).toBe(true);
  });

  testWithShell('a server that fails for a moment is asked again before a disk is chosen', async () => {
    const done = await deploy(
      'deploy_disk',
      [503, RAW],
      `beskar7.mode=WholeDisk beskar7.target-digest=${digestOf(RAW)}`,
      lines,
    );
    expect(last(done)).toBe('ok');
    expect(done.output).toContain(`size: ${RAW.length}`);
  });

  const PACKINGS: readonly (readonly [string, Buffer | undefined])[] = [
    ['raw.gz', gzipSync(RAW)],
    ['raw.gz of two members', Buffer.concat([gzipSync(RAW.subarray(0, 9999)), gzipSync(RAW.subarray(9999))])],
    ['raw.zst', packed('zstd', '-c', '-q') && zstdCompressSync(RAW)],
    ['raw.xz', packed('xz', '-c')],
    ['raw.bz2', packed('bzip2', '-c')],
    // By content: the name says nothing.
    ['disk', gzipSync(RAW)],
  ];
  // Without those whose program is not installed here.
  const possible = PACKINGS.flatMap(([name, image]) => (image === undefined ? [] : [[name, image] as const]));
  testWithShell.each(possible)('%s: unpacked, on a disk that has room for what it unpacks to', async (name, image) => {
    const done = await deployed(image, encodeURIComponent(name));
    expect(last(done)).toBe('ok');
    expect(done.output).toContain(`size: ${RAW.length}`);
    expect(readFileSync(disk()).subarray(0, RAW.length).equals(RAW)).toBe(true);
  });

  /** By the program, of a file: the size stands in the header then. */
  const zstdOf = (raw: Buffer, ...options: string[]) => {
    writeFileSync(path.join(run, 'raw'), raw);
    const { status, stdout } = spawnSync('zstd', ['-c', '-q', ...options, path.join(run, 'raw')], {
      maxBuffer: 2 ** 26,
    });
    if (status !== 0) throw new Error('zstd failed');
    return stdout;
  };
  const testWithZstd = packed('zstd', '-c', '-q') === undefined ? test.skip : testWithShell;
  const noise = randomBytes(1_000_000);
  testWithZstd.each<[string, () => Buffer, Buffer, boolean]>([
    ['whose header has the size', () => zstdOf(RAW), RAW, false],
    ['whose header has it in two bytes', () => zstdOf(RAW.subarray(0, 65_700)), RAW.subarray(0, 65_700), false],
    ['packed as one segment', () => zstdOf(RAW.subarray(0, 66_000), '-19'), RAW.subarray(0, 66_000), false],
    ['whose header has none', () => zstdOf(RAW, '--no-content-size'), RAW, true],
    ['whose first block is longer than what is looked at', () => zstdOf(noise), noise, true],
    [
      'of two frames: the first one does not tell all',
      () => Buffer.concat([zstdOf(RAW), zstdOf(RAW)]),
      Buffer.concat([RAW, RAW]),
      false,
    ],
  ])('zstd %s: fetched twice only where it has to be', async (_name, pack, raw, isMeasured) => {
    const done = await deployed(pack(), 'image.zst');
    expect(last(done)).toBe('ok');
    expect(done.output.includes('measures')).toBe(isMeasured);
    expect(readFileSync(disk()).subarray(0, raw.length).equals(raw)).toBe(true);
  });

  testWithZstd('zstd of what is no disk image: refused before a byte is written', async () => {
    const done = await deployed(zstdOf(Buffer.concat([Buffer.from('QFI\xfb', 'latin1'), RAW])), 'image.zst');
    expect(last(done)).toMatch(/unpacks to is qcow2/);
    expect(isUntouched()).toBe(true);
  });

  const at = (offset: number, bytes: string | Buffer) => {
    const image = Buffer.alloc(100_000, 7);
    Buffer.from(bytes as string).copy(image, offset);
    return image;
  };
  testWithShell.each<[string, Buffer, RegExp]>([
    ['disk.qed', at(0, Buffer.from('QED\0', 'latin1')), /is QED, no raw disk image: convert it/],
    ['disk.vmdk', at(0, 'KDMV\x01'), /is VMDK/],
    ['disk.vhdx', at(0, 'vhdxfile'), /is VHDX/],
    ['disk.vdi', at(64, Buffer.from('7f10dabe', 'hex')), /is VDI/],
    ['disk.raw', at(257, 'ustar'), /is an archive \(tar\)/],
    ['disk.lz4', at(0, Buffer.from('04224d18', 'hex')), /is lz4/],
    ['disk.zip', at(0, 'PK\x03\x04'), /is zip/],
    ['disk.br', at(0, '?'), /is brotli/],
    ['disk.iso', at(32769, 'CD001'), /is an ISO for CDs alone/],
    ['page', Buffer.from('<!DOCTYPE html><html>'), /is a page of text/],
    ['tar.gz for Kexec', IMAGE, /what the target image unpacks to is an archive \(tar\)/],
    ['qcow2.gz', gzipSync(at(0, Buffer.from('QFI\xfb', 'latin1'))), /unpacks to is qcow2/],
    ['raw.gz.gz', gzipSync(gzipSync(RAW)), /packed once more, with gzip/],
    ['broken.gz', gzipSync(RAW).subarray(0, 2000), /could not be unpacked/],
    ['empty', Buffer.alloc(0), /is empty/],
    ['empty.gz', gzipSync(''), /is empty/],
  ])('%s with the right digest is refused before a byte is written', async (name, image, problem) => {
    const done = await deployed(image, encodeURIComponent(name));
    expect(last(done)).toMatch(/^problem: TargetUnusable: /);
    expect(last(done)).toMatch(problem);
    expect(isUntouched()).toBe(true);
  });

  testWithShell('without the program that unpacks it: refused before a byte is written', async () => {
    const done = await deployed(at(0, Buffer.from('28b52ffd', 'hex')), 'disk.zst', 'command() { return 1; }');
    expect(last(done)).toMatch(/^problem: TargetUnusable: .* is zstd, which this inspector cannot unpack/);
    expect(isUntouched()).toBe(true);
  });

  describe('qcow2', () => {
    /** Of a raw image of whole sectors, with the options of `qemu-img convert`. */
    const qcow2Of = (raw: Buffer, ...options: string[]) => {
      writeFileSync(path.join(run, 'raw'), raw);
      execFileSync(
        'qemu-img',
        ['convert', '-f', 'raw', '-O', 'qcow2', ...options, path.join(run, 'raw'), path.join(run, 'q')],
        { stdio: 'pipe' },
      );
      return readFileSync(path.join(run, 'q'));
    };
    const SECTORS = Buffer.concat([RAW.subarray(0, 1_000_448), Buffer.alloc(2 ** 21), RAW.subarray(0, 512)]);
    const written = () => readFileSync(disk()).subarray(0, SECTORS.length).equals(SECTORS);
    const inMemory = (kB: number) => {
      writeFileSync(path.join(run, 'meminfo'), `MemTotal: 1 kB\nMemAvailable:   ${kB} kB\n`);
      return `MEMINFO=$RUN/meminfo
        blockdev() { wc -c <"$2"; }
        choose_disk() { PROBLEM='NoDiskFits: no disk fits'; CHOSEN=$RUN/disk; [ "$1" -le ${SECTORS.length} ]; }
        deliver_user_data() { ls "$RUN"; }`;
    };
    const size = 'blockdev() { wc -c <"$2"; }';

    testWithQemuImg.each([
      ['as it is', []],
      ['compressed', ['-c']],
      ['compressed with zstd', ['-c', '-o', 'compression_type=zstd']],
      ['of version 2', ['-o', 'compat=0.10']],
      ['with small clusters', ['-o', 'cluster_size=4k']],
    ])('%s: unpacked to the disk, zeros where it has none', async (_name, options) => {
      const done = await deployed(qcow2Of(SECTORS, ...options), 'disk.qcow2', size);
      expect(last(done)).toBe('ok');
      expect(written()).toBe(true);
    });

    testWithQemuImg(
      'its size is known before the disk is chosen, also where nobody tells that of the file',
      async () => {
        isLengthTold = false;
        const image = qcow2Of(SECTORS);
        const done = await deployed(image, 'disk.qcow2', size);
        expect(last(done)).toBe('ok');
        expect(done.output).toContain(`size: ${SECTORS.length + image.length + 2 ** 21}`);
        expect(written()).toBe(true);
      },
    );

    testWithQemuImg('no room for both on the disk: it is kept in memory, and nothing is left of it', async () => {
      const done = await deployed(qcow2Of(SECTORS), 'disk.qcow2', inMemory(100_000));
      expect(done.output).toContain('keeps the qcow2 image in memory');
      expect(last(done)).toBe('ok');
      expect(written()).toBe(true);
      expect(done.stdout.split('\n')).not.toContain('image.qcow2');
    });

    testWithQemuImg.each([
      ['on the disk', () => size],
      ['in memory', () => inMemory(100_000)],
    ])('a file that ends within a sector, kept %s', async (_name, lineOf) => {
      const image = Buffer.concat([qcow2Of(SECTORS), Buffer.alloc(8)]);
      expect(last(await deployed(image, 'disk.qcow2', lineOf()))).toBe('ok');
      expect(written()).toBe(true);
    });

    testWithQemuImg('and no room in memory: nothing is fetched, nothing written', async () => {
      const done = await deployed(qcow2Of(SECTORS), 'disk.qcow2', inMemory(100));
      expect(last(done)).toMatch(/^problem: NoDiskFits: .*qcow2 \d+ more while it is unpacked/);
      expect(isUntouched()).toBe(true);
    });

    testWithQemuImg('one that is based on another file, which would be opened here: refused', async () => {
      const based = qcow2Of(SECTORS);
      based.writeBigUInt64BE(100n, 8);
      expect(last(await deployed(based, 'disk.qcow2', size))).toMatch(/^problem: TargetUnusable: .*another image/);
      expect(isUntouched()).toBe(true);
    });

    testWithQemuImg.each<[string, (image: Buffer) => void, RegExp]>([
      ['encrypted', (image) => image.writeUInt32BE(2, 32), /encrypted/],
      ['its data in another file', (image) => image.writeUInt8(4, 79), /in another file/],
      ['of version 9', (image) => image.writeUInt32BE(9, 4), /version is not known/],
    ])('%s: refused', async (_name, change, problem) => {
      const image = qcow2Of(SECTORS);
      change(image);
      expect(last(await deployed(image, 'disk.qcow2', size))).toMatch(problem);
      expect(isUntouched()).toBe(true);
    });

    testWithQemuImg('a wrong digest: nothing of it is unpacked, and the disk does not boot', async () => {
      const wrong = `beskar7.mode=WholeDisk beskar7.target-digest=sha256:${'0'.repeat(64)}`;
      const done = await deploy('deploy_disk', [qcow2Of(SECTORS)], wrong, `${lines}\n${size}`);
      expect(last(done)).toMatch(/^problem: TargetDigestMismatch: /);
      expect(
        readFileSync(disk())
          .subarray(0, 16 * 1024 * 1024)
          .every((byte) => byte === 0),
      ).toBe(true);
    });

    testWithQemuImg('broken inside', async () => {
      const image = qcow2Of(SECTORS);
      image.fill(0xff, 65_536);
      expect(last(await deployed(image, 'disk.qcow2', size))).toMatch(/^problem: TargetUnusable: .*unpacked/);
    });
  });

  testWithShell('a packed image with a wrong digest: no disk is touched at all', async () => {
    const wrong = `beskar7.mode=WholeDisk beskar7.target-digest=sha256:${'0'.repeat(64)}`;
    const done = await deploy('deploy_disk', [gzipSync(RAW)], wrong, lines);
    expect(last(done)).toMatch(/^problem: TargetDigestMismatch: /);
    expect(isUntouched()).toBe(true);
  });

  testWithShell('a stream that breaks off for good: what was written does not boot', async () => {
    const done = await deploy(
      'deploy_disk',
      [RAW],
      `beskar7.mode=WholeDisk beskar7.target-digest=${digestOf(RAW)}`,
      `${lines}\nstream() { echo written | dd of="$CHOSEN" conv=notrunc 2>/dev/null; PROBLEM='TargetUnreachable: x'; return 1; }`,
    );
    expect(last(done)).toBe('problem: TargetUnreachable: x');
    expect(
      readFileSync(disk())
        .subarray(0, 16 * 1024 * 1024)
        .every((byte) => byte === 0),
    ).toBe(true);
  });
});
