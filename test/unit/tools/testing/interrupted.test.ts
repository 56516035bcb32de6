import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { afterAll, expect, test } from '@jest/globals';
import { isAlive, until } from './processes.ts';

const folder = mkdtempSync(path.join(os.tmpdir(), 'beskar7-interrupted-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

test.each(['SIGINT', 'SIGTERM', 'SIGKILL'] as const)(
  'npm test that gets %s ends all that it began: Jest, what a test started, and programs in groups of their own',
  async (signal) => {
    const file = path.join(folder, signal);
    const words = ['tools/commands/test.ts', 'unit', 'test/unit/tools/testing/hangs.test.ts'];
    const env = { ...process.env, BESKAR7_TEST_HANGS: file, BESKAR7_TEST_REPORT: path.join(folder, 'report.json') };
    const run = spawn(process.execPath, words, { env, stdio: 'ignore' });
    const ended = once(run, 'exit') as Promise<[number | null, string | null]>;
    await until('the test hangs', () => existsSync(file) || run.exitCode !== null, 60_000);
    const pids = readFileSync(file, 'utf8').split(' ').map(Number);
    expect(pids.filter((pid) => isAlive(pid))).toHaveLength(4);
    run.kill(signal);
    expect(await ended).toEqual(signal === 'SIGKILL' ? [null, 'SIGKILL'] : [130, null]);
    await until('all are gone', () => !pids.some(isAlive), 20_000);
  },
  90_000,
);
