// The matching as it was before it grouped hosts and demands: slow, and known to be right. The oracle of
// waiters.test.ts.
import type { Beskar7Machine } from '../../../crds/beskar7Machine.ts';
import { mismatch } from '../../../model/demand.ts';
import type { PhysicalHost } from '../../../crds/physicalHost.ts';

/** A machine that waits for a host, with the zone that its owner Machine asks for. */
export interface Waiter {
  readonly machine: Beskar7Machine;
  readonly failureDomain: string | undefined;
}

/**
 * The waiters that free hosts are there for, the oldest first, each with a host of its own: never more than hosts are
 * free (rule 15). An older one that fits several hosts leaves the one that a younger one needs, where it can have
 * another. Pure.
 */
export function oracleMatch(free: readonly PhysicalHost[], waiters: readonly Waiter[]): Beskar7Machine[] {
  return match(free, waiters).matched;
}

/** The free hosts that may go to somebody else without one of these waiters going without. Pure. */
export function oracleSpare(free: readonly PhysicalHost[], waiters: readonly Waiter[]): PhysicalHost[] {
  const { matching } = match(free, waiters);
  const { left, holders } = matching;
  if (left.size === 0) return [];
  const mayMove = new Map<string, boolean>();
  return free.filter((host) => {
    const holder = holders.get(host);
    if (holder === undefined) return true;
    const known = mayMove.get(holder.demand) ?? pathFor(holder, matching) !== undefined;
    mayMove.set(holder.demand, known);
    return known;
  });
}

/** Whether a waiter asks for a host like this one; whether it is free is not asked. */
function wouldTake(host: PhysicalHost, { machine, failureDomain }: Waiter): boolean {
  const tried = machine.status?.waitingFor?.triedHosts ?? [];
  const { hostSelector: selector, hardwareRequirements: requirements } = machine.spec;
  return mismatch(host, { selector, requirements, failureDomain, tried }) === undefined;
}

/** Negative: `a` waits longer, by its age, then by its name. */
export function byAge(a: Beskar7Machine, b: Beskar7Machine): number {
  const [ageA, ageB] = [a.metadata.creationTimestamp ?? '', b.metadata.creationTimestamp ?? ''];
  if (ageA !== ageB) return ageA < ageB ? -1 : 1;
  return a.metadata.name < b.metadata.name ? -1 : 1;
}

/** A waiter, and what it asks for as text: those that ask for the same fit the same hosts. */
interface Holder {
  readonly waiter: Waiter;
  readonly demand: string;
}

/**
 * How many different demands one search goes through: so many that a claim in a namespace where all ask for different
 * hosts stays quick.
 */
const MAX_DEMANDS = 100;

interface Matching {
  readonly free: readonly PhysicalHost[];
  readonly left: Set<PhysicalHost>;
  readonly holders: Map<PhysicalHost, Holder>;
  /** By demand: up to where in `free` no host is left for it. There are many hosts, and few demands. */
  readonly lookedAt: Map<string, number>;
}

function match(free: readonly PhysicalHost[], waiters: readonly Waiter[]) {
  const matching: Matching = { free, left: new Set(free), holders: new Map(), lookedAt: new Map() };
  const { left, holders } = matching;
  const matched: Beskar7Machine[] = [];
  // Who asks for what another one could not have does not get it either.
  const inVain = new Set<string>();
  for (const waiter of [...waiters].sort((a, b) => byAge(a.machine, b.machine))) {
    if (left.size === 0) break;
    const holder = { waiter, demand: demandOf(waiter) };
    const path = inVain.has(holder.demand) ? undefined : pathFor(holder, matching);
    if (path === undefined) {
      inVain.add(holder.demand);
      continue;
    }
    let next: Holder | undefined = holder;
    for (const host of path) {
      const before = holders.get(host);
      if (next) holders.set(host, next);
      left.delete(host);
      next = before;
    }
    matched.push(waiter.machine);
  }
  return { matched, matching };
}

function demandOf({ machine, failureDomain }: Waiter): string {
  const { hostSelector, hardwareRequirements } = machine.spec;
  const { triedHosts } = machine.status?.waitingFor ?? {};
  return JSON.stringify([hostSelector, hardwareRequirements, failureDomain, triedHosts]);
}

/**
 * Hosts by which a waiter gets one: the first is for it, each further one for the holder of the one before, and the
 * last is left over (an augmenting path). `asked`: what others on the way asked for.
 */
function pathFor(holder: Holder, matching: Matching, asked = new Set<string>()): PhysicalHost[] | undefined {
  const own = firstLeft(holder, matching);
  if (own) return [own];
  asked.add(holder.demand);
  if (asked.size >= MAX_DEMANDS) return undefined;
  for (const [host, other] of matching.holders) {
    if (asked.has(other.demand) || !wouldTake(host, holder.waiter)) continue;
    const rest = pathFor(other, matching, asked);
    if (rest) return [host, ...rest];
  }
  return undefined;
}

function firstLeft({ waiter, demand }: Holder, { free, left, lookedAt }: Matching): PhysicalHost | undefined {
  for (let at = lookedAt.get(demand) ?? 0; at < free.length; at += 1) {
    lookedAt.set(demand, at);
    const host = free[at];
    if (host && left.has(host) && wouldTake(host, waiter)) return host;
  }
  lookedAt.set(demand, free.length);
  return undefined;
}
