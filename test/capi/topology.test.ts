import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { afterAll, beforeAll, describe, expect, jest, test } from '@jest/globals';
import { findCondition } from '../../crds/conditions.ts';
import { MACHINES } from '../../kube/resource.ts';
import { kubectl } from '../../tools/controlplane/install.ts';
import { CapiWorld } from '../support/capi/capiWorld.ts';
import { Kubeadm, kubeadmDefinitions } from '../support/capi/kubeadm.ts';
import { TEST_CLUSTERS } from '../support/capi/kinds.ts';
import { secretsOf } from '../support/capi/objects.ts';

jest.setTimeout(300_000);

const world = new CapiWorld('capi-topology');
const { namespace, plane } = world;
const SHIPPED = path.join(__dirname, '..', '..', 'deploy', 'clusterctl');
const OLD = 'http://images.example/one.tar.gz';
const NEW = 'http://images.example/two.tar.gz';
const VALUES: Record<string, string> = {
  NAMESPACE: namespace,
  CLUSTER_NAME: 'top',
  KUBERNETES_VERSION: 'v1.33.0',
  CONTROL_PLANE_ENDPOINT_HOST: '10.9.9.9',
  TARGET_OS_IMAGE: OLD,
};
const folder = mkdtempSync(path.join(os.tmpdir(), 'beskar7-topology-'));
const definitions = path.join(folder, 'definitions.yaml');
let kubeadm: Kubeadm;

/** As clusterctl fills a template in: `${NAME}` and `${NAME:=default}`. */
function shipped(name: string): string {
  const text = readFileSync(path.join(SHIPPED, name), 'utf8').replaceAll(
    /\$\{(\w+)(?::=([^}]*))?\}/g,
    (_all, variable: string, preset: string | undefined) => {
      const value = VALUES[variable] ?? preset;
      if (value === undefined) throw new Error(`${name} asks for ${variable}`);
      return value;
    },
  );
  const file = path.join(folder, name);
  writeFileSync(file, text);
  return file;
}

beforeAll(async () => {
  writeFileSync(definitions, await kubeadmDefinitions());
  await kubectl(plane, 'apply', '--server-side', '--force-conflicts', '-f', definitions);
  await kubectl(plane, 'wait', '--for=condition=Established', '--timeout=60s', '-f', definitions);
  await world.start({ hosts: 3, profile: 'generic' });
  for (const [host, role] of [
    ['host-1', 'control-plane'],
    ['host-2', 'worker'],
    ['host-3', 'worker'],
  ] as const)
    await world.kubectl('label', 'physicalhost', host, `beskar7.io/role=${role}`);
  kubeadm = new Kubeadm(world.admin, namespace);
  kubeadm.start();
});

afterAll(async () => {
  await kubeadm.stop();
  await world.stop();
  await kubectl(plane, 'delete', '--wait=false', '-f', definitions);
  rmSync(folder, { recursive: true });
});

const isReconciled = (cluster: { status?: { conditions?: { type: string; status: string }[] } }) =>
  findCondition(cluster.status?.conditions as never, 'TopologyReconciled')?.status === 'True';

async function workerOn(image: string): Promise<string> {
  const { items } = await world.admin.list(MACHINES, { namespace });
  const found = items.find(
    ({ metadata, spec }) =>
      spec.targetOSImage === image && metadata.labels?.['topology.cluster.x-k8s.io/deployment-name'] === 'workers',
  );
  return found?.metadata.name ?? '';
}

describe('the shipped ClusterClass under the real topology controller', () => {
  test('a Cluster of it comes up: variables become endpoint, image and host selector', async () => {
    await world.kubectl('apply', '-f', shipped('clusterclass-beskar7.yaml'));
    await world.apply(secretsOf('top', plane.adminKubeconfig));
    await world.kubectl('apply', '-f', shipped('cluster-template-topology.yaml'));
    const cluster = await world.untilCluster(
      'top',
      'with its topology in place',
      (found) => isReconciled(found) && found.status?.initialization?.infrastructureProvisioned === true,
    );
    expect(cluster.spec.controlPlaneEndpoint).toEqual({ host: '10.9.9.9', port: 6443 });
    const [deployment = ''] = (await world.names('machinedeployments')).map((name) => name.split('/')[1] ?? '');
    await world.untilDeployment(deployment, 1);
    const { items } = await world.admin.list(MACHINES, { namespace });
    const roles = items.map(({ spec, status }) => [
      spec.hostSelector?.matchLabels?.['beskar7.io/role'],
      spec.targetOSImage,
      status?.phase,
    ]);
    expect(roles.sort()).toEqual([
      ['control-plane', OLD, 'Provisioned'],
      ['worker', OLD, 'Provisioned'],
    ]);
    const worker = items.find(({ metadata }) => metadata.name.includes('workers'));
    expect(['host-2', 'host-3']).toContain(worker?.status?.hostRef?.name);
  });

  test('a person does not change a template in place, and the topology stays reconciled', async () => {
    const [template = ''] = (await world.names('beskar7machinetemplates')).filter((name) => name.includes('workers'));
    const patch = JSON.stringify({ spec: { template: { spec: { targetOSImage: NEW } } } });
    await expect(world.kubectl('patch', template, '--type=merge', '-p', patch)).rejects.toThrow(/immutable|change/i);
    expect(isReconciled(await world.admin.get(TEST_CLUSTERS, namespace, 'top'))).toBe(true);
  });

  test('a changed variable: the dry run on the template passes, the workers roll out onto another host, and the old one is free', async () => {
    const old = await workerOn(OLD);
    const before = await world.machine(old);
    const { spec } = (await world.admin.get(TEST_CLUSTERS, namespace, 'top')) as unknown as {
      spec: { topology: { variables: { name: string; value: unknown }[] } };
    };
    const variables = spec.topology.variables.map((variable) =>
      variable.name === 'targetOSImage' ? { ...variable, value: NEW } : variable,
    );
    await world.admin.mergePatch(TEST_CLUSTERS, namespace, 'top', { spec: { topology: { variables } } });
    await world.machineIsGone(old, 200_000);
    const { status } = (await world.machine(await workerOn(NEW))) ?? {};
    expect(status?.phase).toBe('Provisioned');
    const left = before?.status?.hostRef?.name ?? '';
    expect(status?.hostRef?.name).not.toBe(left);
    await world.hostIs(left, 'Available');
    expect(world.serverOf(left).server.state.power).toBe('Off');
    await world.untilCluster('top', 'with its topology in place again', isReconciled);
  });

  test('the deleted Cluster leaves all hosts free and off', async () => {
    await world.kubectl('delete', 'cluster', 'top', '--wait=false');
    for (const host of ['host-1', 'host-2', 'host-3']) {
      await world.hostIs(host, 'Available');
      expect(world.serverOf(host).server.state.power).toBe('Off');
    }
    await world.until(TEST_CLUSTERS, 'top', (found) => found === undefined, 120_000, 'Cluster top gone');
  });
});
