import { setTimeout as delay } from 'node:timers/promises';
import type { Client } from '@temporalio/client';
import { IN_FLIGHT_MS } from '../../model/deadlines.ts';
import type { Component } from '../../tools/controlplane/component.ts';
import { BmcFaults, metFaults } from './bmcFaults.ts';
import { NO_CALLBACK_FAULTS } from './gateway.ts';
import { NO_KUBE_FAULTS } from './kubeProxy.ts';
import type { RoleProcess, UnaskedDeath } from './processes.ts';
import type { Random } from './random.ts';
import type { ChaosWorld } from './world.ts';

/** A worker that is silent for longer than its heartbeat timeout (20 s) is believed dead, and is not. */
const LONGER_THAN_HEARTBEAT_MS: readonly [number, number] = [22_000, 32_000];
/** Longer than what it has sent may be in flight: what it sends when it wakes up would come too late. */
const LONGER_THAN_FENCE_MS: readonly [number, number] = [IN_FLIGHT_MS + 3_000, IN_FLIGHT_MS + 18_000];
const LONG_STOPS = 0.25;
/** Of the stops, those of a process that talks to BMCs. */
const BMC_WORKER_STOPS = 0.7;
const EXPIRED_SHARE = 0.4;
/** A start may take as long as this on a busy machine. */
const TEMPORAL_SILENT_MS = 60_000;

const KINDS = {
  kill: 6,
  killAll: 1,
  stopWorker: 4,
  killTemporal: 1.5,
  killApiServer: 1.5,
  cutWatches: 2,
  expireWatches: 3,
  kubeFaults: 4,
  callbackFaults: 4,
} as const;
type FaultKind = keyof typeof KINDS;

/**
 * Breaks one thing after the other, twice at a time, and one BMC after the other beside it; each fault ends by itself.
 */
export class FaultDriver {
  /** What was done; of BMCs (`BMC hang set`) what was set, see `met`. */
  readonly counts = new Map<string, number>();
  readonly #world: ChaosWorld;
  readonly #randoms: readonly [Random, Random];
  readonly #bmcs: BmcFaults;
  readonly #stop = new AbortController();
  /** Faults that cannot hold twice at a time. */
  readonly #holding = new Set<FaultKind>();
  readonly #restarting = new Map<Component, Promise<void>>();
  readonly #comingBack = new Map<RoleProcess, Promise<void>>();
  #running: Promise<unknown> = Promise.resolve();

