import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { afterAll, beforeAll, describe, expect, jest, test } from '@jest/globals';
import { kubectl } from '../../tools/controlplane/install.ts';
import { kubeconfig } from '../../tools/controlplane/kubeconfig.ts';
import { freePorts } from '../../tools/controlplane/ports.ts';
import { kindOf, renderChart } from '../../tools/release/chart.ts';
import { ensureTools } from '../../tools/toolchain/index.ts';
import { World } from '../support/world.ts';

jest.setTimeout(240_000);

/** Where the chart puts Beskar7; it watches the namespace of the world. */
const SYSTEM = 'one-namespace-system';
const RELEASE = 'tenant';
const GRANTS = ['ServiceAccount', 'Role', 'RoleBinding', 'ClusterRole', 'ClusterRoleBinding'];
const SECOND_VERSION = 'beskar7clusters.v1beta2.infrastructure.cluster.x-k8s.io';
const CRD = 'crd/beskar7clusters.infrastructure.cluster.x-k8s.io';

const world = new World('e2e-one-namespace');
const { plane } = world;
const folder = mkdtempSync(path.join(os.tmpdir(), 'beskar7-one-namespace-'));
const chart = path.join(folder, 'chart.yaml');
let account = '';

beforeAll(async () => {
  await world.start({ hosts: 2, profile: 'generic' });
  await world.beskar7.stop();
  const { helm } = await ensureTools(['helm']);
  const set = {
    'temporal.address': plane.temporalAddress,
    'callback.url': world.callbackUrl,
    watchNamespace: world.namespace,
    separateRoles: 'false',
    'callback.tls.enabled': 'false',
  };
  const objects = await renderChart(helm, { release: RELEASE, namespace: SYSTEM, set });
  const granting = objects.filter((text) => GRANTS.includes(kindOf(text)));
  account = /^kind: ServiceAccount\nmetadata:\n {2}name: (\S+)$/m.exec(granting.join('---\n'))?.[1] ?? '';
  writeFileSync(chart, granting.join('---\n'));
  await kubectl(plane, 'create', 'namespace', SYSTEM);
  await kubectl(plane, 'apply', '-f', chart);
  const token = (await kubectl(plane, 'create', 'token', account, '-n', SYSTEM, '--duration=1h')).trim();
  const file = path.join(folder, 'kubeconfig');
  const admin = await kubectl(plane, 'config', 'view', '--raw', '-o', 'json');
  const { clusters } = JSON.parse(admin) as {
    clusters: { cluster: { server: string; 'certificate-authority-data': string } }[];
  };
  const { server = '', 'certificate-authority-data': ca = '' } = clusters[0]?.cluster ?? {};
  writeFileSync(file, kubeconfig({ server, ca: Buffer.from(ca, 'base64'), token, user: account }), { mode: 0o600 });
  const [webhook = 0] = await freePorts(1);
  world.flags.push(
    `--kubeconfig=${file}`,
    `--webhook-bind-address=127.0.0.1:${webhook}`,
    `--webhook-service=${SYSTEM}/${account}-webhook`,
    `--webhook-url=https://127.0.0.1:${webhook}`,
  );
  await world.startBeskar7();
});

afterAll(async () => {
  await world.stop();
  const none = JSON.stringify({ spec: { conversion: { strategy: 'None', webhook: null } } });
  await kubectl(plane, 'patch', CRD, '--type=merge', '-p', none);
  await kubectl(plane, 'delete', '-f', chart);
  await kubectl(plane, 'delete', 'namespace', SYSTEM, '--wait=false');
  rmSync(folder, { recursive: true });
});

const may = async (verb: string, what: string, ...where: string[]) =>
  (
    await kubectl(
      plane,
      'auth',
      'can-i',
      verb,
      what,
      ...where,
      `--as=system:serviceaccount:${SYSTEM}:${account}`,
      '--quiet',
    ).then(
      () => 'yes',
      () => 'no',
    )
  ).trim();

