import { spawn, spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { test } from '@jest/globals';

const INSPECTOR = path.join(import.meta.dirname, '../../inspector');
export const INIT = path.join(INSPECTOR, 'init');
export const REPORTS = path.join(INSPECTOR, 'report');

/** The files that the collectors write, by name. */
export const FACT_FILES = [
  'lscpu.json',
  'lsblk.json',
  'smart.json',
  'ip.json',
  'dmidecode.txt',
  'ethtool.txt',
  'lspci.txt',
  'meminfo.txt',
  'wwids.txt',
  'lan.txt',
] as const;
export type Facts = Readonly<Record<(typeof FACT_FILES)[number], string>>;

const missing = ['busybox', 'jq', 'curl'].filter((name) => spawnSync(name, ['--help']).error !== undefined);
if (missing.length > 0)
  process.stderr.write(
    `beskar7: tests of the inspector's scripts are SKIPPED: there is no ${missing.join(', no ')} (Debian: apt-get install busybox-static jq curl)\n`,
  );

/**
 * Tests that run the inspector's scripts on this machine; skipped, and said so, where BusyBox, jq or curl are not
 * installed.
 */
export const testWithShell = missing.length > 0 ? test.skip : test;

const noDisks = ['sfdisk', 'mkfs.fat', 'mcopy', 'blkid'].filter((name) => spawnSync(name, ['-V']).error !== undefined);
if (noDisks.length > 0)
  process.stderr.write(
    `beskar7: tests of partitions are SKIPPED: there is no ${noDisks.join(', no ')} (Debian: apt-get install fdisk dosfstools mtools)\n`,
  );

/** As testWithShell, for those that make partitions and file systems. */
export const testWithDisks = noDisks.length > 0 ? test.skip : testWithShell;

const hasQemuImg = spawnSync('qemu-img', ['--version']).error === undefined;
if (!hasQemuImg)
  process.stderr.write(
    'beskar7: tests of qcow2 images are SKIPPED: there is no qemu-img (Debian: apt-get install qemu-utils)\n',
  );

/** As testWithShell, for those that make qcow2 images. */
export const testWithQemuImg = hasQemuImg ? testWithShell : test.skip;

/** How a run of the scripts ended, and all that they wrote. */
export interface ShellRun {
  readonly status: number | null;
  readonly stdout: string;
  /** Both outputs. */
  readonly output: string;
}

/** Runs lines of BusyBox's shell after the inspector's parts were read in; ended after a minute. */
export function runParts(parts: readonly string[], lines: string, env: NodeJS.ProcessEnv = {}): Promise<ShellRun> {
  const script = [...parts.map((part) => `. ${INIT}/${part}.sh`), lines].join('\n');
  return new Promise((resolve, reject) => {
    const child = spawn('busybox', ['sh', '-c', script], {
      env: { PATH: process.env.PATH, LIBRARY: INIT, REPORTS, ...env },
      stdio: ['ignore', 'pipe', 'pipe'],
      timeout: 60_000,
    });
    let stdout = '';
    let stderr = '';
    child.stdout.setEncoding('utf8').on('data', (text: string) => (stdout += text));
    child.stderr.setEncoding('utf8').on('data', (text: string) => (stderr += text));
    child.on('error', reject);
    child.on('close', (status) => resolve({ status, stdout, output: stdout + stderr }));
  });
}

/** The report that is made of facts, as it would be sent. Throws with what jq said. */
export async function reportOf(facts: Facts, bootMode: 'UEFI' | 'Legacy' = 'UEFI'): Promise<unknown> {
  const folder = mkdtempSync(path.join(os.tmpdir(), 'beskar7-facts-'));
  try {
    for (const [name, text] of Object.entries(facts)) writeFileSync(path.join(folder, name), text);
    const { status, output, stdout } = await runParts(
      ['collect'],
      `make_report "$FACTS" 2025-11-27T10:00:00Z ${bootMode} || exit 1`,
      { FACTS: folder, RUN: folder },
    );
    if (status !== 0) throw new Error(output);
    return JSON.parse(stdout);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}
