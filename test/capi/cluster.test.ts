import { readFileSync } from 'node:fs';
import { afterAll, beforeAll, describe, expect, jest, test } from '@jest/globals';
import { claimOf } from '../../model/claim.ts';
import { findCondition } from '../../crds/conditions.ts';
import { CLUSTERS, MACHINE_TEMPLATES } from '../../kube/resource.ts';
import { CapiWorld } from '../support/capi/capiWorld.ts';
import { TEST_CLUSTERS } from '../support/capi/kinds.ts';
import {
  clusterObjects,
  controlPlaneMachine,
  machineDeployment,
  machineHealthCheck,
  machineTemplate,
  secretsOf,
} from '../support/capi/objects.ts';

jest.setTimeout(240_000);

const world = new CapiWorld('capi-cluster');
const { namespace } = world;
const HOSTS = ['host-1', 'host-2', 'host-3', 'host-4', 'host-5', 'host-6'];
const ZONES = ['zone-a', 'zone-b', 'zone-c'];

beforeAll(async () => {
  await world.start({ hosts: HOSTS.length, profile: 'mixed' });
  for (const [index, host] of HOSTS.entries())
    await world.kubectl('label', 'physicalhost', host, `topology.kubernetes.io/zone=${ZONES[index % 3] ?? ''}`);
});
afterAll(() => world.stop());

