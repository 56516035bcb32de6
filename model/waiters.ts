import type { Beskar7Machine } from '../crds/beskar7Machine.ts';
import { requirementsAtClaim, type Demand } from './demand.ts';
import { fitsClass, HostClasses, type HostClass } from './hostClasses.ts';
import type { PhysicalHost } from '../crds/physicalHost.ts';

/** A machine that waits for a host, with the zone that its owner Machine asks for. */
export interface Waiter {
  readonly machine: Beskar7Machine;
  readonly failureDomain: string | undefined;
}

/** Negative: `a` waits longer, by its age, then by its name. */
export function byAge(a: Beskar7Machine, b: Beskar7Machine): number {
  const [ageA, ageB] = [a.metadata.creationTimestamp ?? '', b.metadata.creationTimestamp ?? ''];
  if (ageA !== ageB) return ageA < ageB ? -1 : 1;
  return a.metadata.name < b.metadata.name ? -1 : 1;
}

/** Those who ask for the same. */
interface Asker {
  readonly demand: Demand;
  /** Classes that may fit; undefined: any may. */
  readonly candidates: readonly HostClass[] | undefined;
  /** Up to where no class has a host left for them. */
  lookedAt: number;
}

/**
 * Comparisons after which no waiter is moved to another host any more: fairness is as good as it can be had, and the
 * answer comes.
 */
const MAX_OPERATIONS = 5_000_000;
/** Comparisons between two yields. */
const OPERATIONS_A_STEP = 500;

/**
 * Gives free hosts to waiters, the oldest first, each a host of its own: never more than hosts are free (rule 15). An
 * older one that fits several hosts leaves the one that a younger one needs, where it can have another (an augmenting
 * path). Indistinguishable hosts are one class, waiters that ask for the same one asker, and where a search has
 * failed no later one looks again, so that the work grows with hosts plus waiters and not with their product. Pure;
 * `steps` yields often, see `inTurns`.
 */
export class Matching {
  /** Whom a host is there for, the oldest first. */
  readonly matched: Beskar7Machine[] = [];
  /** Comparisons of an asker with a class so far. */
  operations = 0;
  readonly #classes: HostClasses;
  readonly #holders = new Map<HostClass, Map<Asker, number>>();
  /** Classes that cannot get a host free whatever is moved: full, and all who hold them fit only such classes. */
  readonly #closed = new Set<HostClass>();
  readonly #inVain = new Set<Asker>();
  #left: number;
  /** Up to where no class has a host left. */
  #firstOpen = 0;

  private constructor(classes: HostClasses, left: number) {
    this.#classes = classes;
    this.#left = left;
  }

