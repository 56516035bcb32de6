import { readFileSync } from 'node:fs';
import { afterAll, beforeAll, describe, expect, jest, test } from '@jest/globals';
import { claimOf } from '../../model/claim.ts';
import { ANNOTATION_BLOCK_MOVE, FINALIZER_SECRET, LABEL_CONSUMER_UID, LABEL_MOVE } from '../../crds/names.ts';
import { HOSTS, MACHINES, SECRETS } from '../../kube/resource.ts';
import { CapiWorld } from '../support/capi/capiWorld.ts';
import { Clusterctl, type Running } from '../support/capi/clusterctl.ts';
import {
  clusterObjects,
  controlPlaneMachine,
  machineDeployment,
  machineTemplate,
  secretsOf,
} from '../support/capi/objects.ts';
import { INIT, INIT_VARIABLES, startSecondPlane, type SecondPlane } from '../support/capi/secondPlane.ts';
import { testControlPlane } from '../support/controlPlane.ts';

jest.setTimeout(300_000);

const NAMESPACE = 'capi-move';
const source = new CapiWorld(NAMESPACE);
const HOSTNAMES = ['host-1', 'host-2', 'host-3', 'host-4', 'host-5', 'host-6'];
let second: SecondPlane;
let target: CapiWorld;
let clusterctl: Clusterctl;
let move: Running;
/** Of the monotonic clock: what came to a BMC from then on was not for the provisioning that was under way. */
let handedOverAt = 0;
let before: { uid: string; providerID: string | undefined; name: string }[] = [];

const machinesOf = async (world: CapiWorld) => (await world.admin.list(MACHINES, { namespace: NAMESPACE })).items;
const changesSince = (since: number) => source.fleet.requests(undefined, since).filter(({ mutating }) => mutating);

beforeAll(async () => {
  second = await startSecondPlane(testControlPlane());
  target = new CapiWorld(NAMESPACE, [], second.plane);
  await source.start({ hosts: HOSTNAMES.length, profile: 'mixed' });
  await target.startWith(source.fleet);
  clusterctl = await Clusterctl.make(source.plane);
});
afterAll(async () => {
  clusterctl?.remove();
  await target?.stop();
  await source.stop();
  await second?.stop();
});

describe('clusterctl init', () => {
  test('installs the providers from a local repository, and Beskar7 is in the inventory of both clusters', async () => {
    await clusterctl.run([...INIT, `--kubeconfig=${source.plane.adminKubeconfig}`], INIT_VARIABLES);
    for (const world of [source, target]) {
      const inventory = JSON.parse(
        await world.kubectl('get', 'providers.clusterctl.cluster.x-k8s.io', '-A', '-o', 'json'),
      ) as {
        items: { metadata: { namespace: string }; providerName: string; type: string; version: string }[];
      };
      const own = inventory.items.find(({ providerName }) => providerName === 'beskar7');
      expect(own).toMatchObject({
        type: 'InfrastructureProvider',
        version: 'v0.1.0',
        metadata: { namespace: 'beskar7-system' },
      });
      expect(inventory.items).toHaveLength(4);
    }
    const args = await target.kubectl(
      'get',
      'deployment',
      'beskar7-worker',
      '-n',
      'beskar7-system',
      '-o',
      'jsonpath={..args}',
    );
    expect(args).toContain('--temporal-address=temporal.example:7233');
  });
});

