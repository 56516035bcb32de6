import { execFile } from 'node:child_process';
import { mkdir, mkdtemp, readFile, rm } from 'node:fs/promises';
import os from 'node:os';
import path from 'node:path';
import { promisify } from 'node:util';
import { KubeConfig } from '@kubernetes/client-node';
import { Client, Connection } from '@temporalio/client';
import { parse } from 'yaml';
import { claimOf } from '../../model/claim.ts';
import { KubeClient } from '../../kube/client.ts';
import { isConflict } from '../../kube/error.ts';
import { HOSTS, SECRETS } from '../../kube/resource.ts';
import { startFleet, type Fleet } from '../../simulator/index.ts';
import { startControlPlane, TEMPORAL_NAMESPACE, type ControlPlane } from '../../tools/controlplane/index.ts';
import { installBeskar7, kubectl } from '../../tools/controlplane/install.ts';
import { releaseFolder, watchFolder } from '../../tools/controlplane/watchdog.ts';
import { Checker } from './check/index.ts';
import { Gateway } from './gateway.ts';
import { KubeProxy } from './kubeProxy.ts';
import { KubernetesObserver, observeFleet, TemporalObserver } from './observer.ts';
import { freePorts } from '../../tools/controlplane/ports.ts';
import { makeProcesses, type RoleProcess } from './processes.ts';
import type { Random } from './random.ts';
import type { ChaosRecord } from './records.ts';
import { TemporalProxy } from './temporalProxy.ts';

export const NAMESPACE = 'chaos';
/** One power command in ten is accepted and silently not done, all the time. */
const POWER_LOST = 0.1;

/** All that a chaos run breaks: a control plane of its own, Beskar7 in eight processes, a fleet, and what stands between them. */
export class ChaosWorld {
  readonly folder: string;
  readonly plane: ControlPlane;
  readonly admin: KubeClient;
  readonly temporal: Client;
  readonly fleet: Fleet;
  readonly proxy: KubeProxy;
  readonly temporalProxy: TemporalProxy;
  readonly callbacks: Gateway;
  readonly boots: Gateway;
  readonly processes: readonly RoleProcess[];
  readonly kubernetes: KubernetesObserver;
  readonly runs: TemporalObserver;
  checker = new Checker();
  /** Passwords that BMCs have or had. */
  readonly passwords = new Set<string>();
  /** Names of copies of hosts that are there, or may be. */
  readonly copied = new Set<string>();
  readonly #connection: Connection;
  readonly #isKept: boolean;
  /** Hosts whose last claim was ended by force, and that claim. */
  readonly #forced = new Map<string, string>();

  private constructor(parts: Parts) {
    this.folder = parts.folder;
    this.#isKept = parts.isKept;
    this.plane = parts.plane;
    this.admin = parts.admin;
    this.#connection = parts.connection;
    this.temporal = new Client({ connection: parts.connection, namespace: TEMPORAL_NAMESPACE });
    this.fleet = parts.fleet;
    this.proxy = parts.proxy;
    this.temporalProxy = parts.temporalProxy;
    this.processes = parts.processes;
    const record = (entry: ChaosRecord) => this.#observe(entry);
    const targets = (port: (process: RoleProcess) => number) =>
      parts.processes.filter(({ role }) => role === 'api').map((process) => `http://127.0.0.1:${port(process)}`);
    this.callbacks = new Gateway(
      targets(({ callbackPort }) => callbackPort),
      parts.random.fork(),
      record,
    );
    this.boots = new Gateway(
      targets(({ bootPort }) => bootPort),
      parts.random.fork(),
      record,
    );
    this.kubernetes = new KubernetesObserver(this.admin, NAMESPACE, record);
    this.runs = new TemporalObserver(this.temporal, record);
    observeFleet(this.fleet, hostName, record);
  }

