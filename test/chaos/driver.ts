import { createHash } from 'node:crypto';
import { setTimeout as delay } from 'node:timers/promises';
import { request } from 'undici';
import type { Beskar7Machine, Beskar7MachineSpec } from '../../crds/beskar7Machine.ts';
import { claimOf } from '../../model/claim.ts';
import { ANNOTATION_RETRY, ANNOTATION_UNSCHEDULABLE } from '../../crds/names.ts';
import type { PhysicalHost } from '../../crds/physicalHost.ts';
import { HOSTS, MACHINES } from '../../kube/resource.ts';
import { TEMPORAL_NAMESPACE } from '../../tools/controlplane/index.ts';
import { runCommand } from '../../tools/toolchain/command.ts';
import { editAddress } from './addresses.ts';
import { copyOrDelete, isSingle } from './copies.ts';
import { forceRelease } from './forceRelease.ts';
import type { Random } from './random.ts';
import type { ChaosWorld } from './world.ts';

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
  copyHost: 0.5,
  editAddress: 0.5,
  forceRelease: 1,
} as const;
type Operation = keyof typeof OPERATIONS;

/** Of those that mean nothing to a machine that is up (cancel, reset, retry, edit), those at machines that are not. */
const IN_FLIGHT = 0.7;
/** How long a monitoring run may be away is no rule; it is started again. */
const NOT_TERMINATED = 'monitor';
/** Of the machines, those that ask for what every server has. */
const MODEST = 0.4;
/** Of the machines, those that are made with the word to try again: last reports do not count for them. */
const REPORTS_IGNORED = 0.6;
/** Of the claims whose release is stuck, those that an operator ends by force. */
const IMPATIENCE = 0.4;

/** Creates, edits, cancels, resets, retries and deletes machines, as users and operators do. */
export class Driver {
  readonly counts = new Map<string, number>();
  readonly #world: ChaosWorld;
  readonly #random: Random;
  readonly #prefix: string;
  readonly #impossible: number;
  readonly #everyMs: number;
  readonly #weights: Readonly<Record<Operation, number>>;
  readonly #stop = new AbortController();
  /** Claims whose release was stuck, and whether the operator is one who ends them by force. */
  readonly #impatience = new Map<string, boolean>();
  #made = 0;
  #running: Promise<void> = Promise.resolve();

