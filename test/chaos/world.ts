import type { Client } from '@temporalio/client';
import { claimOf } from '../../model/claim.ts';
import type { PhysicalHost } from '../../crds/physicalHost.ts';
import type { KubeClient } from '../../kube/client.ts';
import { isConflict, isNotFound } from '../../kube/error.ts';
import { HOSTS, MACHINES, SECRETS, type Identified } from '../../kube/resource.ts';
import type { Fleet } from '../../simulator/index.ts';
import type { ControlPlane } from '../../tools/controlplane/index.ts';
import { kubectl } from '../../tools/controlplane/install.ts';
import { Checker } from './check/index.ts';
import type { Gateway } from './gateway.ts';
import type { KubeProxy } from './kubeProxy.ts';
import { KubernetesObserver, namespaceOf, observeFleet, type TemporalObserver } from './observer.ts';
import { ChaosPlant } from './plant.ts';
import type { RoleProcess } from './processes.ts';
import type { Random } from './random.ts';
import type { ChaosRecord } from './records.ts';
import type { TemporalProxy } from './temporalProxy.ts';

/** Of a world that has a plant to itself. */
const NAMESPACE = 'chaos';
/** One power command in ten is accepted and silently not done, all the time. */
const POWER_LOST = 0.1;

/** A host that has the BMC address of another one's server for a while. */
export interface EditedHost {
  /** Its own. */
  readonly connection: PhysicalHost['spec']['redfishConnection'];
  /** The host whose address it has. */
  readonly of: string;
}

/**
 * A namespace with a fleet of its own, and a checker that knows everything that happened in it. Several of them can
 * share a plant: what is done to the requests, callbacks and signals of one is not seen by another.
 */
export class ChaosWorld {
  readonly namespace: string;
  readonly plant: ChaosPlant;
  readonly fleet: Fleet;
  readonly kubernetes: KubernetesObserver;
  readonly checker = new Checker();
  /** Passwords that BMCs have or had. */
  readonly passwords = new Set<string>();
  /** Names of copies of hosts that are there, or may be. */
  readonly copied = new Set<string>();
  /** Hosts that have the address of another server for a while, by name. */
  readonly edited = new Map<string, EditedHost>();
  readonly #isPlantOwned: boolean;
  readonly #untell: () => void;
  /** Hosts whose last claim was ended by force, and that claim. */
  readonly #forced = new Map<string, string>();

  private constructor(plant: ChaosPlant, namespace: string, hosts: number, isPlantOwned: boolean) {
    this.plant = plant;
    this.namespace = namespace;
    this.#isPlantOwned = isPlantOwned;
    this.fleet = plant.takeServers(hosts);
    const record = (entry: ChaosRecord) => this.#observe(entry);
    this.kubernetes = new KubernetesObserver(plant.admin, namespace, record);
    this.#untell = plant.tell(namespace, record);
    observeFleet(this.fleet, hostName, record);
  }

  /** Starts a plant and the only world in it, and enrolls the fleet. */
  static async start(options: { hosts: number; keep: string | undefined; random: Random }): Promise<ChaosWorld> {
    const { hosts, ...rest } = options;
    const plant = await ChaosPlant.start({ ...rest, servers: hosts, namespace: NAMESPACE });
    return ChaosWorld.#enrolled(new ChaosWorld(plant, NAMESPACE, hosts, true));
  }

  /** Makes a world beside others, and enrolls its fleet. */
  static startIn(plant: ChaosPlant, namespace: string, hosts: number): Promise<ChaosWorld> {
    return ChaosWorld.#enrolled(new ChaosWorld(plant, namespace, hosts, false));
  }

  static async #enrolled(world: ChaosWorld): Promise<ChaosWorld> {
    try {
      await world.#enroll();
      return world;
    } catch (error) {
      await world.stop();
      throw error;
    }
  }

  get admin(): KubeClient {
    return this.plant.admin;
  }

  get plane(): ControlPlane {
    return this.plant.plane;
  }

  get temporal(): Client {
    return this.plant.temporal;
  }

  get runs(): TemporalObserver {
    return this.plant.runs;
  }

  get proxy(): KubeProxy {
    return this.plant.proxy;
  }

  get temporalProxy(): TemporalProxy {
    return this.plant.temporalProxy;
  }

  get callbacks(): Gateway {
    return this.plant.callbacks;
  }

  get processes(): readonly RoleProcess[] {
    return this.plant.processes;
  }

  get folder(): string {
    return this.plant.folder;
  }

  /** One Secret for each host, so that passwords can be changed one by one. */
  async #enroll(): Promise<void> {
    await kubectl(this.plane, 'create', 'namespace', this.namespace);
    this.kubernetes.start();
    for (const [index, bmc] of this.fleet.hosts.entries()) {
      const name = hostName(index);
      await this.admin.create(SECRETS, {
        metadata: { name: `bmc-${name}`, namespace: this.namespace },
        data: credentials(bmc.credentials.password),
      });
      this.passwords.add(bmc.credentials.password);
      await this.#createHost(index);
      await bmc.fault({ powerLost: POWER_LOST });
    }
    await until('every host is enrolled', 240_000, () =>
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
      metadata: { name, namespace: this.namespace, labels: { zone: index % 2 === 0 ? 'a' : 'b' } },
      spec: {
        bootMACAddress: bmc.mac,
        redfishConnection: { address: bmc.address, credentialsSecretRef: `bmc-${name}` },
      },
    });
  }

  /**
   * Hosts that were deleted come back under their name, as when a server is registered anew. Gives how many were
   * created.
   */
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

  /**
   * Whether its address was edited, or another host was given its address. Such a host is not deleted meanwhile, so
   * that it stays the first one for its server.
   */
  isPartOfEdit(host: string): boolean {
    return this.edited.has(host) || [...this.edited.values()].some(({ of }) => of === host);
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

  startProcess(process: RoleProcess): Promise<void> {
    return this.plant.startProcess(process);
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
    await this.admin.mergePatch(SECRETS, this.namespace, `bmc-${host}`, { data: credentials(password) });
  }

  /** Ends the world, and the plant with it where it has that to itself. */
  async stop(): Promise<void> {
    this.#untell();
    await this.kubernetes.stop();
    if (this.#isPlantOwned) return this.plant.stop();
    await this.#clearAway();
    await this.fleet.stop();
  }

  /** By force: whatever state it is in, Beskar7 has no more work with it, and runs that wait are ended. */
  async #clearAway(): Promise<void> {
    const { admin, namespace } = this;
    for (const resource of [MACHINES, HOSTS] as const) {
      const { items } = await admin.list<Identified>(resource, { namespace });
      for (const { metadata } of items) {
        await admin.delete(resource, namespace, metadata.name).catch(ignoreNotFound);
        await admin
          .mergePatch<Identified>(resource, namespace, metadata.name, { metadata: { finalizers: null } })
          .catch(ignoreNotFound);
      }
    }
    for (const id of await this.runs.open())
      if (namespaceOf(id) === namespace)
        await this.temporal.workflow
          .getHandle(id)
          .terminate('its world has ended')
          .catch(() => undefined);
  }
}

function ignoreNotFound(error: unknown): void {
  if (!isNotFound(error)) throw error;
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