  constructor(world: ChaosWorld, random: Random) {
    this.#world = world;
    this.#randoms = [random.fork(), random.fork()];
    this.#bmcs = new BmcFaults({
      world,
      random: random.fork(),
      stop: this.#stop.signal,
      note: (what, host, counted) => this.#note(what, host, counted),
    });
  }

  start(): void {
    for (const process of this.#world.processes) process.onUnaskedDeath = (death) => this.#onDeath(process, death);
    this.#running = Promise.all([...this.#randoms.map((random) => this.#breakAll(random)), this.#bmcs.run()]);
  }

  /**
   * How often something met a fault of a BMC or a server: `BMC hang`, `BMC power command lost`, `server neverReports`
   * and so on.
   */
  met(): Map<string, number> {
    return metFaults(this.#world.fleet.met());
  }

  /** No new fault; waits until the last ones have ended and everything runs. */
  async stop(): Promise<void> {
    this.#stop.abort();
    await this.#running;
    const { proxy, callbacks } = this.#world;
    proxy.faults = NO_KUBE_FAULTS;
    callbacks.faults = NO_CALLBACK_FAULTS;
    await Promise.all(this.#world.processes.map((process) => this.#bringBack(process)));
  }

  async #breakAll(random: Random): Promise<void> {
    while (!this.#stop.signal.aborted) {
      await this.#pause(random.between(1_000, 6_000));
      if (this.#stop.signal.aborted) return;
      await this.#break(random.weighted(KINDS), random);
    }
  }

  async #break(kind: FaultKind, random: Random): Promise<void> {
    const { proxy, plane } = this.#world;
    switch (kind) {
      case 'kill':
        return this.#kill(this.#someProcess(random), random);
      case 'killAll':
        return this.#killAll(random);
      case 'stopWorker':
        return this.#stopAndContinue(random);
      case 'killTemporal':
        return this.#killComponent('kill Temporal', plane.components.temporal, random);
      case 'killApiServer':
        return this.#killComponent('kill API server', plane.components.apiServer, random);
      case 'cutWatches':
        return this.#note(`cut watches (${proxy.cutWatches()})`, '', 'cut watches');
      case 'expireWatches':
        return this.#note(`410 in open watches (${proxy.expireWatches(EXPIRED_SHARE)})`, '', '410 in open watches');
      case 'kubeFaults':
        return this.#hold(kind, () => this.#breakKubernetes(random));
      case 'callbackFaults':
        return this.#hold(kind, () => this.#breakCallbacks(random));
    }
  }

  async #hold(kind: FaultKind, work: () => Promise<void>): Promise<void> {
    if (this.#holding.has(kind)) return;
    this.#holding.add(kind);
    await work();
    this.#holding.delete(kind);
  }

  async #breakKubernetes(random: Random): Promise<void> {
    const { proxy } = this.#world;
    this.#note('API server answers 409, 410, 429, 500');
    proxy.faults = { conflict: 0.1, gone: 0.2, tooMany: 0.05, internal: 0.05, internalAfter: 0.05 };
    // So that watches are opened while it answers so.
    proxy.cutWatches();
    await this.#pause(random.between(4_000, 12_000));
    proxy.faults = NO_KUBE_FAULTS;
  }

  async #breakCallbacks(random: Random): Promise<void> {
    const { callbacks } = this.#world;
    this.#note('callbacks dropped, doubled, late');
    callbacks.faults = { drop: 0.2, loseAnswer: 0.2, duplicate: 0.3, delay: 0.3 };
    await this.#pause(random.between(5_000, 15_000));
    callbacks.faults = NO_CALLBACK_FAULTS;
  }

  async #kill(process: RoleProcess | undefined, random: Random): Promise<void> {
    if (!process) return;
    this.#noteCoincidence();
    this.#note(`kill -9 ${process.name}`, '', `kill -9 ${process.role}`);
    process.state = 'dead';
    await process.component.kill('SIGKILL');
    await this.#pause(random.between(200, 4_000));
    await this.#bringBack(process);
  }

  /** All that run: one that is stopped or comes back already is left alone. */
  async #killAll(random: Random): Promise<void> {
    const processes = this.#world.processes.filter(({ state }) => state === 'runs');
    this.#note(`kill -9 every process of Beskar7 (${processes.length})`, '', 'kill -9 every process of Beskar7');
    for (const process of processes) process.state = 'dead';
    await Promise.all(processes.map(({ component }) => component.kill('SIGKILL')));
    await this.#pause(random.between(200, 4_000));
    await Promise.all(processes.map((process) => this.#bringBack(process)));
  }

  /** Counted when it has lasted as long as it was to: the end of the run cuts one short. */
  async #stopAndContinue(random: Random): Promise<void> {
    const role = random.chance(BMC_WORKER_STOPS) ? 'bmc-worker' : 'worker';
    const process = this.#someProcess(random, role);
    if (!process) return;
    const isLong = random.chance(LONG_STOPS);
    this.#noteCoincidence();
    this.#note(`SIGSTOP ${process.name}`, '', null);
    process.state = 'stopped';
    await process.component.kill('SIGSTOP');
    const isWhole = await this.#pause(random.between(...(isLong ? LONGER_THAN_FENCE_MS : LONGER_THAN_HEARTBEAT_MS)));
    await process.component.kill('SIGCONT');
    // It may have died meanwhile, and be on its way back.
    if (process.state === 'stopped') process.state = 'runs';
    this.#note(
      `SIGCONT ${process.name}`,
      '',
      isWhole ? `SIGSTOP ${role}${isLong ? ' for more than 107 s' : ''}` : null,
    );
  }

  /** When it is on its way back already: waits for that. */
  #killComponent(what: string, component: Component, random: Random): Promise<void> {
    return once(this.#restarting, component, async () => {
      this.#noteCoincidence();
      this.#note(what);
      await component.kill('SIGKILL');
      await this.#pause(random.between(200, 5_000));
      await untilStarted(() => component.start());
      this.#note(`${what}: it is back`, '', null);
    });
  }

  /** As a kubelet would: again, where the start fails because what it needs is away. */
  #bringBack(process: RoleProcess): Promise<void> {
    if (process.state !== 'dead') return Promise.resolve();
    return once(this.#comingBack, process, () =>
      untilStarted(
        () => this.#world.startProcess(process),
        () => this.#reviveTemporal(),
      ),
    );
  }

  /**
   * Starts Temporal once more when it has not answered for a minute; goes on after `stop`, until the result is called.
   */
  keepTemporal(): () => void {
    const { plane, temporal } = this.#world;
    const component = plane.components.temporal;
    const end = new AbortController();
    const keep = async (): Promise<void> => {
      let [pid, answeredAt] = [component.pid, performance.now()];
      while (await delay(5_000, true, { signal: end.signal }).catch(() => false)) {
        const isAnswering = await describes(temporal);
        if (isAnswering || component.pid !== pid) [pid, answeredAt] = [component.pid, performance.now()];
        if (performance.now() - answeredAt < TEMPORAL_SILENT_MS || end.signal.aborted) continue;
        await this.#reviveTemporal().catch((error: unknown) =>
          this.#note(`Temporal does not come back: ${(error as Error).message}`, '', null),
        );
      }
    };
    void keep();
    return () => end.abort();
  }

  /**
   * On a machine with too much to do its SQLite may never answer again (`interrupted (9)`): somebody would start it
   * once more.
   */
  #reviveTemporal(): Promise<void> {
    const { temporal } = this.#world.plane.components;
    return this.#killComponent('restart of a Temporal that did not answer', temporal, this.#randoms[0]);
  }

  #onDeath(process: RoleProcess, { exitCode, signal }: UnaskedDeath): void {
    const how = signal ?? `exit code ${exitCode ?? '?'}`;
    this.#note(`${process.name} died unasked (${how})`, '', `unasked death of ${process.role}`);
    this.#bringBack(process).catch((error: unknown) =>
      this.#note(`${process.name} does not come back: ${(error as Error).message}`, '', null),
    );
  }

  #someProcess(random: Random, role?: RoleProcess['role']): RoleProcess | undefined {
    return random.pick(
      this.#world.processes.filter(
        (process) => process.state === 'runs' && (role === undefined || process.role === role),
      ),
    );
  }

  /** Something else is away or stopped just now. */
  #noteCoincidence(): void {
    const others = this.#world.processes.filter(({ state }) => state !== 'runs').length + this.#restarting.size;
    if (others > 0) this.#count('a process beside another one that is away or stopped');
  }

  #note(what: string, about = '', counted: string | null = what): void {
    this.#world.checker.add({ source: 'driver', at: Date.now(), about, what });
    if (counted !== null) this.#count(counted);
  }

  #count(what: string): void {
    this.counts.set(what, (this.counts.get(what) ?? 0) + 1);
  }

  /** Ends early, and is false then, when the run ends. */
  async #pause(ms: number): Promise<boolean> {
    return delay(ms, true, { signal: this.#stop.signal }).catch(() => false);
  }
}

/** What is under way for this key already, or else the work, begun now. */
function once<K>(underWay: Map<K, Promise<void>>, key: K, work: () => Promise<void>): Promise<void> {
  const known = underWay.get(key);
  if (known) return known;
  const begun = work().finally(() => underWay.delete(key));
  underWay.set(key, begun);
  return begun;
}

/** `onTrouble` may mend what the start needs, when it has failed three times. */
/** Whether Temporal answers a question that its database has to be asked for. */
async function describes({ connection, options }: Client): Promise<boolean> {
  try {
    await connection.withDeadline(Date.now() + 5_000, () =>
      connection.workflowService.describeNamespace({ namespace: options.namespace }),
    );
    return true;
  } catch {
    return false;
  }
}

async function untilStarted(start: () => Promise<void>, onTrouble?: () => Promise<void>): Promise<void> {
  for (let tries = 1; ; tries += 1) {
    try {
      return await start();
    } catch (error) {
      if (tries >= 10) throw error;
      if (tries === 3) await onTrouble?.();
      await delay(1_000);
    }
  }
}
