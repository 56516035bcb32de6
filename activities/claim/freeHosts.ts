import type { Beskar7Machine } from '../../crds/beskar7Machine.ts';
import type { Demand } from '../../model/demand.ts';
import { DUPLICATE } from '../../model/offer.ts';
import type { PhysicalHost } from '../../crds/physicalHost.ts';
import { BY_LAST_REPORT, requirementsText } from '../../model/knownHardware.ts';
import { mayComeFirst } from '../../model/sameServer.ts';
import { selectorText } from '../../model/selector.ts';
import { byAge, Matching, type Waiter } from '../../model/waiters.ts';
import { inTurns } from '../../kube/turns.ts';
import type { Dependencies } from '../dependencies.ts';
import { retryable } from '../failures.ts';
import { byPreference, fits, unfitReason } from './hostFit.ts';
import { readHost } from '../store/hostStore.ts';

/**
 * What is looked at between two yields: many machines claim at once, and heartbeats and fences wait for none of them.
 */
const OBJECTS_A_STEP = 100;

/**
 * Fitting free hosts, the best first, less those without which an older machine that waits would have to keep waiting.
 * By the watch caches: a claim of one of them has to be a compare-and-swap. Throws a retryable failure when a host is
 * being claimed for this machine already.
 */
export async function candidates(deps: Dependencies, machine: Beskar7Machine, demand: Demand): Promise<PhysicalHost[]> {
  const found = await inTurns(candidateSteps(deps, machine, demand));
  // After the last pause: another run of the machine may have started to claim meanwhile.
  requireNotClaiming(deps, machine, found.wanted);
  return found.best;
}

function* candidateSteps(deps: Dependencies, machine: Beskar7Machine, demand: Demand) {
  const { reservations, caches } = deps;
  const namespace = machine.metadata.namespace ?? '';
  const wanted: PhysicalHost[] = [];
  const fitting: PhysicalHost[] = [];
  for (const [at, host] of caches.availableHosts(namespace).hosts.entries()) {
    if (at % OBJECTS_A_STEP === 0) yield;
    if (!fits(host, demand)) continue;
    wanted.push(host);
    if (!reservations.isReserved(host) && !caches.isNamed(host)) fitting.push(host);
  }
  requireNotClaiming(deps, machine, wanted);
  const older =
    fitting.length === 0 ? [] : caches.waitingMachines(namespace).filter((waiter) => isOlder(waiter, machine));
  yield;
  if (older.length === 0) return { wanted, best: byPreference(fitting, machine.metadata.uid ?? '') };
  const matching = yield* Matching.steps(fitting, older.map(waiterOf));
  const spare = yield* matching.spareSteps(fitting);
  yield;
  return { wanted, best: byPreference(spare, machine.metadata.uid ?? '') };
}

/**
 * A run before this one (reset, or terminated) has sent a claim, which may land yet: another one would be a second host
 * (rule 1).
 */
function requireNotClaiming({ reservations }: Dependencies, machine: Beskar7Machine, wanted: PhysicalHost[]): void {
  const { namespace = '', uid } = machine.metadata;
  const mine = wanted.find((host) => reservations.isReservedFor(host, uid));
  if (mine)
    throw retryable(
      `host ${namespace}/${mine.metadata.name} is being claimed for this machine; it is looked for again`,
    );
}

function isOlder(waiter: Beskar7Machine, machine: Beskar7Machine): boolean {
  return waiter.metadata.uid !== machine.metadata.uid && byAge(waiter, machine) < 0;
}

/** With the zone that a waiting machine said it asks for: it stands in nobody's way at a host that it cannot take. */
function waiterOf(machine: Beskar7Machine): Waiter {
  return { machine, failureDomain: machine.status?.waitingFor?.failureDomain };
}

/**
 * Another host stands for the same server, and comes first. Its condition says so soon; who claims looks for itself.
 */
export function isLeftToAnother(caches: Pick<Dependencies['caches'], 'duplicateOf'>, host: PhysicalHost): boolean {
  const duplicate = caches.duplicateOf(host);
  return duplicate !== undefined && !duplicate.isFirst;
}

/**
 * Of more hosts for one server than that, none is claimed before some of them are gone; those that cannot come first
 * are not counted, since whoever may create hosts elsewhere could hold this one up by them.
 */
const MAX_READ = 16;

/**
 * The same by a live read of the hosts that the cache has for its server, right before the compare-and-swap that proves
 * the host itself: a cache that is behind would let two hosts of one server be claimed, of which neither could be used.
 * Throws what the API server says.
 */
export async function isTakenByAnother(
  deps: Pick<Dependencies, 'caches' | 'kube'>,
  host: PhysicalHost,
): Promise<boolean> {
  if (deps.caches.duplicateOf(host) === undefined) return false;
  const { caches } = deps;
  const others = caches
    .neighboursOf(host)
    .filter((other) => mayComeFirst(host, other, caches.duplicateAmong(host, [other])));
  if (others.length > MAX_READ) return true;
  const read = others.map(({ metadata: { namespace = '', name } }) => readHost(deps.kube, namespace, name));
  const live = (await Promise.all(read)).filter((other) => other !== undefined);
  return deps.caches.duplicateAmong(host, live)?.isFirst === false;
}

/** Why no host was found, with how many hosts did not fit for which reason. */
export async function noHostMessage(deps: Dependencies, machine: Beskar7Machine, demand: Demand): Promise<string> {
  const namespace = machine.metadata.namespace ?? '';
  const all = deps.caches.hosts(namespace);
  const why = await inTurns(reasonSteps(deps, all, demand));
  const counts = [...why].map(([reason, count]) => `${count} ${reason}`).join(', ');
  return (
    `No free host fits in namespace ${namespace}: asked for ${askedText(demand)}, ` +
    `looked at ${all.length} host${all.length === 1 ? '' : 's'}${counts ? ` (${counts})` : ''}. ` +
    'Continues as soon as one becomes free; add hosts or change hostSelector to help.' +
    reportHint(why)
  );
}

function askedText({ selector, requirements, failureDomain }: Demand): string {
  const required = requirementsText(requirements);
  const zone = failureDomain === undefined ? '' : ` in zone ${failureDomain}`;
  return selectorText(selector) + zone + (required === '' ? '' : ` with ${required}`);
}

/** A report may be of hardware that was changed since. */
function reportHint(why: ReadonlyMap<string, number>): string {
  if (![...why.keys()].some((reason) => reason.endsWith(BY_LAST_REPORT))) return '';
  return (
    ' A host whose last report does not meet hardwareRequirements is not booted: lower them, or set the annotation ' +
    'beskar7.io/retry to a new value to have such hosts inspected once more.'
  );
}

function* reasonSteps({ reservations, caches }: Dependencies, all: readonly PhysicalHost[], demand: Demand) {
  const why = new Map<string, number>();
  for (const [at, host] of all.entries()) {
    if (at % OBJECTS_A_STEP === 0) yield;
    const reserved = reservations.isReserved(host) ? 'being claimed by another machine' : undefined;
    const named = () => (caches.isNamed(host) ? "named by another machine's providerID" : undefined);
    const shared = () => (isLeftToAnother(caches, host) ? DUPLICATE : undefined);
    const reason =
      unfitReason(host, demand) ?? reserved ?? named() ?? shared() ?? 'wanted by a machine that waits longer';
    why.set(reason, (why.get(reason) ?? 0) + 1);
  }
  return why;
}