describe('a cluster under the real core controllers of Cluster API', () => {
  test('its infrastructure is ready, and its failure domains are the zones of the hosts', async () => {
    await world.apply([...clusterObjects('c'), ...secretsOf('c', world.plane.adminKubeconfig)]);
    const cluster = await world.untilCluster('c', 'with infrastructure', ({ status }) => {
      return status?.initialization?.infrastructureProvisioned === true && status.failureDomains?.length === 3;
    });
    expect(cluster.status?.failureDomains?.map(({ name }) => name).sort()).toEqual(ZONES);
    expect(cluster.status?.failureDomains?.every(({ controlPlane }) => controlPlane === true)).toBe(true);
    expect(findCondition(cluster.status?.conditions, 'InfrastructureReady')?.status).toBe('True');
  });

  test('a control-plane Machine runs in the zone that it names, and gives the cluster its endpoint', async () => {
    await world.apply(controlPlaneMachine('c', 'cp-0', 'zone-b'));
    const machine = await world.untilMachineRuns('cp-0');
    const own = await world.machine('cp-0');
    const host = await world.host(own?.status?.hostRef?.name ?? '');
    expect(host?.metadata.labels?.['topology.kubernetes.io/zone']).toBe('zone-b');
    expect(machine.spec.providerID).toBe(`b7://${namespace}/${host?.metadata.name ?? ''}/cp-0`);
    expect(machine.status).toMatchObject({
      failureDomain: 'zone-b',
      initialization: { infrastructureProvisioned: true },
    });
    expect(machine.status?.addresses).toContainEqual({ type: 'Hostname', address: host?.metadata.name });
    expect(findCondition(machine.status?.conditions, 'InfrastructureReady')).toMatchObject({ status: 'True' });
    expect(machine.status?.nodeRef?.name).toBe('cp-0');

    const address = machine.status?.addresses?.find(({ type }) => type === 'InternalIP')?.address;
    const cluster = await world.untilCluster('c', 'with an endpoint', ({ spec }) =>
      Boolean(spec.controlPlaneEndpoint?.host),
    );
    expect(cluster.spec.controlPlaneEndpoint).toEqual({ host: address, port: 6443 });
    const infrastructure = await world.admin.get(CLUSTERS, namespace, 'c');
    expect(infrastructure.status?.controlPlaneEndpoint).toEqual({ host: address, port: 6443 });
    expect(infrastructure.spec.controlPlaneEndpoint).toEqual({ host: address, port: 6443 });
  });

  test('a MachineDeployment of three comes up on three more hosts', async () => {
    await world.apply([machineTemplate('workers-1'), machineDeployment('c', 'workers', 'workers-1', 3)]);
    await world.untilDeployment('workers', 3);
    const machines = await world.workers();
    const ids = new Set(machines.map(({ spec }) => spec.providerID));
    expect([machines.length, ids.size]).toEqual([3, 3]);
    for (const { status } of machines) {
      expect(status?.addresses?.some(({ type }) => type === 'InternalIP')).toBe(true);
      expect(ZONES).toContain(status?.failureDomain);
    }
    expect(await world.hostsIn('Ready')).toHaveLength(4);
  });

  test('the template says what one of its machines offers, for the cluster autoscaler', async () => {
    const template = await world.until(
      MACHINE_TEMPLATES,
      'workers-1',
      (found) => found?.status?.capacity !== undefined,
      30_000,
      'template workers-1 with a capacity',
    );
    expect(template?.status?.capacity).toEqual({ cpu: expect.stringMatching(/^\d+$/), memory: '64Gi' });
  });

  test('scaled up by one and down by two: the hosts that are left over are off and free', async () => {
    await world.kubectl('scale', 'machinedeployment', 'workers', '--replicas=4');
    await world.untilDeployment('workers', 4);
    expect(await world.hostsIn('Ready')).toHaveLength(5);
    await world.kubectl('scale', 'machinedeployment', 'workers', '--replicas=2');
    await world.untilDeployment('workers', 2);
    const ready = await world.untilHosts('Ready', 3);
    await world.untilHosts('Available', 3);
    for (const host of HOSTS.filter((name) => !ready.includes(name))) world.expectFree(host);
  });

  test('a changed template is rolled out, machine by machine', async () => {
    const before = (await world.workers()).map(({ metadata }) => metadata.name);
    await world.apply([machineTemplate('workers-2', { configurationURL: 'http://images.example/new.yaml' })]);
    const infrastructureRef = {
      kind: 'Beskar7MachineTemplate',
      name: 'workers-2',
      apiGroup: 'infrastructure.cluster.x-k8s.io',
    };
    const change = { spec: { template: { spec: { infrastructureRef } } } };
    await world.kubectl('patch', 'machinedeployment', 'workers', '--type=merge', '-p', JSON.stringify(change));
    await world.untilDeployment('workers', 2, before);
    await world.untilHosts('Ready', 3);
    for (const { spec } of await world.workers()) {
      const own = await world.machine(spec.infrastructureRef.name);
      expect(own?.spec.configurationURL).toBe('http://images.example/new.yaml');
    }
  });

  test('a MachineHealthCheck replaces a machine that failed, on another host', async () => {
    await world.apply([machineHealthCheck('c', 'workers', 8)]);
    // Whichever host is chosen first fails; the next one is another, since that one was released just now.
    const free = await world.hostsIn('Available');
    await Promise.all(free.map((host) => world.fault(host, { provisionFails: 'no disk to write to' })));
    await world.kubectl('scale', 'machinedeployment', 'workers', '--replicas=3');
    const failed = await world.untilAnyMachine('Failed');
    const condition = findCondition(failed.status?.conditions, 'Ready');
    expect(condition).toMatchObject({ status: 'False', reason: 'ProvisionFailed' });
    expect(condition?.message).toContain('no disk to write to');
    const bad = /host (host-\d)/.exec(condition?.message ?? '')?.[1] ?? '';
    expect(free).toContain(bad);
    await world.healAll();
    await world.machineIsGone(failed.metadata.name, 120_000);
    await world.untilDeployment('workers', 3);
    expect((await world.workers()).map(({ spec }) => spec.providerID)).not.toContainEqual(
      expect.stringContaining(`b7://${namespace}/${bad}/`),
    );
    expect((await world.host(bad))?.status?.state).toBe('Available');
    world.expectFree(bad);
  });

  test('a paused Cluster stops everything: no claim, no release, until it goes on', async () => {
    await world.kubectl('delete', 'machinehealthcheck', 'workers-health');
    await world.kubectl('patch', 'cluster', 'c', '--type=merge', '-p', '{"spec":{"paused":true}}');
    const infrastructure = await world.until(
      CLUSTERS,
      'c',
      (found) => findCondition(found?.status?.conditions, 'Paused')?.status === 'True',
      30_000,
      'Beskar7Cluster c paused',
    );
    expect(findCondition(infrastructure?.status?.conditions, 'Paused')?.reason).toBe('Paused');
    const [worker] = await world.workers();
    const own = await world.untilMachine(
      worker?.spec.infrastructureRef.name ?? '',
      'paused',
      ({ status }) => findCondition(status?.conditions, 'Paused')?.status === 'True',
    );
    // The owner does nothing while it is paused: deleted by hand, our machine has to wait too.
    const since = performance.now();
    await world.kubectl('delete', 'beskar7machine', own.metadata.name, '--wait=false');
    await world.apply(controlPlaneMachine('c', 'cp-late'));
    await world.untilMachine('cp-late', 'told to be paused', ({ status }) =>
      Boolean(findCondition(status?.conditions, 'Paused')),
    );
    const host = await world.host(own.status?.hostRef?.name ?? '');
    expect(host && claimOf(host)?.stage).toBe('HandedOver');
    expect(await world.hostsIn('Available')).toHaveLength(2);
    expect(world.fleet.requests(undefined, since).filter(({ mutating }) => mutating)).toEqual([]);
    expect((await world.machine('cp-late'))?.metadata.finalizers ?? []).not.toContain('beskar7.io/machine');

    await world.kubectl('patch', 'cluster', 'c', '--type=merge', '-p', '{"spec":{"paused":false}}');
    await world.machineIsGone(own.metadata.name);
    await world.untilMachineRuns('cp-late');
    await world.kubectl('delete', 'machine', 'cp-late', '--wait=false');
    await world.machineIsGone('cp-late');
  });

  test('a deleted Cluster leaves all hosts free and off', async () => {
    await world.kubectl('delete', 'cluster', 'c', '--wait=false');
    await world.until(TEST_CLUSTERS, 'c', (found) => found === undefined, 180_000, 'Cluster c gone');
    for (const host of HOSTS) {
      await world.hostIs(host, 'Available');
      world.expectFree(host);
    }
    expect(await world.names('beskar7machines,beskar7clusters,machines,machinedeployments')).toEqual([]);
    const secrets = await world.names('secrets');
    expect(secrets.filter((name) => name.includes('-boot-'))).toEqual([]);
  });

  test('every change at a BMC named its claim, and nothing was forbidden to the shipped account', () => {
    for (const entry of world.fleet.requests().filter(({ mutating }) => mutating))
      expect(entry.userAgent).toMatch(/^beskar7 \([0-9a-f-]{36}\)$/);
    expect(readFileSync(world.beskar7.logFile, 'utf8')).not.toContain('403 Forbidden');
  });
});
