import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { afterEach, beforeEach, expect, jest, test } from '@jest/globals';
import { durationText, secondsOf, withProgress } from '../../../tools/toolchain/progress.ts';

let folder = '';
let texts: string[] = [];
const durationsFile = () => path.join(folder, 'cache', 'durations.json');
const out = (isTTY: boolean) => ({ isTTY, write: (text: string) => texts.push(text) > 0 });

beforeEach(() => {
  folder = mkdtempSync(path.join(os.tmpdir(), 'beskar7-progress-'));
  texts = [];
});
afterEach(() => {
  jest.useRealTimers();
  rmSync(folder, { recursive: true });
});

/** Runs work that takes so long by a fake clock. */
async function run(seconds: number, isTTY: boolean): Promise<void> {
  jest.useFakeTimers({ doNotFake: ['nextTick', 'queueMicrotask', 'setImmediate'] });
  let begun: () => void = () => undefined;
  const begins = new Promise<void>((resolve) => (begun = resolve));
  const work = () => new Promise<void>((resolve) => (setTimeout(resolve, seconds * 1000), begun()));
  const done = withProgress('builds x', '1 to 2 minutes', work, { out: out(isTTY), durationsFile: durationsFile() });
  await begins;
  await jest.advanceTimersByTimeAsync(seconds * 1000);
  await done;
  jest.useRealTimers();
}

test('without a terminal: a line at the beginning, after 1, 3 and 7 minutes, and at the end; the estimate grows', async () => {
  await run(500, false);
  expect(texts).toEqual([
    'beskar7: builds x (usually 1 to 2 minutes) ... 0 s\n',
    'beskar7: builds x (usually 1 to 2 minutes) ... 60 s\n',
    'beskar7: builds x (usually 1 to 2 minutes, longer than expected, still running) ... 3 min 0 s\n',
    'beskar7: builds x (usually 1 to 2 minutes, longer than expected, still running) ... 7 min 0 s\n',
    'beskar7: builds x (usually 1 to 2 minutes, longer than expected, still running) ... 8 min 20 s, done\n',
  ]);
  expect(JSON.parse(readFileSync(durationsFile(), 'utf8'))).toEqual({ 'builds x': 500 });
  texts = [];
  await run(1, false);
  expect(texts).toEqual(['beskar7: builds x (8 min 20 s the last time) ... 0 s\n']);
});

test('on a terminal: one line that is rewritten, and gone at the end', async () => {
  await run(3, true);
  expect(texts.every((text) => !text.includes('\n'))).toBe(true);
  expect(texts.at(-1)).toBe('\r\u001b[K');
});

test('a broken file of durations is as none', async () => {
  rmSync(path.dirname(durationsFile()), { recursive: true, force: true });
  writeFileSync(path.join(folder, 'cache'), 'a file in the place of the folder');
  await run(1, false);
  expect(texts).toHaveLength(1);
});

test('texts', () => {
  expect([secondsOf('4 to 7 minutes'), secondsOf('1 minute'), secondsOf('seconds')]).toEqual([420, 60, undefined]);
  expect([durationText(99), durationText(200)]).toEqual(['99 s', '3 min 20 s']);
});
