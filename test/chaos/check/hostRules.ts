import type { ClaimStage } from '../../../model/claim.ts';
import { bootSecretName } from '../../../model/bootSecret.ts';
import type { Violation } from '../records.ts';
import { History } from './history.ts';
import type { Asked, BmcRequest } from './request.ts';
import type { HostView } from './view.ts';

/**
 * The age of a fence (rule 2), and how much later than it was sent a request is noted on a machine with too much to do.
 * D is not in it: here nothing is under way for long, so a worker that was stopped for 22 s and has no fence is found.
 */
const IN_FLIGHT_MS = 12_000;
/**
 * A release waits for what may be under way: after the claim was cleared nothing of it may come (rule 4); so late it
 * may be noted.
 */
const CLEARED_LAG_MS = 3_000;
/** `why` of a power change that was asked for by Redfish. */
const RESETS: ReadonlySet<string> = new Set([
  'On',
  'ForceOn',
  'ForceOff',
  'GracefulShutdown',
  'ForceRestart',
  'GracefulRestart',
  'PowerCycle',
]);
/** How long the Secret of a claim may be seen after the claim was cleared: two watches are compared. */
const SECRET_LAG_MS = 10_000;

const ALLOWED: Readonly<Record<Asked, readonly ClaimStage[]>> = {
  on: ['Armed'],
  pxe: ['Armed'],
  off: ['Claimed', 'Releasing'],
  boot: ['Releasing'],
  restart: [],
  other: [],
};

/** A change of the server's true power. */
export interface PowerChange {
  readonly at: number;
  readonly power: string;
  readonly why: string;
}

/** All that is known of one host: its states in the order of their writes, and what happened at its BMC. */
export class HostRecord {
  readonly name: string;
  readonly views: HostView[] = [];
  readonly power = new History<string>('Off');
  readonly powerChanges: PowerChange[] = [];
  readonly override = new History<string>('Disabled');
  /** The serial number of the server that answers behind its address; empty: not known. */
  readonly server = new History<string>('');
  readonly requests: BmcRequest[] = [];
  readonly secrets = new Map<string, History<boolean>>();

  constructor(name: string) {
    this.name = name;
  }

  secret(name: string): History<boolean> {
    const known = this.secrets.get(name) ?? new History(false);
    this.secrets.set(name, known);
    return known;
  }

  /** When the n-th state ended at the latest. */
  endOf(index: number): number {
    return this.views[index + 1]?.at ?? Number.POSITIVE_INFINITY;
  }
}

/** Rule 2: a request is on behalf of the claim that the host has, in a stage that allows it. */
export function requestAllowed(host: HostRecord, request: BmcRequest): Violation[] {
  const { at, sender, asked, text } = request;
  const violation = (what: string): Violation[] => [{ rule: 2, host: host.name, at, what: `${text}: ${what}` }];
  if (sender === undefined) return violation('it names no claim');
  const isAlive = (view: HostView, index: number) => beginOf(view) <= at && host.endOf(index) >= at - IN_FLIGHT_MS;
  // States that a broken watch has lost may have allowed it.
  if (host.views.some((view, index) => index > 0 && view.isAfterGap && view.at >= at - IN_FLIGHT_MS)) return [];
  const alive = host.views.filter(isAlive);
  if (sender === 'retire') {
    const isRetired = alive.some((view) => view.isDeleting && !view.claim && !view.consumer);
    return asked === 'off' && isRetired ? [] : violation('the host is not one that is being retired');
  }
  const clearedAt = clearedOf(host, sender);
  if (clearedAt !== undefined && at > clearedAt + CLEARED_LAG_MS)
    return violation(`its claim was cleared at ${time(clearedAt)}`);
  const stages = alive.flatMap(({ claim }) => (claim?.id === sender ? [claim.stage] : []));
  if (stages.some((stage) => ALLOWED[asked].includes(stage))) return [];
  return violation(
    stages.length === 0
      ? `its claim ${sender} was not the host's`
      : `not allowed in ${[...new Set(stages)].join(', ')}`,
  );
}

