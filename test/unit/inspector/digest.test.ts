import { createHash } from 'node:crypto';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import os from 'node:os';
import path from 'node:path';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, jest } from '@jest/globals';
import { runParts, testWithShell, type ShellRun } from '../../support/inspector.ts';

jest.setTimeout(120_000);

const IMAGE = Buffer.alloc(3_000_000, 'raw image ');
const hexOf = (algorithm: string, bytes: Buffer | string = IMAGE) => createHash(algorithm).update(bytes).digest('hex');
const S256 = hexOf('sha256');
const S512 = hexOf('sha512');
const OTHER = hexOf('sha256', 'another file');

let run = '';
let server: Server;
let base = '';
/** What the server sends of the image in each of the next answers, in bytes; absent: all that is asked for. */
let cuts: number[] = [];
let etag: string | undefined = '"v1"';
let knowsRanges = true;
let checksums: string | Buffer | number = '';
const asked: { url: string | undefined; range: string | undefined; ifRange: string | undefined }[] = [];

beforeAll(async () => {
  server = createServer(({ url, headers, socket }, response) => {
    const { range } = headers;
    asked.push({ url, range, ifRange: headers['if-range'] as string | undefined });
    if (url?.startsWith('/SUMS') === true) {
      if (typeof checksums === 'number') return void response.writeHead(checksums).end();
      return void response.writeHead(200).end(checksums);
    }
    const [, from = ''] = /^bytes=(\d+)-$/.exec(range ?? '') ?? [];
    const isSame = headers['if-range'] === undefined || headers['if-range'] === etag;
    const isPart = from !== '' && knowsRanges && isSame;
    const rest = IMAGE.subarray(isPart ? Number(from) : 0);
    response.writeHead(isPart ? 206 : 200, {
      'content-length': rest.length,
      ...(isPart ? { 'content-range': `bytes ${from}-${IMAGE.length - 1}/${IMAGE.length}` } : {}),
      ...(etag === undefined ? {} : { etag }),
    });
    const cut = cuts.shift();
    response.on('error', () => undefined);
    if (cut === undefined) response.end(rest);
    else response.write(rest.subarray(0, cut), () => socket.destroy());
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  base = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
});
beforeEach(() => {
  asked.length = 0;
  cuts = [];
  etag = '"v1"';
  knowsRanges = true;
  run = mkdtempSync(path.join(os.tmpdir(), 'beskar7-digest-'));
});
afterEach(() => rmSync(run, { recursive: true, force: true }));
afterAll(() => new Promise((resolve) => server.close(resolve)));

/** In BusyBox's awk, which the image has. */
const shell = (lines: string): Promise<ShellRun> =>
  runParts(
    ['console', 'parameters', 'system', 'calls', 'target'],
    `SERIAL_LINES='' HANDOVER_SECONDS=99999999 CA=''
    awk() { busybox awk "$@"; }
    say() { echo "says: $1"; }
    ${lines}`,
    { RUN: run, FIRST_WAIT: '0', FETCH_TRIES: '3' },
  );
const last = ({ stdout }: ShellRun) => stdout.trim().split('\n').at(-1);

describe('a checksum file', () => {
  const says = async (text: string, name = 'disk.raw') => {
    writeFileSync(path.join(run, 'sums'), text);
    return (await shell(`checksum_of '${name}' <"$RUN/sums"`)).stdout.trim();
  };

  testWithShell.each<[string, string, string]>([
    ['sha256sum', `${OTHER}  other.raw\n${S256}  disk.raw\n`, `sha256:${S256}`],
    ['sha256sum -b (Ubuntu)', `${OTHER} *other.raw\n${S256} *disk.raw\n`, `sha256:${S256}`],
    ['sha512sum (Debian)', `${S512}  disk.raw\n`, `sha512:${S512}`],
    ['with folders', `${S256}  ./amd64/disk.raw\n`, `sha256:${S256}`],
    ['BSD (Rocky)', `# disk.raw: 3000000 bytes\nSHA256 (disk.raw) = ${S256}\n`, `sha256:${S256}`],
    ['BSD without blanks', `SHA512(disk.raw)=${S512}\n`, `sha512:${S512}`],
    [
      'signed (Fedora)',
      `-----BEGIN PGP SIGNED MESSAGE-----\nHash: SHA256\n\nSHA256 (disk.raw) = ${S256}\n-----BEGIN PGP SIGNATURE-----\n\niQ==\n`,
      `sha256:${S256}`,
    ],
    [
      'several kinds (Flatcar)',
      `# MD5 HASH\n${'a'.repeat(32)}  disk.raw\n# SHA1 HASH\n${'b'.repeat(40)}  disk.raw\n# SHA512 HASH\n${S512}  disk.raw\n`,
      `sha512:${S512}`,
    ],
    ['one digest alone', `${S256}\n`, `sha256:${S256}`],
    ['in upper case, with carriage returns', `${S256.toUpperCase()}  disk.raw\r\n`, `sha256:${S256}`],
    ['the same line twice', `${S256}  disk.raw\n${S256}  old/disk.raw\n`, `sha256:${S256}`],
  ])('%s', async (_name, text, expected) => {
    expect(await says(text)).toBe(expected);
  });

  testWithShell.each<[string, string]>([
    ['of other files', `${OTHER}  other.raw\n`],
    ['whose name only ends so', `${OTHER}  my-disk.raw\n${OTHER}  disk.raw.sig\n`],
    ['with two digests of it', `${S256}  a/disk.raw\n${OTHER}  b/disk.raw\n`],
    ['with two digests and no name', `${S256}\n${OTHER}\n`],
    ['with one digest alone beside those of others', `${S256}\n${OTHER}  other.raw\n`],
    ['of MD5 alone', `${'a'.repeat(32)}  disk.raw\n`],
    ['that is a page', '<!DOCTYPE html><html>404</html>'],
    ['that is empty', ''],
  ])('%s names none', async (_name, text) => {
    expect(await says(text)).toBe('');
  });

  testWithShell('a name with characters that a URL escapes', async () => {
    const name = await shell(`file_name 'http://h/x%20y/disk%2Bv1%201~.raw?signature=a/b#c'`);
    expect(name.stdout).toBe('disk+v1 1~.raw');
    expect(await says(`${S256}  disk+v1 1~.raw\n`, 'disk+v1 1~.raw')).toBe(`sha256:${S256}`);
  });
});

describe('the digest of the target', () => {
  const resolved = (digest: string) =>
    shell(`TARGET=${base}/x/disk.raw?signature=hidden DIGEST=${digest}
    resolve_digest && echo "$ALGORITHM $DIGEST" || echo "problem: $PROBLEM"`);

  testWithShell.each([
    [`sha256:${S256}`, `sha256 ${S256}`],
    [`sha512:${S512}`, `sha512 ${S512}`],
    [S256, `sha256 ${S256}`],
    ['', 'sha256'],
  ])('%s', async (digest, expected) => {
    expect(last(await resolved(digest))).toBe(expected);
    expect(asked).toEqual([]);
  });

  testWithShell('by the URL of a checksum file, which is not shown with its signature', async () => {
    checksums = `${S512}  disk.raw\n`;
    const done = await resolved(`${base}/SUMS?signature=hidden`);
    expect(last(done)).toBe(`sha512 ${S512}`);
    expect(done.output).not.toContain('hidden');
  });

  testWithShell.each<[string, typeof checksums, RegExp]>([
    ['is not there', 404, /^problem: TargetUnreachable: the checksum file/],
    ['fails for ever', 503, /^problem: TargetUnreachable: the checksum file/],
    ['is larger than any', Buffer.alloc(2 ** 21, 'x'), /^problem: TargetDigestMissing: .* larger than 1048576/],
    ['does not name it', `${OTHER}  other.raw\n`, /^problem: TargetDigestMissing: .* of disk\.raw$/],
  ])('a checksum file that %s', async (_name, content, problem) => {
    checksums = content;
    expect(last(await resolved(`${base}/SUMS`))).toMatch(problem);
  });

  testWithShell('SHA-512 of what is streamed, right and wrong', async () => {
    const streamed = (digest: string) =>
      shell(`DIGEST=${digest} TARGET=${base}/disk.raw
      resolve_digest && stream "$TARGET" cat && check_digest && echo && echo right || echo "problem: $PROBLEM"`);
    expect(last(await streamed(`sha512:${S512}`))).toBe('right');
    expect(last(await streamed(`sha512:${'0'.repeat(128)}`))).toMatch(/problem: TargetDigestMismatch/);
  });
});

describe('a fetch that breaks off', () => {
  const streamed = async () => {
    const done = await shell(`DIGEST=sha256:${S256} TARGET=${base}/disk.raw
    into_file() { cat >"$RUN/image"; }
    resolve_digest && stream "$TARGET" into_file && check_digest && echo ok || echo "problem: $PROBLEM"`);
    return last(done);
  };
  const written = () => readFileSync(path.join(run, 'image'));

  testWithShell('is continued where it ended, as often as something comes', async () => {
    cuts = [1_000_000, 500_000, 500_000, 0, 500_000];
    expect(await streamed()).toBe('ok');
    expect(written().equals(IMAGE)).toBe(true);
    expect(asked.length).toBe(6);
    expect(asked.slice(1).every(({ ifRange }) => ifRange === '"v1"')).toBe(true);
    expect(asked.at(-1)?.range).toMatch(/^bytes=\d{7}-$/);
  });

  testWithShell.each<[string, () => void]>([
    ['no ranges', () => (knowsRanges = false)],
    ['no entity tag', () => (etag = undefined)],
    ['a weak entity tag', () => (etag = 'W/"v1"')],
  ])('starts over where the server has %s', async (_name, habit) => {
    habit();
    cuts = [1_000_000];
    expect(await streamed()).toBe('ok');
    expect(written().equals(IMAGE)).toBe(true);
  });

  testWithShell('ends when nothing comes any more', async () => {
    cuts = [1_000_000, ...Array.from({ length: 50 }, () => 0)];
    expect(await streamed()).toMatch(/^problem: TargetUnreachable: /);
    expect(asked.length).toBeLessThan(20);
  });
});
