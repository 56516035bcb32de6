import { execFile, spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeAll, expect, jest, test } from '@jest/globals';
import { World } from '../support/world.ts';

jest.setTimeout(120_000);

/** What is kept in Temporal is encrypted; those with the keys, or with the codec server, read it. */

const ROOT = path.join(__dirname, '..', '..');
const folder = mkdtempSync(path.join(os.tmpdir(), 'beskar7-codec-'));
writeFileSync(path.join(folder, 'key-1'), randomBytes(32).toString('base64'));
const world = new World('e2e-codec', [`--temporal-codec-keys=${folder}`, '--temporal-codec-strict']);
const run = `provision/${world.namespace}/sealed`;
const IMAGE = 'http://images.example/os.tar.gz';

beforeAll(() => world.start({ hosts: 1, profile: 'generic' }));
afterAll(async () => {
  await world.stop();
  rmSync(folder, { recursive: true });
});

const show = (...more: string[]) => world.temporalCli('workflow', 'show', '-w', run, '--output', 'json', ...more);
const base64 = (text: string) => Buffer.from(text).toString('base64');
/**
 * All payloads of a history that are in clear text, decoded: without those of search attributes and headers, which are
 * no one's secret.
 */
function clearIn(history: string): string {
  const found: string[] = [];
  const visit = (value: unknown): void => {
    if (typeof value !== 'object' || value === null) return;
    const { metadata, data } = value as { metadata?: { encoding?: string }; data?: string };
    if (metadata?.encoding === base64('json/plain')) found.push(Buffer.from(data ?? '', 'base64').toString());
    for (const [name, inner] of Object.entries(value))
      if (name !== 'searchAttributes' && name !== 'header') visit(inner);
  };
  visit(JSON.parse(history));
  return found.join('\n');
}

test('a machine is provisioned; its history holds nothing to read', async () => {
  await world.addMachine('sealed', { targetOSImage: IMAGE });
  await world.machineIs('sealed', 'Provisioned');
  const history = await show();
  expect(history).toContain(base64('binary/encrypted'));
  expect(clearIn(history)).toBe('');
});

test('the codec server shows it to temporal --codec-endpoint', async () => {
  const server = spawn(
    process.execPath,
    [path.join(ROOT, 'codec', 'main.ts'), `--temporal-codec-keys=${folder}`, '--bind-address=127.0.0.1:0'],
    { stdio: ['ignore', 'pipe', 'inherit'] },
  );
  try {
    const url = await new Promise<string>((resolve, reject) => {
      server.once('exit', (code) => reject(new Error(`the codec server ended: ${code}`)));
      server.stdout.on('data', (text: Buffer) => resolve(/http:\S+/.exec(text.toString())?.[0] ?? ''));
    });
    const history = await show('--codec-endpoint', url);
    expect(history).not.toContain(base64('binary/encrypted'));
    expect(clearIn(history)).toContain('"hostUid"');
  } finally {
    server.kill();
  }
});

test('kubectl beskar7 trace reads it with the keys, and says less without', async () => {
  const trace = async (...more: string[]) => {
    const { adminKubeconfig, temporalAddress } = world.plane;
    const flags = ['--kubeconfig', adminKubeconfig, '--temporal-address', temporalAddress, '-n', world.namespace];
    const cli = path.join(ROOT, 'cli', 'kubectl-beskar7.mjs');
    const temporal = ['--temporal-namespace', world.temporalNamespace];
    const words = [cli, 'trace', 'sealed', ...flags, ...temporal, ...more];
    return (await promisify(execFile)(process.execPath, words, { timeout: 60_000 })).stdout;
  };
  const [clear, sealed] = [await trace('--temporal-codec-keys', folder), await trace()];
  expect(clear).toContain('host-1');
  expect(sealed).not.toContain('host-1');
});

test('whoever may write to the namespace signals in clear text: it is not believed, and the run of the next machine is not held up', async () => {
  await world.kubectl('delete', 'beskar7machine', 'sealed');
  await world.hostIs('host-1', 'Available');
  await world.addMachine('next');
  await world.untilMachine('next', 'under way', ({ status }) => status?.phase !== undefined);
  const id = `provision/${world.namespace}/next`;
  const input = JSON.stringify({ claim: 'forged' });
  await world
    .temporalCli('workflow', 'signal', '-w', id, '--name', 'inspectionReported', '--input', input)
    .catch(() => undefined);
  await world.machineIs('next', 'Provisioned');
});
