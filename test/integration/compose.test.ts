import { spawnSync } from 'node:child_process';
import path from 'node:path';
import { expect, test } from '@jest/globals';

const ROOT = path.join(__dirname, '..', '..');
const hasCompose = spawnSync('docker', ['compose', 'version'], { timeout: 20_000 }).status === 0;
// Without Docker, test/unit/docs/compose.test.ts checks what can be checked in the file itself.
const testWithCompose = hasCompose ? test : test.skip;

testWithCompose(
  'docker compose config accepts docker-compose.yml',
  () => {
    const { status, stderr } = spawnSync('docker', ['compose', 'config', '-q'], {
      cwd: ROOT,
      timeout: 30_000,
      encoding: 'utf8',
    });
    expect({ status, stderr }).toEqual({ status: 0, stderr: '' });
  },
  40_000,
);
