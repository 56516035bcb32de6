import { createHash } from 'node:crypto';
import { execFileSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import os from 'node:os';
import path from 'node:path';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, jest } from '@jest/globals';
import { tarGz } from '../../../inspector/build/tar.ts';
import { runParts, testWithShell, type ShellRun } from '../../support/inspector.ts';

jest.setTimeout(60_000);

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
const asked: { method: string | undefined; url: string | undefined; authorization: string | undefined }[] = [];
let server: Server;
let base = '';
let run = '';

beforeAll(async () => {
  server = createServer(({ method, url, headers, socket }, response) => {
    asked.push({ method, url, authorization: headers.authorization });
    const next = images.length > 1 && method !== 'HEAD' ? images.shift() : images[0];
    if (typeof next === 'number' || next === undefined) {
      response.writeHead(next ?? 500).end();
    } else if (next === 'half') {
      response.writeHead(200, { 'content-length': IMAGE.length });
      response.write(IMAGE.subarray(0, 100), () => socket.destroy());
    } else {
      response.writeHead(200, { 'content-length': next.length }).end(next);
    }
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  base = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
});
beforeEach(() => {
  asked.length = 0;
  run = mkdtempSync(path.join(os.tmpdir(), 'beskar7-handover-'));
});
afterEach(() => rmSync(run, { recursive: true, force: true }));
afterAll(() => new Promise((resolve) => server.close(resolve)));

const digestOf = (bytes: Buffer) => `sha256:${createHash('sha256').update(bytes).digest('hex')}`;

/** Runs a deployment up to where the machine itself would be changed; those programs are replaced by functions that say what they got. */
async function deploy(step: string, serve: readonly Serve[], parameters: string, lines = ''): Promise<ShellRun> {
  images = [...serve];
  mkdirSync(path.join(run, 'handover'));
  writeFileSync(path.join(run, 'handover/user-data'), '#cloud-config\n');
  writeFileSync(
    path.join(run, 'cmdline'),
    `beskar7.api=${base} beskar7.namespace=n beskar7.host=h beskar7.token=${TOKEN} beskar7.target=${base}/image?signature=hidden ${parameters}`,
  );
  const done = await runParts(
    ['console', 'parameters', 'system', 'calls', 'target', 'kexec', 'disk'],
    `SERIAL_LINES=' /dev/ttyS0'
    kexec() { for word; do echo "kexec: $word"; done >"$RUN/kexec"; }
    blockdev() { :; }
    findfs() { return 1; }
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
    expect(read('provider-id')).toBe('b7://n/h');
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

  testWithShell('a kernel that cannot be loaded', async () => {
    const done = await deploy('deploy_kexec', [IMAGE], '', 'kexec() { echo "not a kernel" >&2; return 1; }');
    expect(last(done)).toMatch(/^problem: KexecFailed: /);
    expect(done.output).toContain('not a kernel');
  });
});

describe('WholeDisk', () => {
  const RAW = Buffer.alloc(3_000_001, 'raw image ');
  const disk = () => path.join(run, 'disk');
  /** A file stands for the disk; the choice has its own tests. */
  const lines = 'choose_disk() { CHOSEN=$RUN/disk; echo "size: $1"; }';
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
    expect(readFileSync(disk()).subarray(0, RAW.length).equals(RAW)).toBe(true);
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

  testWithShell('no disk: nothing is fetched but the size', async () => {
    const none = `choose_disk() { PROBLEM='NoDiskFits: no disk fits'; return 1; }`;
    const done = await deploy(
      'deploy_disk',
      [RAW],
      `beskar7.mode=WholeDisk beskar7.target-digest=${digestOf(RAW)}`,
      none,
    );
    expect(last(done)).toBe('problem: NoDiskFits: no disk fits');
    expect(asked.map(({ method }) => method)).toEqual(['HEAD']);
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
});