  static *steps(free: readonly PhysicalHost[], waiters: readonly Waiter[]): Generator<undefined, Matching> {
    const demands = new Map<string, Demand>();
    const keyed: { machine: Beskar7Machine; key: string }[] = [];
    for (const waiter of [...waiters].sort((a, b) => byAge(a.machine, b.machine))) {
      if (keyed.length % 100 === 0) yield;
      const key = demandKeyOf(waiter);
      if (!demands.has(key)) demands.set(key, demandOf(waiter));
      keyed.push({ machine: waiter.machine, key });
    }
    const classes = yield* HostClasses.steps(free, demands.values());
    const matching = new Matching(classes, free.length);
    const askers = new Map<string, Asker>();
    for (const { machine, key } of keyed) {
      if (matching.#left === 0) break;
      const demand = demands.get(key);
      if (demand === undefined) continue;
      const asker = askers.get(key) ?? { demand, candidates: classes.candidates(demand), lookedAt: 0 };
      askers.set(key, asker);
      if (yield* matching.#give(asker)) matching.matched.push(machine);
    }
    return matching;
  }

  /** The free hosts that no waiter needs. */
  *spareSteps(free: readonly PhysicalHost[]): Generator<undefined, PhysicalHost[]> {
    if (this.#left === 0) return [];
    const spare = new Set<HostClass>();
    for (const group of this.#classes.all) {
      if (group.left > 0) spare.add(group);
      else if (!this.#closed.has(group)) {
        const holders = [...(this.#holders.get(group)?.keys() ?? [])];
        if (yield* this.#search(holders, () => undefined)) spare.add(group);
      }
    }
    return free.filter((host) => {
      const group = this.#classes.of(host);
      return group !== undefined && spare.has(group);
    });
  }

  /** Whether the asker could be given a host, if need be by moving others. */
  *#give(asker: Asker): Generator<undefined, boolean> {
    if (this.#inVain.has(asker)) return false;
    return yield* this.#search([asker], (path) => {
      for (const [at, { group, taker }] of path.entries()) {
        this.#hold(group, taker, 1);
        const given = path[at + 1];
        if (given) this.#hold(given.group, taker, -1);
        if (at === 0) group.left -= 1;
      }
      this.#left -= 1;
    });
  }

  #hold(group: HostClass, asker: Asker, by: 1 | -1): void {
    const holders = this.#holders.get(group) ?? new Map<Asker, number>();
    this.#holders.set(group, holders);
    const count = (holders.get(asker) ?? 0) + by;
    if (count > 0) holders.set(asker, count);
    else holders.delete(asker);
  }

  /**
   * Looks from `starts` for a class with a host left, over classes whose holders may be moved. `onFound` gets the way
   * back: first the class with a host left and who takes it, then the class that this one leaves and who takes that, up
   * to a start.
   */
  *#search(starts: readonly Asker[], onFound: (path: Step[]) => void): Generator<undefined, boolean> {
    const reached = new Map<Asker, HostClass | undefined>(starts.map((asker) => [asker, undefined]));
    const seen = new Map<HostClass, Asker>();
    /** Of those who may take any class, each looks only at what no other has seen. */
    let unseen: Set<HostClass> | undefined;
    for (const asker of reached.keys()) {
      const own = yield* this.#firstLeft(asker);
      if (own) {
        onFound(wayBack({ group: own, taker: asker }, reached, seen));
        return true;
      }
      if (this.operations > MAX_OPERATIONS) return false;
      if (asker.candidates === undefined) unseen ??= new Set(this.#classes.all.filter((group) => !seen.has(group)));
      for (const group of asker.candidates ?? unseen ?? []) {
        if (seen.has(group) || this.#closed.has(group)) continue;
        if ((this.operations += 1) % OPERATIONS_A_STEP === 0) yield;
        if (!fitsClass(group, asker.demand)) continue;
        seen.set(group, asker);
        unseen?.delete(group);
        for (const holder of this.#holders.get(group)?.keys() ?? [])
          if (!reached.has(holder)) reached.set(holder, group);
      }
    }
    // All of them hold or want only what is here.
    for (const group of seen.keys()) this.#closed.add(group);
    for (const asker of reached.keys()) this.#inVain.add(asker);
    return false;
  }

  /** What is left only shrinks: an exhausted class is not visited twice. */
  *#firstLeft(asker: Asker): Generator<undefined, HostClass | undefined> {
    const { all } = this.#classes;
    while (all[this.#firstOpen]?.left === 0) this.#firstOpen += 1;
    const candidates = asker.candidates ?? all;
    if (asker.candidates === undefined) asker.lookedAt = Math.max(asker.lookedAt, this.#firstOpen);
    for (; asker.lookedAt < candidates.length; asker.lookedAt += 1) {
      const group = candidates[asker.lookedAt];
      if ((this.operations += 1) % OPERATIONS_A_STEP === 0) yield;
      if (group && group.left > 0 && fitsClass(group, asker.demand)) return group;
    }
    return undefined;
  }
}

/** `taker` gets a host of `group`. */
interface Step {
  readonly group: HostClass;
  readonly taker: Asker;
}

function wayBack(
  found: Step,
  reached: ReadonlyMap<Asker, HostClass | undefined>,
  seen: ReadonlyMap<HostClass, Asker>,
): Step[] {
  const path = [found];
  for (let last = found; ;) {
    const group = reached.get(last.taker);
    const taker = group && seen.get(group);
    if (!group || !taker) return path;
    path.push((last = { group, taker }));
  }
}

function demandOf({ machine, failureDomain }: Waiter): Demand {
  const requirements = requirementsAtClaim(machine);
  return {
    selector: machine.spec.hostSelector,
    requirements,
    failureDomain,
    tried: machine.status?.waitingFor?.triedHosts ?? [],
  };
}

/** By object: those in watch caches are never changed. */
const demandKeys = new WeakMap<Beskar7Machine, string>();

/** What a waiter asks for as text: those that ask for the same fit the same hosts. */
function demandKeyOf({ machine, failureDomain }: Waiter): string {
  let key = demandKeys.get(machine);
  if (key === undefined) {
    const { triedHosts } = machine.status?.waitingFor ?? {};
    key = JSON.stringify([machine.spec.hostSelector, requirementsAtClaim(machine), triedHosts]);
    demandKeys.set(machine, key);
  }
  return failureDomain === undefined ? key : `${key} ${failureDomain}`;
}
