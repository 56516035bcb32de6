import { spawn, spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { expect, jest, test } from '@jest/globals';

jest.setTimeout(300_000);

const ROOT = path.join(__dirname, '..', '..');
/** Runs its arguments in a network of their own that has a loopback interface, and neither another one nor a route. */
const ALONE = ['--net', 'sh', '-c', 'ip link set lo up && exec "$@"', 'sh'];

const isPossible = spawnSync('unshare', [...ALONE, 'true']).status === 0;
if (!isPossible)
  process.stderr.write('beskar7: npm start without a network is SKIPPED: unshare --net is not allowed here\n');

(isPossible ? test : test.skip)('npm start on a machine without a network: the machine is Provisioned', async () => {
  const folder = mkdtempSync(path.join(os.tmpdir(), 'beskar7-no-network-'));
  try {
    const start = path.join(ROOT, 'tools', 'commands', 'start.ts');
    const words = ['--once', '--hosts', '1', '--boot-time', '100ms', '--data-dir', path.join(folder, 'data')];
    const child = spawn('unshare', [...ALONE, process.execPath, start, ...words], {
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    let said = '';
    for (const stream of [child.stdout, child.stderr])
      stream.setEncoding('utf8').on('data', (text: string) => (said += text));
    const code = await new Promise((resolve) => child.once('close', resolve));
    expect({ code, said: code === 0 ? '' : said }).toEqual({ code: 0, said: '' });
    expect(said).toContain('All 1 machines are Provisioned');
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
});
