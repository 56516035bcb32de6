import { setTimeout as delay } from 'node:timers/promises';
import type { Component } from '../../tools/controlplane/component.ts';
import type { Faults } from '../../simulator/index.ts';
import { NO_CALLBACK_FAULTS } from './gateway.ts';
import { NO_KUBE_FAULTS } from './kubeProxy.ts';
import type { RoleProcess } from './processes.ts';
import type { Random } from './random.ts';
import { hostName, type ChaosWorld } from './world.ts';

/** A worker that is silent for longer than its heartbeat timeout (20 s) is believed dead, and is not. */
const LONGER_THAN_HEARTBEAT_MS: readonly [number, number] = [22_000, 32_000];

const KINDS = {
  kill: 6,
  killAll: 1,
  stopWorker: 3,
  killTemporal: 1.5,
  killApiServer: 1.5,
  cutWatches: 3,
  kubeFaults: 4,
  callbackFaults: 4,
} as const;
type FaultKind = keyof typeof KINDS;

const BMC_KINDS = {
  hang: 3,
  refuse: 3,
  unavailable: 3,
  slow: 2,
  sessionLoss: 3,
  passwordChange: 1,
  slowPowerOff: 2,
  hangAfterAccept: 1,
} as const;
type BmcFaultKind = keyof typeof BMC_KINDS;

/** Breaks one thing after the other, and one BMC after the other beside it; each fault ends by itself. */
export class FaultDriver {
  readonly counts = new Map<string, number>();
  readonly #world: ChaosWorld;
  readonly #random: Random;
  readonly #bmcRandom: Random;
  readonly #stop = new AbortController();
  #running: Promise<unknown> = Promise.resolve();
  #reviving: Promise<void> | undefined;

  constructor(world: ChaosWorld, random: Random) {
    this.#world = world;
    this.#random = random.fork();
    this.#bmcRandom = random.fork();
  }

  start(): void {
    this.#running = Promise.all([this.#breakAll(), this.#breakBmcs()]);
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

  async #breakAll(): Promise<void> {
    while (!this.#stop.signal.aborted) {
      await this.#pause(this.#random.between(1_000, 6_000));
      if (this.#stop.signal.aborted) return;
      await this.#break(this.#random.weighted(KINDS));
    }
  }

  async #break(kind: FaultKind): Promise<void> {
    const { proxy, callbacks, plane } = this.#world;
    switch (kind) {
      case 'kill':
        return this.#kill(this.#someProcess(() => true));
      case 'killAll':
        return this.#killAll();
      case 'stopWorker':
        return this.#stopAndContinue(this.#someProcess(({ role }) => role === 'worker' || role === 'bmc-worker'));
      case 'killTemporal':
        return this.#killComponent('kill Temporal', plane.components.temporal);
      case 'killApiServer':
        return this.#killComponent('kill API server', plane.components.apiServer);
      case 'cutWatches':
        this.#note(`cut watches (${proxy.cutWatches()})`, '', 'cut watches');
        return;
      case 'kubeFaults':
        this.#note('API server answers 409, 410, 429, 500');
        proxy.faults = { conflict: 0.1, gone: 0.2, tooMany: 0.05, internal: 0.05, internalAfter: 0.05 };
        await this.#pause(this.#random.between(4_000, 12_000));
        proxy.faults = NO_KUBE_FAULTS;
        return;
      case 'callbackFaults':
        this.#note('callbacks dropped, doubled, late');
        callbacks.faults = { drop: 0.2, loseAnswer: 0.2, duplicate: 0.2, delay: 0.3 };
        await this.#pause(this.#random.between(5_000, 15_000));
        callbacks.faults = NO_CALLBACK_FAULTS;
    }
  }