describe('clusterctl move between two management clusters', () => {
  test('a cluster runs on the first one', async () => {
    const labels = { [LABEL_MOVE]: '' };
    const secrets = secretsOf('c', source.plane.adminKubeconfig) as { metadata: { labels: Record<string, string> } }[];
    // The bootstrap data of a real cluster belongs to its KubeadmConfig, and moves with it.
    for (const { metadata } of secrets) Object.assign(metadata.labels, labels);
    await source.apply([...clusterObjects('c'), ...secrets, ...controlPlaneMachine('c', 'cp-0')]);
    await source.apply([machineTemplate('workers'), machineDeployment('c', 'workers', 'workers', 2)]);
    await source.untilMachineRuns('cp-0');
    await source.untilDeployment('workers', 2);
    await source.untilCluster(
      'c',
      'with its control plane',
      ({ status }) =>
        status?.conditions?.some(({ type, status: is }) => type === 'ControlPlaneInitialized' && is === 'True') ===
        true,
    );
    expect(await source.hostsIn('Ready')).toHaveLength(3);
  });

  test('waits for a provisioning that is under way', async () => {
    for (const host of await source.hostsIn('Available'))
      await source.fault(host, { delayCallbacksMs: 12_000, times: 1 });
    await source.addMachine('alone');
    const machine = await source.machineIs('alone', 'Inspecting');
    expect(machine.metadata.annotations?.[ANNOTATION_BLOCK_MOVE]).toBe('true');
    move = clusterctl.start([
      'move',
      `--kubeconfig=${source.plane.adminKubeconfig}`,
      `--to-kubeconfig=${target.plane.adminKubeconfig}`,
      `--namespace=${NAMESPACE}`,
      '-v=5',
    ]);
    await move.said(/Move blocked by clusterctl.cluster.x-k8s.io\/block-move annotation/);
    expect(await machinesOf(target)).toEqual([]);
    const provisioned = await source.machineIs('alone', 'Provisioned');
    handedOverAt = performance.now();
    expect(provisioned.metadata.annotations?.[ANNOTATION_BLOCK_MOVE]).toBeUndefined();
    before = (await machinesOf(source)).map(({ metadata, spec }) => ({
      uid: metadata.uid ?? '',
      name: metadata.name,
      providerID: spec.providerID,
    }));
    expect(before).toHaveLength(4);
  });

  test('machines, hosts and their Secrets go along, and nothing stays behind', async () => {
    const { code, output } = await move.done;
    expect({ code, output: code === 0 ? '' : output }).toEqual({ code: 0, output: '' });
    expect(
      await source.names('clusters,machines,machinedeployments,beskar7clusters,beskar7machines,physicalhosts'),
    ).toEqual([]);
    await expect(source.admin.get(SECRETS, NAMESPACE, 'bmc')).rejects.toThrow(/not found/i);
    const secret = await target.admin.get(SECRETS, NAMESPACE, 'bmc');
    expect(secret.metadata.finalizers).toEqual([FINALIZER_SECRET]);
    expect(
      (await target.admin.list(HOSTS, { namespace: NAMESPACE })).items.map(({ metadata }) => metadata.name).sort(),
    ).toEqual(HOSTNAMES);
  });

  test('the machines are recognised on their hosts under their new uids, without a call that changes a BMC', async () => {
    for (const { name, uid, providerID } of before) {
      const machine = await target.machineIs(name, 'Provisioned');
      expect(machine.metadata.uid).not.toBe(uid);
      expect(machine.spec.providerID).toBe(providerID);
      const host = await target.hostIs(machine.status?.hostRef?.name ?? '', 'Ready');
      expect(host.spec.consumerRef).toMatchObject({ name, uid: machine.metadata.uid });
      expect(host.metadata.labels?.[LABEL_CONSUMER_UID]).toBe(machine.metadata.uid);
      expect(claimOf(host)?.stage).toBe('HandedOver');
      expect(target.serverOf(host.metadata.name).server.state.running).toBe('os');
    }
    await target.untilHosts('Available', 2);
    for (const name of ['cp-0', ...(await target.workers()).map(({ metadata }) => metadata.name)])
      await target.untilMachineRuns(name);
    await target.untilDeployment('workers', 2);
    expect(changesSince(handedOverAt)).toEqual([]);
  });

  test('addresses, failure domain and endpoint are what they were', async () => {
    const cluster = await target.untilCluster(
      'c',
      'ready again',
      ({ status }) => status?.initialization?.infrastructureProvisioned === true,
    );
    expect(cluster.spec.controlPlaneEndpoint?.port).toBe(6443);
    const machine = await target.machine('cp-0');
    expect(machine?.status?.addresses).toContainEqual({
      type: 'InternalIP',
      address: cluster.spec.controlPlaneEndpoint?.host,
    });
  });

  test('a scale-down on the second one frees a server', async () => {
    await target.kubectl('scale', 'machinedeployment', 'workers', '--replicas=1');
    await target.untilDeployment('workers', 1);
    const free = await target.untilHosts('Available', 3);
    for (const host of free) target.expectFree(host);
    expect((await target.hostsIn('Ready')).sort()).toEqual(HOSTNAMES.filter((host) => !free.includes(host)));
  });

  test('the first one, whose Beskar7 was running all the time, did nothing about it', async () => {
    const changed = new Set(changesSince(handedOverAt).map(({ userAgent }) => userAgent));
    // The scale-down's claim.
    expect(changed.size).toBe(1);
    for (const { beskar7 } of [source, target])
      expect(readFileSync(beskar7.logFile, 'utf8')).not.toContain('403 Forbidden');
  });
});
