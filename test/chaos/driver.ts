import { createHash } from 'node:crypto';
import { setTimeout as delay } from 'node:timers/promises';
import { request } from 'undici';
import type { Beskar7MachineSpec } from '../../crds/beskar7Machine.ts';
import { claimOf } from '../../crds/claim.ts';
import { ANNOTATION_FORCE_RELEASE, ANNOTATION_RETRY, ANNOTATION_UNSCHEDULABLE } from '../../crds/names.ts';
import { HOSTS, MACHINES } from '../../kube/resource.ts';
import { TEMPORAL_NAMESPACE } from '../../tools/controlplane/index.ts';
import { runCommand } from '../../tools/toolchain/command.ts';
import type { Random } from './random.ts';
import { NAMESPACE, type ChaosWorld } from './world.ts';

/** What people do, and how often. */
const OPERATIONS = {
  create: 12,
  delete: 5,
  recreate: 1,
  cancel: 2,
  terminate: 0.7,
  reset: 0.7,
  retry: 3,
  edit: 1,
  unschedulable: 0.7,
  replayToken: 1,
  deleteHost: 0.5,
  forceRelease: 1,
} as const;
type Operation = keyof typeof OPERATIONS;

/** Creates, edits, cancels, resets, retries and deletes machines, as users and operators do. */
export class Driver {
  readonly counts = new Map<string, number>();
  readonly #world: ChaosWorld;
  readonly #random: Random;
  readonly #prefix: string;
  readonly #impossible: number;
  readonly #weights: Readonly<Record<Operation, number>>;
  readonly #stop = new AbortController();
  #made = 0;
  #running: Promise<void> = Promise.resolve();

  /**
   * `prefix` begins the names of its machines, of which `impossible` (a share) ask for hardware that no server has; the operations in
   * `without` are not done.
   */
  constructor(
    world: ChaosWorld,
    random: Random,
    { prefix = 'm', impossible = 0.1, without = [] as readonly Operation[] } = {},
  ) {
    this.#world = world;
    this.#random = random;
    this.#prefix = prefix;
    this.#impossible = impossible;
    this.#weights = { ...OPERATIONS, ...Object.fromEntries(without.map((operation) => [operation, 0])) };
  }

  start(): void {
    this.#running = this.#loop();
  }

  async stop(): Promise<void> {
    this.#stop.abort();
    await this.#running;
  }

  async #loop(): Promise<void> {
    const everyMs = Math.max(150, 8_000 / this.#world.fleet.hosts.length);
    while (!this.#stop.signal.aborted) {
      await delay(this.#random.between(0.3, 1.7) * everyMs, undefined, { signal: this.#stop.signal }).catch(
        () => undefined,
      );
      if (this.#stop.signal.aborted) return;
      await this.#registerAgain();
      const operation = this.#random.weighted(this.#weights);
      // While the API server or Temporal is away, people fail as well.
      const isDone = await this.#do(operation).catch(() => false);
      if (isDone) this.counts.set(operation, (this.counts.get(operation) ?? 0) + 1);
    }
  }

  /** False: there was nothing to do it to. */
  async #do(operation: Operation): Promise<boolean> {
    const { admin, temporal, kubernetes, fleet } = this.#world;
    const machine = this.#random.pick([...kubernetes.machines.values()].filter(isAlive));
    const name = machine?.metadata.name ?? '';
    if (operation === 'create') {
      // A tenth more than there are servers, so that some wait.
      if (kubernetes.machines.size >= fleet.hosts.length * 1.1) return false;
      this.#made += 1;
      return this.#create(`${this.#prefix}-${this.#made}`);
    }
    if (operation === 'unschedulable') return this.#toggleUnschedulable();
    if (operation === 'replayToken') return this.#replayToken();
    if (operation === 'deleteHost') return this.#deleteHost();
    if (operation === 'forceRelease') return this.#forceRelease();
    if (machine === undefined) return false;
    this.#note(operation, name);
    const run = temporal.workflow.getHandle(`provision/${NAMESPACE}/${name}`);
    const patch = (change: object) => admin.mergePatch(MACHINES, NAMESPACE, name, change);
    switch (operation) {
      case 'delete':
        await admin.delete(MACHINES, NAMESPACE, name);
        return true;
      case 'recreate':
        await admin.delete(MACHINES, NAMESPACE, name);
        for (let tries = 0; kubernetes.machines.has(name) && tries < 100 && !this.#stop.signal.aborted; tries += 1)
          await delay(100);
        return this.#create(name);
      case 'cancel':
        await run.cancel();
        return true;
      case 'terminate':
        await run.terminate('chaos');
        return true;
      case 'reset':
        return this.#reset(run.workflowId);
      case 'retry':
        await patch({ metadata: { annotations: { [ANNOTATION_RETRY]: String(Date.now()) } } });
        return true;
      case 'edit':
        await patch({ spec: { targetOSImage: `http://images.example/os-${Date.now()}.tar.gz` } });
        return true;
    }
  }

  async #create(name: string): Promise<boolean> {
    const random = this.#random;
    const spec: Beskar7MachineSpec = {
      targetOSImage: 'http://images.example/os.tar.gz',
      attempts: random.chance(0.5) ? 2 : 1,
      ...(random.chance(0.3) ? { readyWhen: 'OSReported' as const } : {}),
      ...(random.chance(this.#impossible) ? { hardwareRequirements: { minCPUCores: 4_000 } } : {}),
      ...(random.chance(0.3) ? { hostSelector: { matchLabels: { zone: random.chance(0.5) ? 'a' : 'b' } } } : {}),
    };
    this.#note('create', name);
    await this.#world.admin.create(MACHINES, { metadata: { name, namespace: NAMESPACE }, spec });
    return true;
  }

  async #reset(workflowId: string): Promise<boolean> {
    const { temporalCli, temporalAddress } = this.#world.plane;
    const words = [
      'workflow',
      'reset',
      '--workflow-id',
      workflowId,
      '--type',
      'FirstWorkflowTask',
      '--reason',
      'chaos',
    ];
    const target = ['--address', temporalAddress, '-n', TEMPORAL_NAMESPACE];
    const { code } = await runCommand(temporalCli, [...words, ...target], { timeoutMs: 10_000 });
    return code === 0;
  }

  async #toggleUnschedulable(): Promise<boolean> {
    const host = this.#random.pick([...this.#world.kubernetes.hosts.values()]);
    if (!host) return false;
    const isSet = host.metadata.annotations?.[ANNOTATION_UNSCHEDULABLE] !== undefined;
    const annotations = { [ANNOTATION_UNSCHEDULABLE]: isSet ? null : 'true' };
    await this.#world.admin.mergePatch(HOSTS, NAMESPACE, host.metadata.name, { metadata: { annotations } });
    return true;
  }

