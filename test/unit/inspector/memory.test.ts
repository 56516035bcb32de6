import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { afterEach, beforeEach, describe, expect } from '@jest/globals';
import { runParts, testWithShell } from '../../support/inspector.ts';

let folder = '';
beforeEach(() => {
  folder = mkdtempSync(path.join(os.tmpdir(), 'beskar7-memory-'));
});
afterEach(() => rmSync(folder, { recursive: true }));

const stateOf = (block: number) => path.join(folder, `memory${block}`, 'state');
function block(number: number, state: string): void {
  mkdirSync(path.join(folder, `memory${number}`));
  writeFileSync(stateOf(number), state);
}
const bringOnline = () => runParts(['system'], 'say() { echo "$1"; }; memory_online', { MEMORY: folder });

describe('memory that was plugged in while the server ran', () => {
  testWithShell('is brought online', async () => {
    block(0, 'online\n');
    block(1, 'offline\n');
    writeFileSync(path.join(folder, 'auto_online_blocks'), 'offline\n');
    const { status, output } = await bringOnline();
    expect([status, output]).toEqual([0, '']);
    expect([0, 1].map((number) => readFileSync(stateOf(number), 'utf8'))).toEqual(['online\n', 'online\n']);
    expect(readFileSync(path.join(folder, 'auto_online_blocks'), 'utf8')).toBe('online\n');
  });

  testWithShell('what stays offline is said', async () => {
    writeFileSync(path.join(folder, 'block_size_bytes'), '8000000\n');
    for (const number of [1, 2]) {
      block(number, 'offline');
      rmSync(stateOf(number));
      // A kernel that refuses the write: reading says "offline", before and after.
      mkdirSync(stateOf(number));
    }
    const { output } = await runParts(
      ['system'],
      'say() { echo "$1"; }; cat() { case $1 in */state) echo offline ;; *) command cat "$@" ;; esac; }; memory_online',
      { MEMORY: folder },
    );
    expect(output).toContain('256 MiB of memory stay offline: 2 blocks could not be brought online; they do not count');
  });

  testWithShell('a kernel without memory blocks has none offline', async () => {
    expect((await runParts(['system'], 'memory_online', { MEMORY: path.join(folder, 'none') })).status).toBe(0);
  });
});
