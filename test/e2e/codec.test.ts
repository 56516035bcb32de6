import { execFile, spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, jest, test } from '@jest/globals';
import type { Component } from '../../tools/controlplane/component.ts';
import { freePorts } from '../../tools/controlplane/ports.ts';
import type { MachineDetail } from '../../web/shared/api.ts';
import { WebClient } from '../support/webClient.ts';
import { World } from '../support/world.ts';

jest.setTimeout(120_000);

/** What is kept in Temporal is encrypted; those with the keys, or with the codec server, read it. */

const ROOT = path.join(__dirname, '..', '..');
const keyFolder = (id: string) => {
  const made = mkdtempSync(path.join(os.tmpdir(), 'beskar7-codec-'));
  writeFileSync(path.join(made, id), randomBytes(32).toString('base64'));
  return made;
};
const folder = keyFolder('key-1');
/** Of those who were not given that key. */
const other = keyFolder('key-2');
const namesake = keyFolder('key-1');
const world = new World('e2e-codec', [`--temporal-codec-keys=${folder}`, '--temporal-codec-strict']);
const run = `provision/${world.namespace}/sealed`;
const IMAGE = 'http://images.example/os.tar.gz';

beforeAll(() => world.start({ hosts: 1, profile: 'generic' }));
afterAll(async () => {
  await world.stop();
  for (const one of [folder, other, namesake]) rmSync(one, { recursive: true });
});

const show = (...more: string[]) => world.temporalCli('workflow', 'show', '-w', run, '--output', 'json', ...more);
const base64 = (text: string) => Buffer.from(text).toString('base64');
function plugin(...more: string[]): Promise<{ stdout: string; stderr: string }> {
  const { adminKubeconfig, temporalAddress } = world.plane;
  const flags = ['--kubeconfig', adminKubeconfig, '--temporal-address', temporalAddress, '-n', world.namespace];
  const temporal = ['--temporal-namespace', world.temporalNamespace];
  const words = [path.join(ROOT, 'cli', 'kubectl-beskar7.mjs'), ...more, ...flags, ...temporal];
  return promisify(execFile)(process.execPath, words, { timeout: 60_000 });
}

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
  const trace = async (...more: string[]) => (await plugin('trace', 'sealed', ...more)).stdout;
  const [clear, sealed] = [await trace('--temporal-codec-keys', folder), await trace()];
  expect(clear).toContain('host-1');
  expect(sealed).not.toContain('host-1');
});

describe('the web page', () => {
  const pageOf = async (name: string, flags: readonly string[]) => {
    const [port = 0] = await freePorts(1);
    const own = [...flags, '--roles=web', `--web-bind-address=127.0.0.1:${port}`, '--web-auth=none'];
    pages.push(await world.startAnother(name, own));
    return new WebClient(`http://127.0.0.1:${port}/`);
  };
  const detail = (page: WebClient) =>
    page.until<MachineDetail>(`api/machines/${world.namespace}/sealed`, ({ steps }) => steps.length >= 8);
  const pages: Component[] = [];
  afterAll(() => Promise.all(pages.map((page) => page.stop())));

  const STEPS = [
    ...['Claim a host', 'Switch the server off', 'Wait for its turn to power on', 'Boot from the network'],
    ...['Wait for the report', 'Check the hardware', 'Open the bootstrap data', 'Wait for the hand-over'],
  ];

  test('with the keys it shows the steps with what came out of them', async () => {
    const page = await pageOf('web-keys', []);
    const shown = await detail(page);
    expect(shown.stepsMissing).toBeUndefined();
    expect(shown.steps.map(({ name }) => name)).toEqual(STEPS);
    expect(shown.steps[0]?.detail).toContain('host-1');
    expect(shown.steps.some(({ bmcRequests = [] }) => bmcRequests.length > 0)).toBe(true);
    expect(shown.steps.every(({ state }) => state === 'done')).toBe(true);
  });

  test.each([
    ['with another key', () => other, 'key-1'],
    ['with another key of the same name', () => namesake, 'key-1'],
  ])('%s it shows which steps there were, and says which key it lacks; nothing else breaks', async (name, keys, id) => {
    const page = await pageOf(name.replaceAll(' ', '-'), [`--temporal-codec-keys=${keys()}`]);
    await seesSealed(page, id);
  });

  test('without keys the same', async () => {
    const flags = world.flags.splice(0);
    try {
      await seesSealed(await pageOf('web-no-keys', []), 'key-1');
    } finally {
      world.flags.push(...flags);
    }
  });

  async function seesSealed(page: WebClient, id: string): Promise<void> {
    const shown = await detail(page);
    expect(shown.stepsMissing).toMatch(
      new RegExp(`encrypted with the key ${id}, which this page does not have: .*--temporal-codec-keys`),
    );
    expect(shown.steps.length).toBeGreaterThanOrEqual(STEPS.length);
    expect(shown.steps.map(({ name }) => name)).toEqual(
      expect.arrayContaining(['Claim a host', 'Boot from the network']),
    );
    // What is the object's own is there all the same; of the run nothing but names and times.
    expect(shown.row).toMatchObject({ phase: 'Provisioned', host: { name: 'host-1' } });
    expect(JSON.stringify(shown.steps)).not.toMatch(/host-1|cores|hostUid/);
    expect((await page.get('api/failures')).status).toBe(200);
  }
});

test('kubectl beskar7 with another key says which one it lacks, and shows the rest', async () => {
  const words = ['trace', 'sealed', '--temporal-codec-keys', other];
  const { stdout, stderr } = await plugin(...words);
  expect(stdout).toContain('Boot from the network');
  expect(stdout).not.toContain('host-1');
  expect(stderr).toMatch(/encrypted with the key key-1, which this command does not have: .*--temporal-codec-keys/);
  await expect(plugin('explain', 'sealed', '--temporal-codec-keys', other)).resolves.toMatchObject({
    stdout: expect.stringContaining('host-1'),
  });
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
