import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { KubeConfig } from '@kubernetes/client-node';
import { afterAll, beforeAll, expect, jest, test } from '@jest/globals';
import { pino } from 'pino';
import { KubeClient } from '../../kube/client.ts';
import { freePorts } from '../../tools/controlplane/ports.ts';
import { kubectl as run } from '../../tools/controlplane/install.ts';
import { Webhook } from '../../webhooks/index.ts';
import { accountKubeconfig } from '../support/accounts.ts';
import { accountOf, testControlPlane } from '../support/controlPlane.ts';
import { grantsOf, Uses } from '../support/privileges.ts';

jest.setTimeout(120_000);

const NAMESPACE = 'conversion';
const SERVICE = { namespace: 'beskar7-system', name: 'beskar7-webhook' };
const PLURAL = 'beskar7clusters';
const GROUP = 'infrastructure.cluster.x-k8s.io';
const DEFINITION = `crd/${PLURAL}.${GROUP}`;
const domains = { east: { controlPlane: true, attributes: { rack: '7' } }, west: { controlPlane: false } };
const list = Object.entries(domains).map(([name, domain]) => ({ name, ...domain }));

interface Cluster {
  apiVersion: string;
  metadata: { name: string };
  spec: object;
  status: object;
}

const folder = mkdtempSync(path.join(os.tmpdir(), 'beskar7-conversion-'));
const kubectl = (...args: string[]) => run(testControlPlane(), ...args);
const get = async (version: string) =>
  JSON.parse(await kubectl('-n', NAMESPACE, 'get', `${PLURAL}.${version}.${GROUP}`, 'one', '-o', 'json')) as Cluster;
let webhook: Webhook;
let start: () => Promise<void>;

/** As the shipped account of the role: a right that is missing keeps the webhook from being registered. */
beforeAll(async () => {
  const config = new KubeConfig();
  config.loadFromFile(await accountKubeconfig(testControlPlane(), 'webhook', folder));
  const kube = KubeClient.fromConfig(config, { userAgent: 'beskar7-test' });
  const [port = 0] = await freePorts(1);
  const options = { bindAddress: { host: '127.0.0.1', port }, service: SERVICE, url: `https://127.0.0.1:${port}` };
  start = async () => {
    webhook = new Webhook({ kube, logger: pino({ level: 'silent' }) }, { ...options, checkMs: 200 });
    await webhook.start();
    expect(webhook.problem()).toBeUndefined();
  };
  await start();
  await kubectl('create', 'namespace', NAMESPACE);
  const file = path.join(folder, 'cluster.json');
  const metadata = { name: 'one', namespace: NAMESPACE };
  const spec = { controlPlaneEndpoint: { host: '10.0.0.9', port: 6443 } };
  writeFileSync(file, JSON.stringify({ apiVersion: `${GROUP}/v1beta2`, kind: 'Beskar7Cluster', metadata, spec }));
  await converted(() => kubectl('create', '-f', file));
});

/** The API server takes a new definition a moment after it was written: asked again until it does, at most 20 s. */
async function converted<T>(call: () => Promise<T>): Promise<T> {
  const end = Date.now() + 20_000;
  for (;;) {
    try {
      return await call();
    } catch (error) {
      if (Date.now() > end || !/conversion|x509|tls|refused/.test(String(error))) throw error;
    }
  }
}

afterAll(async () => {
  await webhook.stop();
  await kubectl('-n', NAMESPACE, 'delete', '--ignore-not-found', `${PLURAL}.v1beta1.${GROUP}`, 'one');
  const none = JSON.stringify({ spec: { conversion: { strategy: 'None', webhook: null } } });
  await kubectl('patch', DEFINITION, '--type=merge', '-p', none);
  await kubectl('delete', '--wait=false', 'namespace', NAMESPACE);
  await kubectl('-n', SERVICE.namespace, 'delete', 'secret', `${SERVICE.name}-certificate`);
  rmSync(folder, { recursive: true });
});

test('the API server converts through the webhook: a list becomes the map, and back, and nothing is lost', async () => {
  const status = JSON.stringify({ status: { ready: true, failureDomains: list } });
  const where = ['-n', NAMESPACE, 'patch', '--subresource=status', '--type=merge', '-p', status];
  await kubectl(...where, `${PLURAL}.v1beta2.${GROUP}`, 'one');
  const [old, current] = [await get('v1beta1'), await get('v1beta2')];
  expect(old.apiVersion).toBe(`${GROUP}/v1beta1`);
  expect(current.apiVersion).toBe(`${GROUP}/v1beta2`);
  expect(old.status).toEqual({ ...current.status, failureDomains: domains });
  expect(current.status).toMatchObject({ failureDomains: list });
  expect(old.spec).toEqual(current.spec);
  expect(old.metadata).toEqual(current.metadata);
});

test('a list in the version that is not stored is converted too', async () => {
  const all = JSON.parse(await kubectl('-n', NAMESPACE, 'get', `${PLURAL}.v1beta2.${GROUP}`, '-o', 'json')) as {
    items: Cluster[];
  };
  expect(all.items.map(({ apiVersion, metadata }) => `${apiVersion} ${metadata.name}`)).toEqual([
    `${GROUP}/v1beta2 one`,
  ]);
});

test('while it is down, the stored version is read, and the other says why not; it is well again after a start', async () => {
  await webhook.stop();
  expect((await get('v1beta1')).metadata.name).toBe('one');
  await expect(get('v1beta2')).rejects.toThrow(/conversion webhook.*failed/);
  await start();
  expect((await converted(() => get('v1beta2'))).status).toMatchObject({ failureDomains: list });
});

test('a certificate that is gone is made anew under way, and the API server trusts the new one', async () => {
  const authority = () => kubectl('get', DEFINITION, '-o', 'jsonpath={.spec.conversion.webhook.clientConfig.caBundle}');
  const before = await authority();
  await kubectl('-n', SERVICE.namespace, 'delete', 'secret', `${SERVICE.name}-certificate`);
  const end = Date.now() + 20_000;
  while ((await authority()) === before) if (Date.now() > end) throw new Error('no new authority within 20 s');
  expect((await converted(() => get('v1beta2'))).status).toMatchObject({ failureDomains: list });
});

test('the account of the webhook was refused nothing, and used what it is granted', () => {
  const uses = Uses.read(testControlPlane().auditLog, accountOf('webhook'));
  expect([...new Set(uses.refused)]).toEqual([]);
  const manifest = readFileSync(path.join(__dirname, '..', '..', 'deploy', 'manifests', 'rbac.yaml'), 'utf8');
  // A certificate that is due is renewed where it stands: test/unit/webhooks/certificateStore.test.ts.
  expect(uses.unused(grantsOf(manifest, 'beskar7-webhook'))).toEqual(['patch secrets']);
});