/** Decision 0020: what changes goes to the server that the host stands for, never to another one behind its address. */
export function sentToItsServer(host: HostRecord, { at, text }: BmcRequest): Violation[] {
  const isAlive = (view: HostView, index: number) => beginOf(view) <= at && host.endOf(index) >= at - IN_FLIGHT_MS;
  const alive = host.views.filter(isAlive);
  // What is not recorded, or may have been in a state that is missing, is not certain.
  if (alive.length === 0 || alive.some(({ serialNumber, isAfterGap }) => serialNumber === undefined || isAfterGap))
    return [];
  const own = new Set(alive.map(({ serialNumber }) => serialNumber ?? ''));
  // A server that was swapped after the read that precedes a request is nobody's fault.
  const isOwn = host.server.wasEver((serial) => serial === '' || own.has(serial), at - IN_FLIGHT_MS, at);
  const what = `${text}: the server there is ${host.server.at(at).value}, and the host stands for the server ${[...own].join(' or ')}`;
  return isOwn ? [] : [{ rule: 2, host: host.name, at, what }];
}

/** When a claim was seen cleared; undefined when it was not, or by force, or maybe earlier. */
function clearedOf({ views }: HostRecord, claim: string): number | undefined {
  const index = views.findIndex((view, n) => n > 0 && views[n - 1]?.claim?.id === claim && view.claim?.id !== claim);
  return views[index - 1]?.isForced === false ? views[index]?.at : undefined;
}

/** Rule 5 of docs/rules.md: a claim switches its server on once; only what went off by itself is switched on again. */
export function poweredOnOnce(host: HostRecord, { at, power, why }: PowerChange): Violation[] {
  if (power !== 'PoweringOn' || !RESETS.has(why)) return [];
  const claim = host.views.findLast((view) => beginOf(view) <= at)?.claim;
  if (claim?.stage !== 'Armed') return [];
  const before = host.powerChanges.filter((change) => change.at >= claim.since && change.at < at);
  const wasOn = before.some((change) => change.power === 'PoweringOn' && RESETS.has(change.why));
  const off = before.findLast((change) => change.power === 'Off');
  if (!wasOn || !off || !RESETS.has(off.why)) return [];
  return [
    { rule: 2, host: host.name, at, what: `claim ${claim.id} has power-cycled its server (${off.why}, then ${why})` },
  ];
}

/** Rule 4: nothing is asked of the BMC of a server that was handed over, for as long as that is certain. */
export function handedOverUntouched(host: HostRecord, { at, text }: BmcRequest): Violation[] {
  const index = host.views.findLastIndex((view) => view.at <= at);
  const view = host.views[index];
  if (view?.claim?.stage !== 'HandedOver') return [];
  const { id } = view.claim;
  // Other writes come and go meanwhile: the first state in which it is not handed over any more counts.
  const next = host.views.find(
    (later, n) => n > index && (later.claim?.id !== id || later.claim.stage !== 'HandedOver'),
  );
  const endedNotBefore =
    next === undefined ? Number.POSITIVE_INFINITY : Math.min(next.notBefore, next.claim?.since ?? next.notBefore);
  if (at >= endedNotBefore) return [];
  return [{ rule: 4, host: host.name, at, what: `${text}: the server was handed over at ${time(view.at)}` }];
}

