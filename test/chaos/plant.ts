import { execFile } from 'node:child_process';
import { mkdir, mkdtemp, readFile, rm } from 'node:fs/promises';
import os from 'node:os';
import path from 'node:path';
import { promisify } from 'node:util';
import { KubeConfig } from '@kubernetes/client-node';
import { Client, Connection } from '@temporalio/client';
import { parse } from 'yaml';
import { KubeClient } from '../../kube/client.ts';
import { Fleet } from '../../simulator/fleet.ts';
import { startFleet } from '../../simulator/index.ts';
import { startControlPlane, TEMPORAL_NAMESPACE, type ControlPlane } from '../../tools/controlplane/index.ts';
import { installBeskar7 } from '../../tools/controlplane/install.ts';
import { freePorts } from '../../tools/controlplane/ports.ts';
import { releaseFolder, watchFolder } from '../../tools/controlplane/watchdog.ts';
import { Gateway } from './gateway.ts';
import { KubeProxy } from './kubeProxy.ts';
import { namespaceOf, TemporalObserver } from './observer.ts';
import { makeProcesses, type RoleProcess } from './processes.ts';
import type { Random } from './random.ts';
import type { ChaosRecord } from './records.ts';
import { TemporalProxy } from './temporalProxy.ts';

export interface PlantOptions {
  /** Simulated servers, for all worlds together. */
  readonly servers: number;
  /** What Beskar7 watches; undefined: every namespace. */
  readonly namespace: string | undefined;
  /** Logs and data are kept there. */
  readonly keep: string | undefined;
  readonly random: Random;
  /** Beskar7 reaches Temporal through `temporalProxy`, which can lose signals. */
  readonly isTemporalProxied?: boolean;
}

/**
 * What the worlds of a chaos run have in common: a control plane, Beskar7 in eight processes, which run when the plant
 * has started, the simulated servers, and what stands between them. Each world is a namespace in it, with servers of
 * its own.
 */
export class ChaosPlant {
  readonly folder: string;
  readonly plane: ControlPlane;
  readonly admin: KubeClient;
  readonly temporal: Client;
  readonly proxy: KubeProxy;
  readonly temporalProxy: TemporalProxy;
  readonly callbacks: Gateway;
  readonly boots: Gateway;
  readonly processes: readonly RoleProcess[];
  readonly runs: TemporalObserver;
  readonly #servers: Fleet;
  readonly #connection: Connection;
  readonly #isKept: boolean;
  readonly #recorders = new Map<string, (record: ChaosRecord) => void>();
  #taken = 0;

  private constructor(parts: Parts) {
    this.folder = parts.folder;
    this.#isKept = parts.isKept;
    this.plane = parts.plane;
    this.admin = parts.admin;
    this.#connection = parts.connection;
    this.temporal = new Client({ connection: parts.connection, namespace: TEMPORAL_NAMESPACE });
    this.#servers = parts.servers;
    this.proxy = parts.proxy;
    this.temporalProxy = parts.temporalProxy;
    this.processes = parts.processes;
    const gateway = (port: (process: RoleProcess) => number) =>
      new Gateway(
        parts.processes.filter(({ role }) => role === 'api').map((process) => `http://127.0.0.1:${port(process)}`),
        parts.random.fork(),
        (record, namespace) => this.#hand(record, namespace === '' ? undefined : namespace),
      );
    this.callbacks = gateway(({ callbackPort }) => callbackPort);
    this.boots = gateway(({ bootPort }) => bootPort);
    this.runs = new TemporalObserver(this.temporal, (record) =>
      this.#hand(record, 'workflowId' in record ? namespaceOf(record.workflowId) : undefined),
    );
  }

