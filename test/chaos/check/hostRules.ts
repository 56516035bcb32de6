import type { ClaimStage } from '../../../crds/claim.ts';
import { bootSecretName } from '../../../crds/bootSecret.ts';
import type { Violation } from '../records.ts';
import { History } from './history.ts';
import type { Asked, BmcRequest } from './request.ts';
import type { HostView } from './view.ts';

/** D and the age of a fence (rule 2). */
const IN_FLIGHT_MS = 62_000;
/** How long the Secret of a claim may be seen after the claim was cleared: two watches are compared. */
const SECRET_LAG_MS = 10_000;

const ALLOWED: Readonly<Record<Asked, readonly ClaimStage[]>> = {
  on: ['Armed'],
  pxe: ['Armed'],
  off: ['Claimed', 'Armed', 'Releasing'],
  boot: ['Claimed', 'Armed', 'Releasing'],
  restart: [],
  other: [],
};

/** All that is known of one host: its states in the order of their writes, and what happened at its BMC. */
export class HostRecord {
  readonly name: string;
  readonly views: HostView[] = [];
  readonly power = new History<string>('Off');
  readonly override = new History<string>('Disabled');
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
  const stages = alive.flatMap(({ claim }) => (claim?.id === sender ? [claim.stage] : []));
  if (stages.some((stage) => ALLOWED[asked].includes(stage))) return [];
  return violation(
    stages.length === 0
      ? `its claim ${sender} was not the host's`
      : `not allowed in ${[...new Set(stages)].join(', ')}`,
  );
}

/** Rule 4: nothing is asked of the BMC of a server that was handed over, for as long as that is certain. */
export function handedOverUntouched(host: HostRecord, { at, text }: BmcRequest): Violation[] {
  const index = host.views.findLastIndex((view) => view.at <= at);
  const view = host.views[index];
  if (view?.claim?.stage !== 'HandedOver') return [];
  const next = host.views[index + 1];
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
  }
  if (!before.claim || before.claim.id === after.claim?.id || after.isAfterGap) return found;
  const { id, stage } = before.claim;
  if (before.isForced && stage === 'Releasing') return found;
  if (after.claim) found.push(violation(1, `claim ${id} was replaced by ${after.claim.id}`));
  if (stage !== 'Releasing') found.push(violation(3, `claim ${id} was cleared in stage ${stage}`));
  const from = Math.max(after.notBefore, before.claim.since);
  if (!host.power.wasEver((power) => power === 'Off', from, after.at))
    found.push(violation(3, `claim ${id} was cleared, and its server had not been off`));
  if (!host.override.wasEver((enabled) => enabled === 'Disabled', from, after.at))
    found.push(violation(3, `claim ${id} was cleared with its boot override still set`));
  return found;
}

/** Rules 3 and 7: no Secret with a token outlives its claim. */
export function tokenEnded(host: HostRecord, index: number, until: number): Violation[] {
  const [before, after] = [host.views[index - 1], host.views[index]];
  if (!before?.claim || !after || before.claim.id === after.claim?.id) return [];
  const name = bootSecretName(host.name, before.claim.id);
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

/** When a state began at the earliest: the claim says when its stage was written. */
function beginOf({ at, notBefore, claim }: HostView): number {
  return Math.min(at, claim?.since ?? notBefore);
}

export function time(ms: number): string {
  return new Date(ms).toISOString().slice(11, 23);
}