/** Rules 1 and 3 at the n-th state: how the host came from the state before. */
export function changeAllowed(host: HostRecord, index: number): Violation[] {
  const [before, after] = [host.views[index - 1], host.views[index]];
  if (!before || !after || before.uid !== after.uid) return [];
  const violation = (rule: 1 | 3, what: string): Violation => ({ rule, host: host.name, at: after.at, what });
  const found: Violation[] = [];
  if (before.consumer && after.consumer && before.consumer.name !== after.consumer.name && !after.isAfterGap) {
    found.push(violation(1, `consumer ${before.consumer.name} was replaced by ${after.consumer.name}`));
  } else if (before.consumer && after.consumer && before.consumer.uid !== after.consumer.uid && !after.isAfterGap) {
    // Nothing is moved or restored here (rule 13).
    found.push(violation(1, `machine ${after.consumer.name} of another uid has the claim of the one before`));
  }
  if (!before.claim || before.claim.id === after.claim?.id || after.isAfterGap) return found;
  const { id, stage } = before.claim;
  if (before.isForced && stage === 'Releasing') return found;
  if (after.claim) found.push(violation(1, `claim ${id} was replaced by ${after.claim.id}`));
  if (stage !== 'Releasing') found.push(violation(3, `claim ${id} was cleared in stage ${stage}`));
  // As it was when the cleared claim was told, but for what the next one has done by then.
  const isOfNext = (since: number): boolean =>
    host.views.some((view, n) => n > index && view.claim?.stage === 'Armed' && view.claim.since <= since);
  const power = host.power.at(after.at);
  if (power.value !== 'Off' && !isOfNext(power.since))
    found.push(violation(3, `claim ${id} was cleared, and its server was not off`));
  const override = host.override.at(after.at);
  if (override.value !== 'Disabled' && !isOfNext(override.since))
    found.push(violation(3, `claim ${id} was cleared with its boot override still set`));
  return found;
}

/** Rules 3 and 7: no Secret with a token outlives its claim. */
export function tokenEnded(host: HostRecord, index: number, until: number): Violation[] {
  const [before, after] = [host.views[index - 1], host.views[index]];
  if (!before?.claim || !after || before.claim.id === after.claim?.id) return [];
  const name = before.claim.bootSecret ?? bootSecretName(host.name, before.claim.id);
  const isGone =
    !host.secrets.has(name) || host.secret(name).wasEver((is) => !is, after.notBefore, after.at + SECRET_LAG_MS);
  if (isGone || until < after.at + SECRET_LAG_MS) return [];
  return [{ rule: 7, host: host.name, at: after.at, what: `Secret ${name} has outlived its claim` }];
}

/** Rule 1: no machine has two hosts. */
export function oneHostPerMachine(hosts: Iterable<HostRecord>): Violation[] {
  const holders = new Map<string, HostRecord>();
  const found: Violation[] = [];
  for (const host of hosts) {
    const view = host.views.at(-1);
    if (!view?.claim || view.isGone || view.claim.stage === 'Releasing' || !view.consumer?.uid) continue;
    const other = holders.get(view.consumer.uid);
    if (other) {
      const what = `machine ${view.consumer.name} has ${other.name} and ${host.name}`;
      found.push({ rule: 1, host: host.name, machine: view.consumer.name, at: view.at, what });
    }
    holders.set(view.consumer.uid, host);
  }
  return found;
}

/** Rule 1: one server has one machine, also where two hosts stand for it. */
export function oneClaimPerServer(hosts: Iterable<HostRecord>): Violation[] {
  const holders = new Map<string, HostRecord>();
  const found: Violation[] = [];
  for (const host of hosts) {
    const view = host.views.at(-1);
    if (!view?.claim || view.isGone || view.serialNumber === undefined) continue;
    const other = holders.get(view.serialNumber);
    if (other) {
      const what = `${other.name} and ${host.name} stand for the server ${view.serialNumber}, and both are claimed`;
      found.push({ rule: 1, host: host.name, at: view.at, what });
    }
    holders.set(view.serialNumber, host);
  }
  return found;
}

/** When a state began at the earliest: the claim says when its stage was written. */
function beginOf({ at, notBefore, claim }: HostView): number {
  return Math.min(at, claim?.since ?? notBefore);
}

export function time(ms: number): string {
  return new Date(ms).toISOString().slice(11, 23);
}