  /** Starts everything and enrolls the fleet. */
  static async start(options: {
    hosts: number;
    keep: string | undefined;
    random: Random;
    /** Beskar7 reaches Temporal through `temporalProxy`, which can lose signals. */
    isTemporalProxied?: boolean;
  }): Promise<ChaosWorld> {
    const { keep, random, hosts, isTemporalProxied = false } = options;
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
      namespace: NAMESPACE,
      temporalAddress,
      workflowBundle,
      folder,
      token: await tokenOf(account),
      callbackUrl: `http://127.0.0.1:${callbackPort}`,
      apiServer: (name) => proxy.url(name),
    });
    const fleet = await startFleet({
      hosts,
      ports: await freePorts(hosts),
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
    const world = new ChaosWorld({
      folder,
      isKept: keep !== undefined,
      plane,
      admin: client,
      connection,
      fleet,
      proxy,
      temporalProxy,
      processes,
      random,
    });
    try {
      await world.callbacks.listen(callbackPort);
      await world.boots.listen(bootPort);
      await world.#enroll();
      return world;
    } catch (error) {
      await world.stop();
      throw error;
    }
  }

  /** One Secret for each host, so that passwords can be changed one by one. */
  async #enroll(): Promise<void> {
    await kubectl(this.plane, 'create', 'namespace', NAMESPACE);
    this.kubernetes.start();
    this.runs.start();
    await Promise.all(this.processes.map((process) => this.startProcess(process)));
    for (const [index, bmc] of this.fleet.hosts.entries()) {
      const name = hostName(index);
      await this.admin.create(SECRETS, {
        metadata: { name: `bmc-${name}`, namespace: NAMESPACE },
        data: credentials(bmc.credentials.password),
      });
      this.passwords.add(bmc.credentials.password);
      await this.#createHost(index);
      await bmc.fault({ powerLost: POWER_LOST });
    }
    await until('every host is enrolled', 120_000, () =>
      [...this.kubernetes.hosts.values()].filter(({ status }) => status?.state === 'Available').length ===
      this.fleet.hosts.length
        ? undefined
        : [...this.kubernetes.hosts.values()]
            .map(({ metadata, status }) => `${metadata.name} ${status?.state ?? '?'}`)
            .join(', '),
    );
  }

  async #createHost(index: number): Promise<void> {
    const bmc = this.fleet.hosts[index];
    if (!bmc) return;
    const name = hostName(index);
    await this.admin.create(HOSTS, {
      metadata: { name, namespace: NAMESPACE, labels: { zone: index % 2 === 0 ? 'a' : 'b' } },
      spec: {
        bootMACAddress: bmc.mac,
        redfishConnection: { address: bmc.address, credentialsSecretRef: `bmc-${name}` },
      },
    });
  }

  /** Hosts that were deleted come back under their name, as when a server is registered anew. Gives how many were created. */
  async createMissingHosts(): Promise<number> {
    let created = 0;
    for (const index of this.fleet.hosts.keys()) {
      if (this.kubernetes.hosts.has(hostName(index))) continue;
      // Another server that answers meanwhile would be taken for it, and rightly.
      if (this.fleet.hosts[index]?.faults.swappedFor !== undefined) continue;
      await this.#createHost(index).then(
        () => (created += 1),
        (error: unknown) => {
          // The watch is behind.
          if (!isConflict(error)) throw error;
        },
      );
    }
    return created;
  }

  /** Nobody has seen the server of this claim off: whether it runs is not known until the host has another claim. */
  noteForced(host: string, claim: string): void {
    this.#forced.set(host, claim);
  }

  /** It was refused after all. */
  takeBackForced(host: string, claim: string): void {
    if (this.#forced.get(host) === claim) this.#forced.delete(host);
  }

  /** The last claim of the host was ended by force. */
  isForced(host: string): boolean {
    return this.#forced.has(host);
  }

  #observe(entry: ChaosRecord): void {
    if (entry.source === 'kubernetes' && entry.kind === 'PhysicalHost') {
      if (entry.type === 'DELETED') this.copied.delete(entry.object.metadata.name);
      const claim = claimOf(entry.object);
      const { name } = entry.object.metadata;
      if (claim && claim.id !== this.#forced.get(name)) this.#forced.delete(name);
    }
    this.checker.add(entry);
  }

  /** Begins with a checker that knows the present and nothing of the past. */
  forget(): void {
    this.checker = new Checker();
    const at = Date.now();
    for (const [index, { server, faults, serial }] of this.fleet.hosts.entries()) {
      const host = hostName(index);
      const { power } = server.state;
      this.checker.add({ source: 'power', at, host, power, why: 'as it is' });
      this.checker.add({ source: 'override', at, host, enabled: server.override.enabled });
      this.checker.add({ source: 'server', at, host, serialNumber: faults.swappedFor ?? serial });
    }
    for (const name of this.kubernetes.secrets) this.checker.add({ source: 'secret', at, type: 'ADDED', name });
    this.checker.add({ source: 'relist', at, kind: 'PhysicalHost' });
    for (const object of this.kubernetes.hosts.values())
      this.checker.add({ source: 'kubernetes', at, notBefore: 0, type: 'ADDED', kind: 'PhysicalHost', object });
  }

  async startProcess(process: RoleProcess): Promise<void> {
    await process.component.start();
    process.state = 'runs';
  }

  /** Ends all faults. Servers keep their changed passwords: the Secrets are made to follow. */
  async heal(): Promise<void> {
    await this.fleet.heal();
    await Promise.all(
      this.fleet.hosts.map((bmc, index) => this.writePassword(hostName(index), bmc.credentials.password)),
    );
  }

  /** The Secret of a host, as an operator writes it after a change of the password. */
  async writePassword(host: string, password: string): Promise<void> {
    await this.admin.mergePatch(SECRETS, NAMESPACE, `bmc-${host}`, { data: credentials(password) });
  }

  async stop(): Promise<void> {
    await Promise.all(this.processes.map(({ component }) => component.kill('SIGCONT').then(() => component.stop())));
    await Promise.all([this.kubernetes.stop(), this.runs.stop(), this.callbacks.close(), this.boots.close()]);
    await this.fleet.stop();
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
  readonly fleet: Fleet;
  readonly proxy: KubeProxy;
  readonly temporalProxy: TemporalProxy;
  readonly processes: readonly RoleProcess[];
  readonly random: Random;
}

export function hostName(index: number): string {
  return `host-${index + 1}`;
}

export function indexOf(host: string): number {
  return Number(host.split('-').at(-1)) - 1;
}

/** Waits until `left` gives undefined; else it says what is missing. Rejects with that after `boundMs`. */
export async function until(
  what: string,
  boundMs: number,
  left: () => string | undefined | Promise<string | undefined>,
): Promise<void> {
  const end = Date.now() + boundMs;
  for (;;) {
    const missing = await left();
    if (missing === undefined) return;
    if (Date.now() > end) throw new Error(`not within ${boundMs / 1000} s: ${what}; ${missing.slice(0, 4_000)}`);
    await new Promise((resolve) => setTimeout(resolve, 500));
  }
}

function credentials(password: string): Record<string, string> {
  const encode = (text: string) => Buffer.from(text).toString('base64');
  return { username: encode('admin'), password: encode(password) };
}

async function tokenOf(file: string): Promise<string> {
  const { users } = parse(await readFile(file, 'utf8')) as { users: { user: { token: string } }[] };
  return users[0]?.user.token ?? '';
}

/** In a process of its own, as the worker does it. */
async function bundle(file: string): Promise<void> {
  await promisify(execFile)(process.execPath, [path.join('workers', 'bundle.ts'), file], { timeout: 120_000 });
}