  /** Claimed or not: the claim of a host that is being deleted goes on to its end. */
  async #deleteHost(): Promise<boolean> {
    const host = this.#random.pick([...this.#world.kubernetes.hosts.values()].filter(isAlive));
    if (!host) return false;
    this.#note('deleteHost', host.metadata.name);
    await this.#world.admin.delete(HOSTS, NAMESPACE, host.metadata.name);
    return true;
  }

  async #registerAgain(): Promise<void> {
    const created = await this.#world.createMissingHosts().catch(() => 0);
    if (created > 0) this.counts.set('registerHost', (this.counts.get('registerHost') ?? 0) + created);
  }

  /** An operator loses patience with a release that does not come to its end. */
  async #forceRelease(): Promise<boolean> {
    const host = this.#random.pick(
      [...this.#world.kubernetes.hosts.values()].filter(
        (candidate) => claimOf(candidate)?.stage === 'Releasing' && candidate.status?.state === 'Error',
      ),
    );
    const claim = host && claimOf(host);
    if (!claim) return false;
    const { name, uid = '', resourceVersion = '' } = host.metadata;
    this.#note('forceRelease', name);
    this.#world.noteForced(name, claim.id);
    // With the version: it is said of this claim, not of one that came meanwhile.
    const metadata = { uid, resourceVersion, annotations: { [ANNOTATION_FORCE_RELEASE]: 'chaos' } };
    await this.#world.admin.mergePatch(HOSTS, NAMESPACE, name, { metadata });
    return true;
  }

  /** Somebody uses the token of a claim that has ended, on the host that has another claim by now. */
  async #replayToken(): Promise<boolean> {
    const { callbacks, kubernetes, processes, checker } = this.#world;
    const api = this.#random.pick(processes.filter(({ role, state }) => role === 'api' && state === 'runs'));
    const hosts = [...kubernetes.hosts.values()];
    const live = new Set(hosts.map((host) => claimOf(host)?.tokenHash));
    const used = this.#random.pick([...callbacks.seen.values()].filter(({ token }) => !live.has(hashOf(token))));
    if (!api || !used) return false;
    const route = this.#random.pick(['inspection', 'provisioned', 'bootstrap']) ?? 'inspection';
    const isPost = route !== 'bootstrap';
    const { statusCode, body } = await request(
      `http://127.0.0.1:${api.callbackPort}/api/v1/${route}/${NAMESPACE}/${used.host}`,
      {
        method: isPost ? 'POST' : 'GET',
        headers: { authorization: `Bearer ${used.token}`, 'content-type': 'application/json' },
        headersTimeout: 10_000,
        bodyTimeout: 10_000,
        ...(isPost ? { body: '{}' } : {}),
      },
    );
    await body.dump();
    checker.add({
      source: 'callback',
      at: Date.now(),
      host: used.host,
      route: `replay ${route}`,
      status: statusCode,
      isForwarded: true,
    });
    return true;
  }

  #note(what: string, about: string): void {
    this.#world.checker.add({ source: 'driver', at: Date.now(), about, what });
  }
}

function isAlive({ metadata }: { metadata: { deletionTimestamp?: string } }): boolean {
  return metadata.deletionTimestamp === undefined;
}

function hashOf(token: string): string {
  return createHash('sha256').update(token).digest('hex');
}
