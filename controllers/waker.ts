import type { Logger } from 'pino';
import type { Beskar7Machine } from '../crds/beskar7Machine.ts';
import { requirementsAtClaim } from '../model/demand.ts';
import { knownHardware } from '../model/knownHardware.ts';
import { whyNotOffered } from '../model/offer.ts';
import type { PhysicalHost } from '../crds/physicalHost.ts';
import { Matching, type Waiter } from '../model/waiters.ts';
import { inTurns } from '../kube/turns.ts';
import { isWaiting, machineOn, mayClaim, ownerMachineOf, type Informers } from './informers.ts';
import type { Starter } from './starter.ts';

/** What it takes to wake machines that wait for a host; `timing`: in place of the defaults, for tests. */
export interface WakerDeps {
  readonly informers: Informers;
  readonly starter: Starter;
  readonly logger: Logger;
  /** A waiter without an open run. */
  readonly onLost: (machine: Beskar7Machine) => void;
  readonly timing?: Partial<WakerTiming>;
}

interface WakerTiming {
  /** Changes within this are looked at together. */
  readonly coalesceMs: number;
  /** How often it is looked while there are both free hosts and waiters. */
  readonly repeatMs: number;
  /** How long a woken waiter may take to claim before it is woken again; doubled each time, up to `repeatMs`. */
  readonly claimingMs: number;
}

const TIMING: WakerTiming = { coalesceMs: 100, repeatMs: 30_000, claimingMs: 3_000 };
const SIGNALS_AT_ONCE = 16;
/** Objects looked at between two yields. */
const OBJECTS_A_STEP = 100;

/** Whether a host is free for anybody. */
export function isFree(host: PhysicalHost): boolean {
  return whyNotOffered(host) === undefined;
}

/** Wakes runs that wait for a host when hosts are free. Level-based: it looks at what is, not at what changed. */
export class Waker {
  readonly #deps: WakerDeps;
  readonly #timing: WakerTiming;
  /** Namespaces to look at, and waiters woken lately: uid to time. */
  readonly #due = new Set<string>();
  readonly #woken = new Map<string, number>();
  #timer: NodeJS.Timeout | undefined;
  #followUp: NodeJS.Timeout | undefined;
  #followUpMs: number;
  #repeat: NodeJS.Timeout | undefined;
  #ends: (() => void)[] = [];
  #looking: Promise<void> = Promise.resolve();
  #isStopped = false;

  constructor(deps: WakerDeps) {
    this.#deps = deps;
    this.#timing = { ...TIMING, ...deps.timing };
    this.#followUpMs = this.#timing.claimingMs;
  }