  async #kill(process: RoleProcess | undefined): Promise<void> {
    if (!process) return;
    this.#note(`kill -9 ${process.name}`, '', `kill -9 ${process.role}`);
    process.state = 'dead';
    await process.component.kill('SIGKILL');
    await this.#pause(this.#random.between(200, 4_000));
    await this.#bringBack(process);
  }

  async #killAll(): Promise<void> {
    this.#note('kill -9 every process of Beskar7');
    const { processes } = this.#world;
    for (const process of processes) process.state = 'dead';
    await Promise.all(processes.map(({ component }) => component.kill('SIGKILL')));
    await this.#pause(this.#random.between(200, 4_000));
    await Promise.all(processes.map((process) => this.#bringBack(process)));
  }

  async #stopAndContinue(process: RoleProcess | undefined): Promise<void> {
    if (!process) return;
    this.#note(`SIGSTOP ${process.name}`, '', `SIGSTOP ${process.role}`);
    process.state = 'stopped';
    await process.component.kill('SIGSTOP');
    await this.#pause(this.#random.between(...LONGER_THAN_HEARTBEAT_MS));
    await process.component.kill('SIGCONT');
    this.#note(`SIGCONT ${process.name}`, '', null);
    process.state = 'runs';
  }

  async #killComponent(what: string, component: Component): Promise<void> {
    this.#note(what);
    await component.kill('SIGKILL');
    await this.#pause(this.#random.between(200, 5_000));
    await untilStarted(() => component.start());
    this.#note(`${what}: it is back`, '', null);
  }

  /** As a kubelet would: again, where the start fails because what it needs is away. */
  async #bringBack(process: RoleProcess): Promise<void> {
    if (process.state !== 'dead') return;
    await untilStarted(
      () => this.#world.startProcess(process),
      () => this.#reviveTemporal(),
    );
  }

  /** On a machine with too much to do its SQLite may never answer again after a kill: somebody would start it once more. */
  #reviveTemporal(): Promise<void> {
    this.#reviving ??= this.#killComponent(
      'restart of a Temporal that did not answer',
      this.#world.plane.components.temporal,
    ).finally(() => (this.#reviving = undefined));
    return this.#reviving;
  }

  async #breakBmcs(): Promise<void> {
    const { fleet } = this.#world;
    // The larger the fleet, the more BMCs are broken at a time.
    const everyMs = Math.max(300, 60_000 / fleet.hosts.length);
    while (!this.#stop.signal.aborted) {
      await this.#pause(this.#bmcRandom.between(0.5, 1.5) * everyMs);
      const index = Math.floor(this.#bmcRandom.next() * fleet.hosts.length);
      await this.#breakBmc(index, this.#bmcRandom.weighted(BMC_KINDS));
    }
  }

  async #breakBmc(index: number, kind: BmcFaultKind): Promise<void> {
    const host = hostName(index);
    const bmc = this.#world.fleet.hosts[index];
    const forMs = this.#bmcRandom.between(2_000, 20_000);
    const password = `changed-${Math.floor(this.#bmcRandom.next() * 1e12).toString(36)}`;
    this.#note(`BMC ${kind}`, host);
    if (kind === 'passwordChange') {
      this.#world.passwords.add(password);
      await bmc?.fault({ password });
      setTimeout(() => void this.#world.writePassword(host, password).catch(() => undefined), forMs / 2);
      return;
    }
    const faults: Record<Exclude<BmcFaultKind, 'passwordChange'>, Faults> = {
      hang: { hang: true, forMs },
      refuse: { refuse: true, forMs },
      unavailable: { unavailable: 2, forMs },
      slow: { slowMs: 1_500, forMs },
      sessionLoss: { sessionLoss: true },
      slowPowerOff: { powerOffMs: 60_000, times: 1 },
      hangAfterAccept: { hangAfterAccept: true, times: 1 },
    };
    await bmc?.fault(faults[kind]);
  }

  #someProcess(isSo: (process: RoleProcess) => boolean): RoleProcess | undefined {
    return this.#random.pick(this.#world.processes.filter((process) => process.state === 'runs' && isSo(process)));
  }

  #note(what: string, about = '', counted: string | null = what): void {
    this.#world.checker.add({ source: 'driver', at: Date.now(), about, what });
    if (counted !== null) this.counts.set(counted, (this.counts.get(counted) ?? 0) + 1);
  }

  /** Ends early when the run ends. */
  async #pause(ms: number): Promise<void> {
    await delay(ms, undefined, { signal: this.#stop.signal }).catch(() => undefined);
  }
}

/** `onTrouble` may mend what the start needs, when it has failed three times. */
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
