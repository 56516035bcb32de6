import { spawn } from 'node:child_process';
import { renameSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { expect, test } from '@jest/globals';
import { Component } from '../../../../tools/controlplane/component.ts';

/**
 * What interrupted.test.ts interrupts: a test with a child, a grandchild and a program in a process group of its own,
 * that never ends.
 */
test('hangs where interrupted.test.ts asks for it, and else does nothing', async () => {
  const file = process.env.BESKAR7_TEST_HANGS;
  expect(file === undefined || file !== '').toBe(true);
  if (file === undefined) return;
  const child = spawn('/bin/sh', ['-c', 'sleep 600 & echo $!; wait'], { stdio: ['ignore', 'pipe', 'inherit'] });
  const grandchild = await new Promise<string>((resolve) => child.stdout.setEncoding('utf8').once('data', resolve));
  const spec = { name: 'hangs', file: '/bin/sleep', args: ['600'], isReady: () => Promise.resolve(true) };
  const program = new Component(spec, path.dirname(file));
  await program.start();
  writeFileSync(`${file}.new`, [process.pid, child.pid, grandchild.trim(), program.pid].join(' '));
  renameSync(`${file}.new`, file);
  await new Promise(() => undefined);
}, 600_000);