  start(): void {
    const { hosts, machines } = this.#deps.informers;
    this.#ends = [
      hosts.onChange(({ object, previous, type }) => {
        if (type !== 'deleted' && isFree(object) && !(previous && isSameOffer(previous, object))) this.#mark(object);
      }),
      machines.onChange(({ object, previous, type }) => {
        const isNew = type !== 'deleted' && isWaiting(object) && !(previous && isSameWish(previous, object));
        if (isNew) this.#mark(object);
        // It has claimed, or gives its place up.
        if (!isWaiting(object)) this.#woken.delete(object.metadata.uid);
      }),
    ];
    this.#repeat = setInterval(() => this.#markAll(), this.#timing.repeatMs * (0.8 + Math.random() * 0.4));
    this.#markAll();
  }

  async stop(): Promise<void> {
    this.#isStopped = true;
    for (const end of this.#ends) end();
    clearTimeout(this.#timer);
    clearTimeout(this.#followUp);
    clearInterval(this.#repeat);
    await this.#looking;
  }

  #markAll(): void {
    for (const machine of this.#deps.informers.machines.list()) if (isWaiting(machine)) this.#mark(machine);
  }

  #mark(object: { metadata: { namespace: string } }): void {
    this.#due.add(object.metadata.namespace);
    this.#followUpMs = this.#timing.claimingMs;
    if (this.#timer || this.#isStopped) return;
    this.#timer = setTimeout(() => {
      this.#timer = undefined;
      const due = [...this.#due];
      this.#due.clear();
      this.#looking = this.#looking.then(() => this.#lookAt(due));
    }, this.#timing.coalesceMs);
  }

  async #lookAt(namespaces: readonly string[]): Promise<void> {
    const now = performance.now();
    for (const [uid, at] of this.#woken) if (now - at >= this.#timing.claimingMs) this.#woken.delete(uid);
    const matched: Beskar7Machine[] = [];
    for (const namespace of namespaces) matched.push(...(await inTurns(this.#match(namespace))));
    if (this.#isStopped) return;
    // Those that were woken just now take up a host and are not woken again.
    const chosen = matched.filter(({ metadata }) => !this.#woken.has(metadata.uid));
    for (const { metadata } of chosen) this.#woken.set(metadata.uid, now);
    for (let at = 0; at < chosen.length && !this.#isStopped; at += SIGNALS_AT_ONCE) {
      await Promise.all(chosen.slice(at, at + SIGNALS_AT_ONCE).map((machine) => this.#wake(machine)));
    }
    if (matched.length > 0) this.#lookOnceMore();
  }

  /**
   * A woken waiter may have lost its host to another one while a second was free: it is looked again until no waiter
   * fits a free host.
   */
  #lookOnceMore(): void {
    if (this.#followUp || this.#isStopped) return;
    this.#followUp = setTimeout(() => {
      this.#followUp = undefined;
      this.#followUpMs = Math.min(this.#timing.repeatMs, this.#followUpMs * 2);
      this.#looking = this.#looking.then(() => {
        const waiting = this.#deps.informers.machines.list().filter(isWaiting);
        return this.#lookAt([...new Set(waiting.map(({ metadata }) => metadata.namespace))]);
      });
    }, this.#followUpMs + this.#timing.coalesceMs);
  }

  *#match(namespace: string): Generator<undefined, Beskar7Machine[]> {
    const { hosts, machines, capiMachines } = this.#deps.informers;
    const free: PhysicalHost[] = [];
    for (const [at, host] of hosts.byIndex('byState', `${namespace}/Available`).entries()) {
      if (at % OBJECTS_A_STEP === 0) yield;
      if (isFree(host) && machineOn({ machines }, host) === undefined) free.push(host);
    }
    if (free.length === 0) return [];
    const waiters: Waiter[] = [];
    for (const [at, machine] of machines.byIndex('waiting', namespace).entries()) {
      if (at % OBJECTS_A_STEP === 0) yield;
      if (!mayClaim(this.#deps.informers, machine)) continue;
      const owner = ownerMachineOf(machine);
      const failureDomain = owner === undefined ? undefined : capiMachines.get(namespace, owner)?.spec.failureDomain;
      waiters.push({ machine, failureDomain });
    }
    return (yield* Matching.steps(free, waiters)).matched;
  }

  async #wake(machine: Beskar7Machine): Promise<void> {
    const { namespace, name, uid } = machine.metadata;
    try {
      const isHeard = await this.#deps.starter.signalHostAvailable({ namespace, name, uid });
      if (!isHeard) this.#deps.onLost(machine);
    } catch (error) {
      this.#woken.delete(uid);
      this.#deps.logger.warn(
        { namespace, name, err: error },
        'a waiting machine could not be signalled about a free host; retried later',
      );
    }
  }
}

/** Nothing changed that waiters care for. */
function isSameOffer(before: PhysicalHost, after: PhysicalHost): boolean {
  return isFree(before) && textOf(before) === textOf(after);
}

/** By what waiters choose a host. */
function textOf(host: PhysicalHost): string {
  return JSON.stringify([host.metadata.labels, knownHardware(host)]);
}

/** It waited before, for the same. */
function isSameWish(before: Beskar7Machine, after: Beskar7Machine): boolean {
  const wishOf = (machine: Beskar7Machine) => JSON.stringify([machine.spec.hostSelector, requirementsAtClaim(machine)]);
  return isWaiting(before) && wishOf(before) === wishOf(after);
}