describe('with the rights that the chart gives for one namespace, and no others', () => {
  test('these are Roles: hosts, machines and Secrets of other namespaces are out of reach', async () => {
    expect(await may('list', 'physicalhosts.infrastructure.cluster.x-k8s.io', '-n', world.namespace)).toBe('yes');
    expect(await may('get', 'secrets', '-n', world.namespace)).toBe('yes');
    for (const [verb, what] of [
      ['list', 'physicalhosts.infrastructure.cluster.x-k8s.io'],
      ['patch', 'beskar7machines.infrastructure.cluster.x-k8s.io'],
      ['get', 'secrets'],
      ['create', 'events'],
    ] as const) {
      expect(`${verb} ${what}: ${await may(verb, what, '-n', 'default')}`).toBe(`${verb} ${what}: no`);
      expect(`${verb} ${what}: ${await may(verb, what, '-A')}`).toBe(`${verb} ${what}: no`);
    }
  });

  test('a machine is provisioned, another fails, both go, a host is retired; nothing is refused', async () => {
    await world.addMachine('good');
    await world.machineIs('good', 'Provisioned');
    await world.addMachine('demanding', { hardwareRequirements: { minCPUCores: 4_000 } });
    await world.machineIs('demanding', 'Failed');
    await world.kubectl('delete', 'beskar7machine', 'good', 'demanding');
    for (const host of ['host-1', 'host-2']) await world.hostIs(host, 'Available');
    await world.kubectl('delete', 'physicalhost', 'host-2');
    expect(world.serverOf('host-1').server.state.power).toBe('Off');
    expect(readFileSync(world.beskar7.logFile, 'utf8')).not.toMatch(/forbidden/i);
  });
});

describe('its own conversion webhook', () => {
  test('keeps its certificate beside itself, and is down when Beskar7 starts: it starts all the same and provisions', async () => {
    const secrets = await kubectl(plane, 'get', 'secrets', '-n', SYSTEM, '-o', 'name');
    expect(secrets.trim()).toBe(`secret/${account}-webhook-certificate`);
    await kubectl(plane, 'apply', '-f', cluster('before', 'v1beta1'));
    await world.beskar7.stop();
    // A write in the version that is not stored is converted at once; a list may come out of the API server's cache.
    const inSecond = cluster('second', 'v1beta2');
    await expect(kubectl(plane, 'apply', '-f', inSecond)).rejects.toThrow(/conversion webhook.*failed/);
    await world.startBeskar7();
    await world.addMachine('after');
    await world.machineIs('after', 'Provisioned');
    await kubectl(plane, 'apply', '-f', inSecond);
    const seen = await kubectl(plane, 'get', SECOND_VERSION, '-n', world.namespace, '-o', 'json');
    const { items } = JSON.parse(seen) as { items: { apiVersion: string; metadata: { name: string } }[] };
    expect(items.map(({ apiVersion, metadata }) => `${metadata.name} ${apiVersion.split('/')[1]}`)).toEqual([
      'before v1beta2',
      'second v1beta2',
    ]);
  });

  test('a watch in the version that is not stored shows what Beskar7 writes in the other', async () => {
    const where = ['-n', world.namespace];
    await kubectl(plane, 'apply', '-f', cluster('watched', 'v1beta2'));
    const written = '--for=jsonpath={.status.initialization.provisioned}=true';
    await kubectl(plane, 'wait', `${SECOND_VERSION}/watched`, ...where, written, '--timeout=30s');
    await kubectl(plane, 'delete', `${SECOND_VERSION}/watched`, ...where, '--timeout=30s');
  });
});

function cluster(name: string, version: string): string {
  const file = path.join(folder, `${name}-${version}.json`);
  writeFileSync(
    file,
    JSON.stringify({
      apiVersion: `infrastructure.cluster.x-k8s.io/${version}`,
      kind: 'Beskar7Cluster',
      metadata: { name, namespace: world.namespace },
      spec: { controlPlaneEndpoint: { host: '10.0.0.9', port: 6443 } },
    }),
  );
  return file;
}
