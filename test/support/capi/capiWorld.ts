import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { expect } from '@jest/globals';
import type { Beskar7Machine } from '../../../crds/beskar7Machine.ts';
import type { Faults, Fleet, FleetOptions } from '../../../simulator/index.ts';
import { HOSTS, MACHINES } from '../../../kube/resource.ts';
import { freePorts } from '../../../tools/controlplane/ports.ts';
import { World } from '../world.ts';
import {
  MACHINE_DEPLOYMENTS,
  TEST_CLUSTERS,
  TEST_MACHINES,
  type TestCluster,
  type TestMachine,
  type TestMachineDeployment,
} from './kinds.ts';
import { Kubelets } from './nodes.ts';

const BOUND_MS = 120_000;

/** A world under the real core controllers, with kubelets on the provisioned servers. */
export class CapiWorld extends World {
  #kubelets: Kubelets | undefined;
  /** Whether the servers' Nodes are played; set it before the start. Real ones register themselves. */
  playsKubelets = true;
  readonly #folder = mkdtempSync(path.join(os.tmpdir(), 'beskar7-capi-'));
  #files = 0;

  override async start(fleet: Partial<FleetOptions>): Promise<void> {
    await this.#serveWebhook();
    await super.start(fleet);
    if (!this.playsKubelets) return;
    this.#kubelets = new Kubelets(this.admin, this.namespace);
    this.#kubelets.start();
  }

  override async startWith(fleet: Fleet): Promise<void> {
    await this.#serveWebhook();
    await super.startWith(fleet);
  }

  async #serveWebhook(): Promise<void> {
    const [port = 0] = await freePorts(1);
    this.flags.push(`--webhook-bind-address=127.0.0.1:${port}`, `--webhook-url=https://127.0.0.1:${port}`);
  }

  override async stop(): Promise<void> {
    await this.#kubelets?.stop();
    await super.stop();
    rmSync(this.#folder, { recursive: true, force: true });
  }

  /** kubectl apply. */
  async apply(objects: readonly object[]): Promise<void> {
    const file = path.join(this.#folder, `${(this.#files += 1)}.json`);
    writeFileSync(file, JSON.stringify({ apiVersion: 'v1', kind: 'List', items: objects }));
    await this.kubectl('apply', '--server-side', '-f', file);
  }

  /** `<kind>/<name>` of all objects of some kinds. */
  async names(kinds: string): Promise<string[]> {
    const output = await this.kubectl('get', kinds, '-o', 'name');
    return output.split('\n').filter((line) => line.includes('/'));
  }

  fault(host: string, faults: Faults): Promise<void> {
    return this.serverOf(host).fault(faults);
  }

  healAll(): Promise<void> {
    return this.fleet.heal();
  }

  async untilCluster(name: string, what: string, isSo: (cluster: TestCluster) => boolean): Promise<TestCluster> {
    const so = (cluster: TestCluster | undefined) => cluster !== undefined && isSo(cluster);
    return (await this.until(TEST_CLUSTERS, name, so, BOUND_MS, `Cluster ${name} ${what}`)) as TestCluster;
  }

  /** Until Cluster API says that a Machine runs: its infrastructure is there, and its Node. */
  async untilMachineRuns(name: string, boundMs = BOUND_MS): Promise<TestMachine> {
    const so = (machine: TestMachine | undefined) => machine?.status?.phase === 'Running';
    return (await this.until(TEST_MACHINES, name, so, boundMs, `Machine ${name} running`)) as TestMachine;
  }

  /** Until a MachineDeployment has exactly so many machines, all available and new (none of `before`). */
  async untilDeployment(name: string, replicas: number, before: readonly string[] = []): Promise<void> {
    const so = (deployment: TestMachineDeployment | undefined) => {
      const { status } = deployment ?? {};
      return [status?.replicas, status?.availableReplicas, status?.upToDateReplicas].every((is) => is === replicas);
    };
    await this.until(MACHINE_DEPLOYMENTS, name, so, BOUND_MS, `MachineDeployment ${name} with ${replicas} available`);
    for (const old of before)
      await this.until(TEST_MACHINES, old, (found) => found === undefined, BOUND_MS, `Machine ${old} gone`);
  }

  /** The Machines of MachineDeployments that are not being deleted. */
  async workers(): Promise<TestMachine[]> {
    const { items } = await this.admin.list(TEST_MACHINES, {
      namespace: this.namespace,
      labelSelector: 'cluster.x-k8s.io/deployment-name',
    });
    return items.filter(({ metadata }) => metadata.deletionTimestamp === undefined);
  }

  /** Until any Beskar7Machine is in a phase. */
  async untilAnyMachine(phase: string): Promise<Beskar7Machine> {
    const { namespace } = this;
    const signal = AbortSignal.timeout(BOUND_MS);
    const isSo = ({ status }: Beskar7Machine) => status?.phase === phase;
    for (;;) {
      const { items, resourceVersion } = await this.admin.list(MACHINES, { namespace, signal });
      const found = items.find(isSo);
      if (found) return found;
      const watch = this.admin.watch(MACHINES, { namespace, resourceVersion, signal, timeoutSeconds: 60 });
      for await (const { type, object } of watch) if (type !== 'BOOKMARK' && isSo(object)) return object;
    }
  }

  /** Names of the hosts in a state, now. */
  async hostsIn(state: string): Promise<string[]> {
    const { items } = await this.admin.list(HOSTS, { namespace: this.namespace });
    return items.filter(({ status }) => status?.state === state).map(({ metadata }) => metadata.name);
  }

  /** Until exactly so many hosts are in a state; gives their names. */
  async untilHosts(state: string, count: number, boundMs = BOUND_MS): Promise<string[]> {
    const { namespace } = this;
    const signal = AbortSignal.timeout(boundMs);
    for (;;) {
      const now = await this.hostsIn(state);
      if (now.length === count) return now;
      const { resourceVersion } = await this.admin.list(HOSTS, { namespace, signal, limit: 1 });
      const watch = this.admin.watch(HOSTS, { namespace, resourceVersion, signal, timeoutSeconds: 5 });
      for await (const { type } of watch) if (type !== 'BOOKMARK') break;
    }
  }

  /** The server behind a free host is off, without a boot override. */
  expectFree(host: string): void {
    const { server } = this.serverOf(host);
    expect({ host, power: server.state.power, override: server.override.enabled }).toEqual({
      host,
      power: 'Off',
      override: 'Disabled',
    });
  }
}
