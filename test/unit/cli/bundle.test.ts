import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { afterAll, beforeAll, expect, jest, test } from '@jest/globals';

jest.setTimeout(300_000);

const ROOT = path.join(__dirname, '..', '..', '..');
const PLUGIN = path.join(ROOT, 'cli', 'kubectl-beskar7.mjs');
/** Writes what the process took of the CPU, in milliseconds, as its last line. */
const METER = `process.on('exit',()=>{const{user,system}=process.cpuUsage();process.stderr.write('\\ncpu '+(user+system)/1000)})`;

const folder = mkdtempSync(path.join(os.tmpdir(), 'beskar7-bundle-'));
const kubeconfig = path.join(folder, 'kubeconfig');

beforeAll(() => {
  writeFileSync(
    kubeconfig,
    JSON.stringify({
      apiVersion: 'v1',
      kind: 'Config',
      // Nobody listens there.
      clusters: [{ name: 'c', cluster: { server: 'https://127.0.0.1:1' } }],
      users: [{ name: 'u', user: { token: 'x' } }],
      contexts: [{ name: 'c', context: { cluster: 'c', user: 'u' } }],
      'current-context': 'c',
    }),
  );
  // The first call makes the bundle.
  expect(call('--version').status).toBe(0);
});
afterAll(() => rmSync(folder, { recursive: true }));

function call(...words: string[]): { status: number | null; stdout: string; stderr: string; cpuMs: number } {
  const env = { ...process.env, NODE_OPTIONS: `--import=data:text/javascript,${encodeURIComponent(METER)}` };
  const { status, stdout, stderr } = spawnSync(process.execPath, [PLUGIN, ...words], { env, encoding: 'utf8' });
  return { status, stdout, stderr, cpuMs: Number(/cpu ([\d.]+)$/.exec(stderr)?.[1]) };
}

// 0.12 and 0.22 s on the machine where this was written; from the source it was 0.5 and 1.6 s.
test.each<[string, string[], number, number]>([
  ['help', ['--help'], 0, 400],
  ['completion', ['__complete', '--', 'hos'], 0, 400],
  ['a command that asks the API server', ['--kubeconfig', kubeconfig, 'hosts'], 6, 700],
])('%s does not strip and look for hundreds of files first', (_name, words, status, mostMs) => {
  const done = call(...words);
  expect({ status: done.status, said: done.status === status ? '' : done.stderr }).toEqual({ status, said: '' });
  expect(done.cpuMs).toBeLessThan(mostMs);
});

test('the bundle knows the version of the package', () => {
  expect(call('--version').stdout.trim()).toMatch(/^\d+\.\d+\.\d+/);
});

test('Temporal of the bundle is there by name: a call says that it cannot be reached, and no more', () => {
  const { stderr } = call(
    '--kubeconfig',
    kubeconfig,
    '--temporal-address',
    '127.0.0.1:1',
    '--request-timeout',
    '1s',
    'doctor',
  );
  expect(stderr).not.toContain('is not a function');
});
