import { mkdtempSync, rmSync, statSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { afterAll, beforeAll, expect, jest, test } from '@jest/globals';
import { Agent, request } from 'undici';
import { Component } from '../../tools/controlplane/component.ts';
import { etcdTls, readEtcdTls } from '../../tools/controlplane/etcdTls.ts';
import { etcdArguments, isEtcdReady } from '../../tools/controlplane/index.ts';
import { freePorts } from '../../tools/controlplane/ports.ts';
import { ensureTools } from '../../tools/toolchain/index.ts';

jest.setTimeout(60_000);

/** Another user, or a page in a browser, of the machine that `npm start` runs on: they reach its ports on loopback. */

const folder = mkdtempSync(path.join(os.tmpdir(), 'beskar7-etcd-'));
const ports = { apiServer: 0, etcd: 0, etcdPeer: 0, temporal: 0, temporalUi: 0 };
let etcd: Component;

beforeAll(async () => {
  [ports.etcd = 0, ports.etcdPeer = 0] = await freePorts(2);
  const tls = await etcdTls(folder);
  const tools = await ensureTools(['etcd']);
  const args = etcdArguments(folder, ports, false, tls);
  etcd = new Component({ name: 'etcd', file: tools.etcd, args, isReady: () => isEtcdReady(ports.etcd, tls) }, folder);
  await etcd.start();
});
afterAll(async () => {
  await etcd.stop();
  rmSync(folder, { recursive: true });
});

async function read(port: number, scheme: 'http' | 'https', connect: object = {}): Promise<number | string> {
  const agent = new Agent({ connect: { rejectUnauthorized: false, timeout: 5_000, ...connect } });
  const options = { dispatcher: agent, method: 'POST', body: '{"key":"AA==","range_end":"AA=="}' } as const;
  try {
    const { statusCode, body } = await request(`${scheme}://127.0.0.1:${port}/v3/kv/range`, options);
    await body.dump();
    return statusCode;
  } catch (error) {
    return (error as { code?: string }).code ?? (error as Error).message;
  } finally {
    await agent.destroy();
  }
}

test('whoever has its certificate reads it', async () => {
  expect(await read(ports.etcd, 'https', await readEtcdTls(await etcdTls(folder)))).toBe(200);
});

test.each(['etcd', 'etcdPeer'] as const)('without a certificate nobody reads %s, by HTTP or HTTPS', async (name) => {
  expect(await read(ports[name], 'https')).not.toBe(200);
  expect(await read(ports[name], 'http')).not.toBe(200);
});

test('the key is for its owner alone', () => {
  expect(statSync(path.join(folder, 'etcd-tls', 'tls.key')).mode & 0o077).toBe(0);
});
