import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { afterAll, expect } from '@jest/globals';
import { runParts, testWithShell } from '../../support/inspector.ts';

const folder = mkdtempSync(path.join(os.tmpdir(), 'beskar7-serials-'));
afterAll(() => rmSync(folder, { recursive: true }));

function sysfs(name: string, file: string, serial: string): void {
  mkdirSync(path.dirname(path.join(folder, 'block', name, file)), { recursive: true });
  writeFileSync(path.join(folder, 'block', name, file), serial);
}

testWithShell('serial numbers that lsblk does not know come from the kernel; others stay', async () => {
  sysfs('vda', 'serial', 'SN01-D0');
  sysfs('nvme0n1', 'device/serial', '  S4X  ');
  sysfs('sda', 'device/serial', 'from the kernel');
  sysfs('vdb', 'serial', '   ');
  const facts = path.join(folder, 'facts');
  mkdirSync(facts);
  const blockdevices = [
    { name: 'vda', serial: null },
    { name: 'nvme0n1' },
    { name: 'sda', serial: 'from lsblk' },
    { name: 'vdb', serial: null },
  ];
  writeFileSync(path.join(facts, 'lsblk.json'), JSON.stringify({ blockdevices }));
  const { status } = await runParts(['collect'], 'complete_serials', {
    FACTS: facts,
    BLOCK: path.join(folder, 'block'),
  });
  expect(status).toBe(0);
  expect(JSON.parse(readFileSync(path.join(facts, 'lsblk.json'), 'utf8'))).toEqual({
    blockdevices: [
      { name: 'vda', serial: 'SN01-D0' },
      { name: 'nvme0n1', serial: 'S4X' },
      { name: 'sda', serial: 'from lsblk' },
      { name: 'vdb', serial: null },
    ],
  });
});