  /**
   * `prefix` begins the names of its machines, of which `impossible` (a share) ask for hardware that no server has; the
   * operations in `without` are not done. `everyMs`: how often something is done, on average.
   */
  constructor(
    world: ChaosWorld,
    random: Random,
    {
      prefix = 'm',
      impossible = 0.1,
      without = [] as readonly Operation[],
      everyMs = Math.max(150, 8_000 / world.fleet.hosts.length),
    } = {},
  ) {
    this.#world = world;
    this.#random = random;
    this.#prefix = prefix;
    this.#impossible = impossible;
    this.#everyMs = everyMs;
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
    while (!this.#stop.signal.aborted) {
      await delay(this.#random.between(0.3, 1.7) * this.#everyMs, undefined, { signal: this.#stop.signal }).catch(
        () => undefined,
      );
      if (this.#stop.signal.aborted) return;
      await this.#registerAgain();
      const operation = this.#random.weighted(this.#weights);
      // While the API server or Temporal is away, people fail as well.
      const done = await this.#do(operation).catch(() => false);
      if (done === false) continue;
      const name = done === true ? operation : done;
      this.counts.set(name, (this.counts.get(name) ?? 0) + 1);
    }
  }

  /** False: there was nothing to do it to; a string: it is counted as this. */
  async #do(operation: Operation): Promise<boolean | string> {
    const { admin, temporal, kubernetes, fleet } = this.#world;
    const machine = this.#someMachine(operation);
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
    if (operation === 'copyHost') return copyOrDelete(this.#world, this.#random);
    if (operation === 'editAddress') return editAddress(this.#world, this.#random);
    if (operation === 'forceRelease') return this.#forceRelease();
    if (operation === 'terminate') return this.#terminate();
    if (machine === undefined) return false;
    this.#note(operation, name);
    const run = temporal.workflow.getHandle(`provision/${this.#world.namespace}/${name}`);
    const patch = (change: object) => admin.mergePatch(MACHINES, this.#world.namespace, name, change);
    switch (operation) {
      case 'delete':
        await admin.delete(MACHINES, this.#world.namespace, name);
        return true;
      case 'recreate':
        await admin.delete(MACHINES, this.#world.namespace, name);
        for (let tries = 0; kubernetes.machines.has(name) && tries < 100 && !this.#stop.signal.aborted; tries += 1)
          await delay(100);
        return this.#create(name);
      case 'cancel':
        await run.cancel();
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

  #someMachine(operation: Operation): Beskar7Machine | undefined {
    const all = [...this.#world.kubernetes.machines.values()].filter(isAlive);
    const unfinished = all.filter(({ status }) => status?.phase !== 'Provisioned');
    const isPicky = ['cancel', 'reset', 'retry', 'edit'].includes(operation) && this.#random.chance(IN_FLIGHT);
    return this.#random.pick(isPicky && unfinished.length > 0 ? unfinished : all);
  }

  /** Any run but a monitoring one. Kinds are as likely as each other: provisionings are many, and releases rare. */
  async #terminate(): Promise<false | string> {
    const { runs, temporal } = this.#world;
    const open = Map.groupBy(await runs.open(), (id) => id.split('/')[0] ?? '');
    open.delete(NOT_TERMINATED);
    const kind = this.#random.pick([...open.keys()].sort());
    const id = kind === undefined ? undefined : this.#random.pick(open.get(kind) ?? []);
    if (kind === undefined || id === undefined) return false;
    this.#note(`terminate ${kind}`, id.split('/').at(-1) ?? '');
    await temporal.workflow.getHandle(id).terminate('chaos');
    return `terminate ${kind}`;
  }

  async #create(name: string): Promise<boolean> {
    const random = this.#random;
    const spec: Beskar7MachineSpec = {
      targetOSImage: 'http://images.example/os.tar.gz',
      attempts: random.chance(0.5) ? 2 : 1,
      ...(random.chance(0.3) ? { readyWhen: 'OSReported' as const } : {}),
      ...this.#requirements(),
      ...(random.chance(0.3) ? { hostSelector: { matchLabels: { zone: random.chance(0.5) ? 'a' : 'b' } } } : {}),
    };
    // Whoever asks to try again gets hosts inspected whose last report rules them out: what is impossible has to fail.
    const annotations = random.chance(REPORTS_IGNORED) ? { [ANNOTATION_RETRY]: 'first' } : {};
    this.#note('create', name);
    await this.#world.admin.create(MACHINES, {
      metadata: { name, namespace: this.#world.namespace, annotations },
      spec,
    });
    return true;
  }

  /** What no server has, or what every server has unless its report says otherwise. */
  #requirements(): Pick<Beskar7MachineSpec, 'hardwareRequirements'> {
    if (this.#random.chance(this.#impossible)) return { hardwareRequirements: { minCPUCores: 4_000 } };
    return this.#random.chance(MODEST) ? { hardwareRequirements: { minCPUCores: 4, minMemoryGB: 16 } } : {};
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
    await this.#world.admin.mergePatch(HOSTS, this.#world.namespace, host.metadata.name, { metadata: { annotations } });
    return true;
  }

  /** Claimed or not: the claim of a host that is being deleted goes on to its end. */
  async #deleteHost(): Promise<boolean> {
    const isOne = ({ metadata }: PhysicalHost) => isSingle(this.#world, metadata.name);
    const host = this.#random.pick([...this.#world.kubernetes.hosts.values()].filter(isAlive).filter(isOne));
    if (!host) return false;
    this.#note('deleteHost', host.metadata.name);
    await this.#world.admin.delete(HOSTS, this.#world.namespace, host.metadata.name);
    return true;
  }

  async #registerAgain(): Promise<void> {
    const created = await this.#world.createMissingHosts().catch(() => 0);
    if (created > 0) this.counts.set('registerHost', (this.counts.get('registerHost') ?? 0) + created);
  }

  /** An operator loses patience with a release that does not come to its end. */
  async #forceRelease(): Promise<boolean> {
    const hosts = [...this.#world.kubernetes.hosts.values()];
    const host = this.#random.pick(hosts.filter((candidate) => this.#isForcedOne(candidate)));
    if (!host) return false;
    this.#note('forceRelease', host.metadata.name);
    await forceRelease(this.#world, host);
    return true;
  }

  /** Some operators wait for the release to come to its end. */
  #isForcedOne(host: PhysicalHost): boolean {
    const claim = claimOf(host);
    if (claim?.stage !== 'Releasing' || host.status?.state !== 'Error') return false;
    const isImpatient = this.#impatience.get(claim.id) ?? this.#random.chance(IMPATIENCE);
    this.#impatience.set(claim.id, isImpatient);
    return isImpatient;
  }

  /** Somebody uses the token of a claim that has ended, on the host that has another claim by now. */
  async #replayToken(): Promise<boolean> {
    const { callbacks, kubernetes, processes, checker, namespace } = this.#world;
    const api = this.#random.pick(processes.filter(({ role, state }) => role === 'api' && state === 'runs'));
    const hosts = [...kubernetes.hosts.values()];
    const live = new Set(hosts.map((host) => claimOf(host)?.tokenHash));
    const known = [...callbacks.seen.values()].filter((used) => used.namespace === namespace);
    const used = this.#random.pick(known.filter(({ token }) => !live.has(hashOf(token))));
    if (!api || !used) return false;
    const route = this.#random.pick(['inspection', 'provisioned', 'bootstrap']) ?? 'inspection';
    const isPost = route !== 'bootstrap';
    const { statusCode, body } = await request(
      `http://127.0.0.1:${api.callbackPort}/api/v1/${route}/${namespace}/${used.host}`,
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
