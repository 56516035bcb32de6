import { randomBytes } from 'node:crypto';
import path from 'node:path';
import { KubeConfig } from '@kubernetes/client-node';
import { Client, Connection, type ConnectionOptions } from '@temporalio/client';
import type { Beskar7Machine, Beskar7MachineSpec } from '../../crds/beskar7Machine.ts';
import type { PhysicalHost } from '../../crds/physicalHost.ts';
import { WITHOUT_KEYS } from '../../codec/history.ts';
import { KubeClient } from '../../kube/client.ts';
import { isNotFound } from '../../kube/error.ts';
import { HOSTS, MACHINES, type Identified, type Resource } from '../../kube/resource.ts';
import type { RecordedRequest } from '../../simulator/recorder.ts';
import { startFleet, type Fleet, type FleetOptions } from '../../simulator/index.ts';
import type { Component } from '../../tools/controlplane/component.ts';
import { freePorts } from '../../tools/controlplane/ports.ts';
import { beskar7Component } from '../../tools/start/processes.ts';
import { runCommand, type Finished } from '../../tools/toolchain/command.ts';
import { files, histories, leaksIn, logs, metrics, type Place } from './secretScan.ts';
import { recordHistories } from './recordHistories.ts';
import { Witness } from './witness.ts';
import { testControlPlane, type TestControlPlane } from './controlPlane.ts';

/**
 * A namespace of its own, in Kubernetes and in Temporal, with a simulated fleet and Beskar7 as a process, under the
 * shipped ServiceAccount. Worlds do not see each other: several run at the same time on one control plane.
 */
export class World {
  readonly plane: TestControlPlane;
  readonly namespace: string;
  readonly admin: KubeClient;
  fleet!: Fleet;
  beskar7!: Component;
  temporal!: Client;
  /** Of every BMC of the fleet that the world starts. */
  readonly password = `bmc-${randomBytes(12).toString('hex')}`;
  /** Sees every Secret, and every version of what people can read. */
  readonly witness: Witness;
  callbackUrl = '';
  bootUrl = '';
  metricsUrl = '';
  #connection: Connection | undefined;
  /** For every process of Beskar7 in this world. */
  readonly flags: string[];
  /** Where the servers of the fleet find this machine; set it before the start. Virtual machines: 10.0.2.2. */
  seenAs = '127.0.0.1';
  /**
   * What the hosts of the fleet are called, the first is 1; set it before the start. The number has to be the last
   * part.
   */
  hostName = (number: number): string => `host-${number}`;
  /** Further environment of them; set it before the start. */
  env: NodeJS.ProcessEnv = {};
  /** How this test itself reaches its Temporal: for the SDK, and for the command line. Set it before the start. */
  temporalAccess: { connection?: ConnectionOptions; env?: NodeJS.ProcessEnv } = {};
  #healthPort = 0;
  #ownsFleet = true;
  #temporalNamespace: string;

  constructor(namespace: string, flags: readonly string[] = [], plane: TestControlPlane = testControlPlane()) {
    this.plane = plane;
    this.namespace = namespace;
    this.#temporalNamespace = namespace;
    this.flags = [...flags];
    const config = new KubeConfig();
    config.loadFromFile(this.plane.adminKubeconfig);
    this.admin = KubeClient.fromConfig(config, { userAgent: 'beskar7-test' });
    this.witness = new Witness(this.admin, namespace, this.plane.dataFolder);
  }

  /** Starts fleet and Beskar7, and enrolls all hosts. */
  async start(fleet: Partial<FleetOptions>): Promise<void> {
    await this.#connect();
    this.fleet = await startFleet({
      ports: await freePorts(fleet.hosts ?? 1),
      latencyMs: 2,
      bootTimeMs: 50,
      powerDelayMs: 50,
      bootstrapPollMs: 200,
      password: this.password,
      bootUrl: `${this.#asSeen(this.bootUrl)}/api/v1/boot?mac=\${netX/mac}`,
      ...fleet,
    });
    await this.kubectl('create', 'namespace', this.namespace);
    await this.kubectl(
      'create',
      'secret',
      'generic',
      'bmc',
      '--from-literal=username=admin',
      `--from-literal=password=${this.password}`,
    );
    await this.startBeskar7();
    for (const [index, bmc] of this.fleet.hosts.entries()) {
      await this.addHost(this.hostName(index + 1), bmc.address, { bootMACAddress: bmc.mac });
    }
    for (const index of this.fleet.hosts.keys()) await this.hostIs(this.hostName(index + 1), 'Available');
  }