  /** Starts everything. Rejects, with nothing left running, when a part does not start. */
  static async start(options: PlantOptions): Promise<ChaosPlant> {
    const { keep, random, servers, isTemporalProxied = false } = options;
    const folder = keep ?? (await mkdtemp(path.join(os.tmpdir(), 'beskar7-chaos-')));
    if (keep === undefined) watchFolder(folder);
    await mkdir(path.join(folder, 'logs'), { recursive: true });
    const [apiServer = 0, etcd = 0, etcdPeer = 0, temporal = 0, temporalUi = 0] = await freePorts(5);
    const ports = { apiServer, etcd, etcdPeer, temporal, temporalUi };
    const plane = await startControlPlane({ dataFolder: folder, isFresh: true, ports });
    const [callbackPort = 0, bootPort = 0] = await freePorts(2);
    const workflowBundle = path.join(folder, 'workflows.js');
    const [account] = await Promise.all([installBeskar7(plane), bundle(workflowBundle)]);
    const proxy = new KubeProxy(plane.apiServerUrl, await readFile(plane.caFile, 'utf8'), random.fork());
    await proxy.listen();
    const temporalProxy = new TemporalProxy(plane.temporalAddress);
    const temporalAddress = isTemporalProxied ? await temporalProxy.listen() : plane.temporalAddress;
    const admin = new KubeConfig();
    admin.loadFromFile(plane.adminKubeconfig);
    const processes = await makeProcesses({
      namespace: options.namespace,
      temporalAddress,
      workflowBundle,
      folder,
      token: await tokenOf(account),
      callbackUrl: `http://127.0.0.1:${callbackPort}`,
      apiServer: (name) => proxy.url(name),
    });
    const fleet = await startFleet({
      hosts: servers,
      ports: await freePorts(servers),
      latencyMs: 5,
      bootTimeMs: 1_000,
      powerDelayMs: 300,
      bootstrapPollMs: 1_000,
      password: `first-${Math.floor(random.next() * 1e12).toString(36)}`,
      osReadyAfterMs: 500,
      // More of them than one in ten know sessions only, which can be lost.
      profile: 'mixed,openbmc,openbmc',
      seed: Math.floor(random.next() * 90) + 1,
      bootUrl: `http://127.0.0.1:${bootPort}/api/v1/boot?mac=\${netX/mac}`,
    });
    const connection = await Connection.connect({ address: plane.temporalAddress });
    const client = KubeClient.fromConfig(admin, { userAgent: 'beskar7-chaos' });
    const isKept = keep !== undefined;
    const parts = { folder, isKept, plane, connection, servers: fleet, proxy, temporalProxy, processes, random };
    const plant = new ChaosPlant({ ...parts, admin: client });
    try {
      await plant.callbacks.listen(callbackPort);
      await plant.boots.listen(bootPort);
      plant.runs.start();
      await Promise.all(processes.map((process) => plant.startProcess(process)));
      return plant;
    } catch (error) {
      await plant.stop();
      throw error;
    }
  }

  async startProcess(process: RoleProcess): Promise<void> {
    await process.component.start();
    process.state = 'runs';
  }

  /** Servers that no world has had yet. Throws when there are not so many. */
  takeServers(count: number): Fleet {
    const hosts = this.#servers.hosts.slice(this.#taken, this.#taken + count);
    if (hosts.length < count) throw new Error(`the plant has ${hosts.length} servers left, ${count} are wanted`);
    this.#taken += count;
    return new Fleet(hosts, undefined);
  }

  /** From now on a world is told what happens to its runs and callbacks; the result ends that. */
  tell(namespace: string, recorder: (record: ChaosRecord) => void): () => void {
    this.#recorders.set(namespace, recorder);
    return () => void this.#recorders.delete(namespace);
  }

  /** What is about no namespace is for every world. */
  #hand(record: ChaosRecord, namespace: string | undefined): void {
    if (namespace !== undefined) return this.#recorders.get(namespace)?.(record);
    for (const recorder of this.#recorders.values()) recorder(record);
  }

  async stop(): Promise<void> {
    await Promise.all(this.processes.map(({ component }) => component.kill('SIGCONT').then(() => component.stop())));
    await Promise.all([this.runs.stop(), this.callbacks.close(), this.boots.close()]);
    await this.#servers.stop();
    await this.#connection.close();
    await this.admin.close();
    await this.proxy.close();
    this.temporalProxy.close();
    await this.plane.stop();
    if (this.#isKept) return;
    await rm(this.folder, { recursive: true, force: true });
    releaseFolder(this.folder);
  }
}

interface Parts {
  readonly folder: string;
  readonly isKept: boolean;
  readonly plane: ControlPlane;
  readonly admin: KubeClient;
  readonly connection: Connection;
  readonly servers: Fleet;
  readonly proxy: KubeProxy;
  readonly temporalProxy: TemporalProxy;
  readonly processes: readonly RoleProcess[];
  readonly random: Random;
}

async function tokenOf(file: string): Promise<string> {
  const { users } = parse(await readFile(file, 'utf8')) as { users: { user: { token: string } }[] };
  return users[0]?.user.token ?? '';
}

/** In a process of its own, as the worker does it. */
async function bundle(file: string): Promise<void> {
  await promisify(execFile)(process.execPath, [path.join('workers', 'bundle.ts'), file], { timeout: 120_000 });
}
