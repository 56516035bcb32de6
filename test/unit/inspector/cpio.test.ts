import { execFileSync, spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, readlinkSync, rmSync, statSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { afterEach, describe, expect, test } from '@jest/globals';
import { cpio, type CpioEntry } from '../../../inspector/build/cpio.ts';

const file = (name: string, text: string, mode = 0o644): CpioEntry => ({
  kind: 'file',
  path: name,
  mode,
  content: Buffer.from(text),
});
const folder = mkdtempSync(path.join(os.tmpdir(), 'beskar7-cpio-'));
afterEach(() => rmSync(folder, { recursive: true, force: true }));

describe('cpio', () => {
  test('the same entries in another order give the same bytes', () => {
    const entries = [file('b/two', '2'), file('a', '1'), { kind: 'link', path: 'c', target: 'a' } as const];
    expect(cpio(entries)).toEqual(cpio([...entries].reverse()));
  });

  test('a path that comes twice is refused', () => {
    expect(() => cpio([file('a', '1'), file('a', '2')])).toThrow('inspector: a is twice in the initrd');
  });

  test('neither owner nor time of this machine is inside', () => {
    const header = cpio([file('a', '1')]).toString('latin1', 6, 110);
    const fields = header.match(/.{8}/g)?.map((field) => parseInt(field, 16));
    // Inode, mode, uid, gid, links, time.
    expect(fields?.slice(0, 6)).toEqual([1, 0o100644, 0, 0, 1, 0]);
  });

  const itUnpacks = spawnSync('cpio', ['--version']).status === 0 ? test : test.skip;
  itUnpacks('the program cpio reads it (skipped where there is none)', () => {
    const archive = cpio([file('etc/deep/x', 'text\n', 0o600), { kind: 'link', path: 'l', target: 'etc/deep/x' }]);
    execFileSync('mkdir', ['-p', folder]);
    execFileSync('cpio', ['-i', '-d', '--quiet'], { input: archive, cwd: folder });
    expect(readFileSync(path.join(folder, 'l'), 'utf8')).toBe('text\n');
    expect(readlinkSync(path.join(folder, 'l'))).toBe('etc/deep/x');
    expect(statSync(path.join(folder, 'etc/deep/x')).mode & 0o777).toBe(0o600);
  });
});
