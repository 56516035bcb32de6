import { spawn, spawnSync } from 'node:child_process';
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { Component, StartFailed } from '../../tools/controlplane/component.ts';

const ROOT = path.join(__dirname, '..', '..');
const LIMIT_MS = 20_000;
let folder: string;

beforeAll(() => {
  folder = mkdtempSync(path.join(os.tmpdir(), 'beskar7-components-'));
});

afterAll(() => rmSync(folder, { recursive: true, force: true }));

function component(script: string, isReady = () => Promise.resolve(true)): Component {
  return new Component({ name: 'probe', file: '/bin/sh', args: ['-c', script], isReady }, folder);
}

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch {
    return false;
  }
}

async function until(what: string, is: () => boolean): Promise<void> {
  const end = Date.now() + LIMIT_MS;
  while (!is()) {
    if (Date.now() > end) throw new Error(`not within ${LIMIT_MS} ms: ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}

test('a program that ends while it starts: its name, how it ended, and its last words', async () => {
  const probe = component('echo first; echo "no room on disk" >&2; exit 3', () => Promise.resolve(false));
  const error = await probe.start().catch((reason: Error) => reason);
  expect(error).toBeInstanceOf(StartFailed);
  expect((error as Error).message).toBe(
    `beskar7: probe ended while it was starting (exit code 3); see ${probe.logFile}; its last line: no room on disk`,
  );
});

test('a program that dies is told of; one that was stopped, killed or restarted is not', async () => {
  const deaths: string[] = [];
  const probe = component('exec sleep 600');
  probe.onDeath((name, how) => deaths.push(`${name} ${how}`));
  await probe.start();
  const first = probe.pid ?? 0;
  await probe.restart();
  expect(probe.pid).not.toBe(first);
  await probe.kill('SIGKILL');
  await probe.start();
  await probe.stop();
  expect(deaths).toEqual([]);
  await probe.start();
  process.kill(probe.pid ?? 0, 'SIGKILL');
  await until('the death is told', () => deaths.length > 0);
  expect(deaths).toEqual(['probe SIGKILL']);
});

test('what a process started goes with it, though it was killed; so do its temporary folders', async () => {
  const temporary = mkdtempSync(path.join(os.tmpdir(), 'beskar7-watched-'));
  const file = path.join(folder, 'parent.ts');
  const from = (name: string) => JSON.stringify(path.join(ROOT, 'tools', 'controlplane', name));
  writeFileSync(
    file,
    `import { Component } from ${from('component.ts')};
     import { watchFolder } from ${from('watchdog.ts')};
     const spec = (script) => ({ name: 'child', file: '/bin/sh', args: ['-c', script], isReady: async () => true });
     watchFolder(${JSON.stringify(temporary)});
     const children = [new Component(spec('exec sleep 600'), ${JSON.stringify(folder)}),
       new Component(spec("trap '' TERM; while :; do sleep 1; done"), ${JSON.stringify(folder)})];
     for (const child of children) await child.start();
     console.log(children.map((child) => child.pid).join(' '));
     setInterval(() => undefined, 1000);`,
  );
  const parent = spawn(process.execPath, [file], { stdio: ['ignore', 'pipe', 'inherit'] });
  let output = '';
  parent.stdout.on('data', (chunk: Buffer) => (output += chunk.toString()));
  await until('the parent has started its children', () => output.includes('\n'));
  const pids = output.trim().split(' ').map(Number);
  expect(pids.map(isAlive)).toEqual([true, true]);
  parent.kill('SIGKILL');
  await until('the children are gone, the stubborn one too', () => !pids.some(isAlive));
  await until('the folder is gone', () => !existsSync(temporary));
}, 30_000);

test('an unknown command of the launcher is one line that names every script of package.json, exit code 2', () => {
  const launch = path.join(ROOT, 'tools', 'launch.mjs');
  const { status, stderr } = spawnSync(process.execPath, [launch, 'strat'], { encoding: 'utf8', timeout: LIMIT_MS });
  expect(status).toBe(2);
  const [, named = ''] = /^beskar7: there is no command "strat"; commands are (.*)\n$/.exec(stderr) ?? [];
  const { scripts } = JSON.parse(readFileSync(path.join(ROOT, 'package.json'), 'utf8')) as {
    scripts: Record<string, string>;
  };
  const commands = Object.values(scripts).flatMap((script) => /^node tools\/launch\.mjs (\S+)/.exec(script)?.[1] ?? []);
  expect(commands).toContain('start');
  expect(named.split(', ').sort()).toEqual([...new Set(commands)].sort());
});

test('a log that has grown large is put aside at the next start', async () => {
  const probe = component('echo again; exec sleep 600');
  writeFileSync(probe.logFile, 'x'.repeat(20_000_001));
  await probe.start();
  await until('the program has written', () => readFileSync(probe.logFile, 'utf8') === 'again\n');
  await probe.stop();
  expect(existsSync(`${probe.logFile}.old`)).toBe(true);
});
