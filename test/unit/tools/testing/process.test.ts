import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { afterAll, describe, expect, test } from '@jest/globals';
import { ProcessGroups } from '../../../../tools/testing/process.ts';
import { isAlive, until } from './processes.ts';

const LIMIT_MS = 20_000;
const MODULE = path.join(process.cwd(), 'tools', 'testing', 'process.ts');
const folder = mkdtempSync(path.join(os.tmpdir(), 'beskar7-groups-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

const options = { cwd: folder, limitMs: LIMIT_MS };
const sh = (script: string) => ['-c', script];

describe('a run to its end', () => {
  test('its code, what it printed, and how long it took', async () => {
    const ended = await new ProcessGroups().run('/bin/sh', sh('echo out; echo err >&2; exit 3'), options);
    expect(ended).toMatchObject({ code: 3, isLate: false });
    expect(ended.output.split('\n').sort()).toEqual(['', 'err', 'out']);
  });

  test('the time that its children used counts', async () => {
    const busy = 'i=0; while [ $i -lt 200000 ]; do i=$((i+1)); done';
    const { cpuSeconds } = await new ProcessGroups().run('/bin/sh', sh(`/bin/sh -c '${busy}'; true`), options);
    if (process.platform === 'linux') expect(cpuSeconds).toBeGreaterThan(0.02);
  });

  test('a program that is not there', async () => {
    const ended = await new ProcessGroups().run(path.join(folder, 'nothing'), [], options);
    expect(ended).toMatchObject({ code: undefined, output: expect.stringContaining('ENOENT') });
  });

  test('a child that it left behind goes with it, though it holds the output open', async () => {
    const { output, code } = await new ProcessGroups().run('/bin/sh', sh('sleep 600 & echo $!'), options);
    expect(code).toBe(0);
    await until('the child is gone', () => !isAlive(Number(output)), LIMIT_MS);
  });

  test('one that takes longer than its limit is ended, and says so', async () => {
    const ended = await new ProcessGroups().run('/bin/sh', sh('sleep 600'), { ...options, limitMs: 50 });
    expect(ended).toMatchObject({ code: undefined, isLate: true });
  });
});

describe('endAll', () => {
  test('ends what runs, grandchildren included, and nothing is begun any more', async () => {
    const groups = new ProcessGroups();
    let printed = '';
    const onOutput = (output: string) => void (printed = output);
    const run = groups.run('/bin/sh', sh('(sleep 600 & echo $!; wait) & wait'), { ...options, onOutput });
    await until('the grandchild runs', () => /\d+\n/.test(printed), LIMIT_MS);
    await groups.endAll();
    expect(await run).toMatchObject({ code: undefined });
    await until('the grandchild is gone', () => !isAlive(Number(printed)), LIMIT_MS);
    expect(await groups.run('/bin/sh', sh('echo no'), options)).toMatchObject({ code: undefined, output: '' });
  });

  test('a grandchild that ends in order has the time for it', async () => {
    const groups = new ProcessGroups();
    const file = path.join(folder, 'in-order');
    let printed = '';
    const onOutput = (output: string) => void (printed = output);
    const orderly = `trap 'sleep 0.3; echo done > ${file}; exit' TERM; echo ready; while :; do sleep 0.05; done`;
    // Its parent ends at once.
    const run = groups.run('/bin/sh', sh(`/bin/sh -c "${orderly}" & wait`), { ...options, onOutput });
    await until('the grandchild runs', () => printed.includes('ready'), LIMIT_MS);
    await groups.endAll();
    await run;
    expect(readFileSync(file, 'utf8')).toBe('done\n');
  });
});

test('when the process itself is killed, what it began is ended all the same', async () => {
  const script = path.join(folder, 'parent.ts');
  writeFileSync(
    script,
    `import { ProcessGroups } from ${JSON.stringify(MODULE)};
     await new ProcessGroups().run('/bin/sh', ['-c', '(sleep 600 & echo $!; wait) & wait'], {
       cwd: '/', limitMs: 600_000, onOutput: (output) => process.stdout.write(output) });`,
  );
  const parent = spawn(process.execPath, [script], { stdio: ['ignore', 'pipe', 'inherit'] });
  const [pid] = (await once(parent.stdout.setEncoding('utf8'), 'data')) as [string];
  expect(isAlive(Number(pid))).toBe(true);
  parent.kill('SIGKILL');
  await until('the grandchild is gone', () => !isAlive(Number(pid)), LIMIT_MS);
}, 30_000);