  /** Starts Beskar7 for a fleet that another world has started and will stop; makes no objects. */
  async startWith(fleet: Fleet): Promise<void> {
    await this.#connect();
    this.fleet = fleet;
    this.#ownsFleet = false;
    await this.startBeskar7();
  }

  #asSeen(url: string): string {
    return url.replace('127.0.0.1', this.seenAs);
  }

  async #connect(): Promise<void> {
    const [callback = 0, boot = 0, metrics = 0, health = 0] = await freePorts(4);
    this.#healthPort = health;
    this.callbackUrl = `http://127.0.0.1:${callback}`;
    this.bootUrl = `http://127.0.0.1:${boot}`;
    this.metricsUrl = `http://127.0.0.1:${metrics}/metrics`;
    this.witness.start();
    const { temporalAddress: address } = this.plane;
    this.#connection = await Connection.connect({ address, ...this.temporalAccess.connection });
    this.temporal = new Client({
      connection: this.#connection,
      namespace: this.#temporalNamespace,
      dataConverter: { payloadCodecs: [WITHOUT_KEYS] },
    });
  }

  /**
   * Starts Beskar7 as a new process on the ports of the first; `more` flags win over those of the world. One that runs
   * has to be stopped or killed before.
   */
  async startBeskar7(more: readonly string[] = []): Promise<void> {
    this.beskar7 = this.#component('', this.#healthPort, more);
    await this.beskar7.start();
  }

  /**
   * Starts a further process beside the first, on ports of its own where `more` does not say otherwise. The caller
   * stops it.
   */
  async startAnother(name: string, more: readonly string[]): Promise<Component> {
    const [callback = 0, boot = 0, metrics = 0, health = 0] = await freePorts(4);
    const ports = [
      `--callback-bind-address=127.0.0.1:${callback}`,
      `--boot-bind-address=127.0.0.1:${boot}`,
      `--metrics-bind-address=127.0.0.1:${metrics}`,
      `--health-bind-address=127.0.0.1:${health}`,
    ];
    const another = this.#component(`-${name}`, health, [...ports, ...more]);
    await another.start();
    return another;
  }

  #component(suffix: string, healthPort: number, more: readonly string[]): Component {
    const hostOf = (url: string) => new URL(url).host;
    const flags = [
      '--roles=all',
      `--namespace=${this.namespace}`,
      `--kubeconfig=${this.plane.serviceAccountKubeconfig}`,
      `--temporal-address=${this.plane.temporalAddress}`,
      `--temporal-namespace=${this.#temporalNamespace}`,
      `--callback-bind-address=${hostOf(this.callbackUrl)}`,
      `--callback-url=${this.#asSeen(this.callbackUrl)}`,
      `--boot-bind-address=${hostOf(this.bootUrl)}`,
      `--metrics-bind-address=${hostOf(this.metricsUrl)}`,
      `--health-bind-address=127.0.0.1:${this.#healthPort}`,
      '--boot-by-mac',
      '--graceful-shutdown-timeout=2s',
      ...this.flags,
      ...more,
    ];
    return beskar7Component({
      name: `beskar7-${this.namespace}${suffix}`,
      healthPort,
      logFolder: path.join(this.plane.dataFolder, 'logs'),
      args: flags,
      env: { BESKAR7_WORKFLOW_BUNDLE: this.plane.workflowBundle, ...this.env },
    });
  }

  /** Says whether the first process is ready, and what is missing. */
  get readyUrl(): string {
    return `http://127.0.0.1:${this.#healthPort}/readyz`;
  }

  /** The namespace in Temporal; Beskar7 makes it when it starts. */
  get temporalNamespace(): string {
    return this.#temporalNamespace;
  }

  /**
   * From now on Beskar7 and the test work with another Temporal namespace: an empty one is what the loss of its
   * database leaves. Before the start: instead of the one that is named as the world.
   */
  forgetTemporal(namespace: string): void {
    this.#temporalNamespace = namespace;
    if (this.#connection) this.temporal = new Client({ connection: this.#connection, namespace });
  }

  /** Ends everything. Throws when a secret of this world stands where people can read. */
  async stop(): Promise<void> {
    try {
      // Before the end: a process that was killed by the test has none.
      for await (const { name, text } of metrics(this.metricsUrl)) this.witness.note(name, text);
      await this.beskar7.stop();
      await recordHistories(this.temporal, this.namespace, (...args) => this.temporalCli(...args));
      await this.witness.stop();
      const leaks = await this.leaks();
      if (leaks.length > 0) throw new Error(`secrets where people can read them:\n${leaks.join('\n')}`);
    } finally {
      if (this.#ownsFleet) await this.fleet.stop();
      await this.#connection?.close();
      await this.admin.close();
    }
  }

  /**
   * Where a secret of this world stands that should not: logs, every version of hosts, machines and events, error
   * bodies, metrics, histories.
   */
  async leaks(): Promise<string[]> {
    const { witness, namespace, temporal } = this;
    const query = `Beskar7Namespace = "${namespace}"`;
    const runs: Place[] = [];
    for await (const run of histories(temporal, query)) runs.push(run);
    const looked = await leaksIn(witness.secrets, [
      ...logs(this.plane.dataFolder, (file) => file.startsWith(`beskar7-${namespace}`)),
      ...files('what was seen in', [witness.seenFile]),
      ...runs,
    ]);
    return looked.leaks;
  }

  addHost(name: string, address: string, spec: Partial<PhysicalHost['spec']> = {}): Promise<PhysicalHost> {
    return this.admin.create(HOSTS, {
      metadata: { name, namespace: this.namespace },
      spec: { redfishConnection: { address, credentialsSecretRef: 'bmc' }, ...spec },
    });
  }

  addMachine(name: string, spec: Partial<Beskar7MachineSpec> = {}): Promise<Beskar7Machine> {
    return this.admin.create(MACHINES, {
      metadata: { name, namespace: this.namespace },
      spec: { targetOSImage: 'http://images.example/os.tar.gz', ...spec },
    });
  }

  host(name: string): Promise<PhysicalHost | undefined> {
    return this.#read(HOSTS, name);
  }

  machine(name: string): Promise<Beskar7Machine | undefined> {
    return this.#read(MACHINES, name);
  }

  /** The simulated server behind a host. */
  serverOf(host: string) {
    const index = Number(host.split('-').at(-1));
    return this.fleet.host(`sim-${String(index).padStart(4, '0')}`);
  }

  /** What the BMC of a host was asked, since a moment of the monotonic clock. */
  requestsOf(host: string, sinceMs = 0): RecordedRequest[] {
    return this.serverOf(host).recorder.list(sinceMs);
  }

  /**
   * Waits for a request to the BMC of a host; one that came in before counts, unless it came before `sinceMs` of the
   * monotonic clock.
   */
  async bmcWasAsked(
    host: string,
    isSo: (request: RecordedRequest) => boolean,
    { sinceMs = 0, boundMs = 30_000 } = {},
  ): Promise<RecordedRequest> {
    const { recorder } = this.serverOf(host);
    const known = recorder.list(sinceMs).find(isSo);
    if (known) return known;
    return new Promise((resolve, reject) => {
      const end = recorder.onRequest((request) => {
        if (!isSo(request)) return;
        clearTimeout(timer);
        end();
        resolve(request);
      });
      const timer = setTimeout(() => {
        end();
        reject(new Error(`not within ${boundMs / 1000} s: the BMC of ${host} got the request that was waited for`));
      }, boundMs);
    });
  }

  hostIs(name: string, state: string, boundMs = 60_000): Promise<PhysicalHost> {
    return this.untilHost(name, `in state ${state}`, (host) => host.status?.state === state, boundMs);
  }

  machineIs(name: string, phase: string, boundMs = 60_000): Promise<Beskar7Machine> {
    return this.untilMachine(name, `in phase ${phase}`, (machine) => machine.status?.phase === phase, boundMs);
  }

  async untilHost(
    name: string,
    what: string,
    isSo: (host: PhysicalHost) => boolean,
    boundMs = 60_000,
  ): Promise<PhysicalHost> {
    const found = await this.until(
      HOSTS,
      name,
      (host) => host !== undefined && isSo(host),
      boundMs,
      `host ${name} ${what}`,
    );
    return found as PhysicalHost;
  }

  async untilMachine(
    name: string,
    what: string,
    isSo: (machine: Beskar7Machine) => boolean,
    boundMs = 60_000,
  ): Promise<Beskar7Machine> {
    const so = (machine: Beskar7Machine | undefined) => machine !== undefined && isSo(machine);
    return (await this.until(MACHINES, name, so, boundMs, `machine ${name} ${what}`)) as Beskar7Machine;
  }

  async machineIsGone(name: string, boundMs = 60_000): Promise<void> {
    await this.until(MACHINES, name, (machine) => machine === undefined, boundMs, `machine ${name} gone`);
  }

  async hostIsGone(name: string, boundMs = 60_000): Promise<void> {
    await this.until(HOSTS, name, (host) => host === undefined, boundMs, `host ${name} gone`);
  }

  /** Runs the real kubectl in the namespace; gives its output, throws when it fails. */
  async kubectl(...args: string[]): Promise<string> {
    const { code, output } = await this.tryKubectl(...args);
    if (code !== 0) throw new Error(`kubectl ${args.join(' ')}: ${output}`);
    return output;
  }

  tryKubectl(...args: string[]): Promise<Finished> {
    const { kubectl, adminKubeconfig } = this.plane;
    return runCommand(kubectl, ['--kubeconfig', adminKubeconfig, '-n', this.namespace, ...args], { timeoutMs: 60_000 });
  }

  /** Runs the real temporal command line. */
  async temporalCli(...args: string[]): Promise<string> {
    const { temporalCli, temporalAddress } = this.plane;
    const words = [...args, '--address', temporalAddress, '-n', this.#temporalNamespace];
    const env = { ...process.env, ...this.temporalAccess.env };
    const { code, output } = await runCommand(temporalCli, words, { env, timeoutMs: 60_000 });
    if (code !== 0) throw new Error(`temporal ${args.join(' ')}: ${output}`);
    return output;
  }

  async #read<T extends Identified>(resource: Resource<T>, name: string): Promise<T | undefined> {
    try {
      return await this.admin.get(resource, this.namespace, name);
    } catch (error) {
      if (isNotFound(error)) return undefined;
      throw error;
    }
  }

  /** Waits, by a watch, until an object is as wanted (undefined: it is gone). */
  async until<T extends Identified>(
    resource: Resource<T>,
    name: string,
    isSo: (object: T | undefined) => boolean,
    boundMs: number,
    what: string,
  ): Promise<T | undefined> {
    const signal = AbortSignal.timeout(boundMs);
    const { namespace } = this;
    let last: T | undefined;
    try {
      for (;;) {
        const { items, resourceVersion } = await this.admin.list(resource, { namespace, signal });
        last = items.find(({ metadata }) => metadata.name === name);
        if (isSo(last)) return last;
        for await (const { type, object } of this.admin.watch(resource, {
          namespace,
          resourceVersion,
          signal,
          timeoutSeconds: 60,
        })) {
          if (type === 'BOOKMARK' || object.metadata.name !== name) continue;
          last = type === 'DELETED' ? undefined : object;
          if (isSo(last)) return last;
        }
      }
    } catch (error) {
      if (!signal.aborted) throw error;
      const status = JSON.stringify((last as { status?: unknown } | undefined)?.status);
      throw new Error(`not within ${boundMs / 1000} s: ${what}; it is ${status ?? 'not there'}`);
    }
  }
}
