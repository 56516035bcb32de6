import type { Beskar7Machine } from '../../../crds/beskar7Machine.ts';
import type { PhysicalHost } from '../../../crds/physicalHost.ts';
import type { CallbackRecord, ChaosRecord, KubernetesRecord, RunRecord, Violation } from '../records.ts';
import { KEPT_WHEN_ACCEPTED } from './callbackRules.ts';
import { changesOfClaim, TOLD_LAG_MS } from './changeRules.ts';
import {
  changeAllowed,
  handedOverUntouched,
  HostRecord,
  oneClaimPerServer,
  oneHostPerMachine,
  poweredOnOnce,
  requestAllowed,
  sentToItsServer,
  tokenEnded,
} from './hostRules.ts';
import { bmcRequest } from './request.ts';
import { Timeline } from './timeline.ts';
import { hostView, machineView, type HostView, type MachineView } from './view.ts';

/** A report that was answered 202 stands on its host after this long. */
const REPORT_LAG_MS = 20_000;

/** Runs that repeat what fails for as long as it takes, and end completed. */
const NEVER_FAILS = /^(deprovision|release|enroll|retire|monitor)\//;

/** When it is tried again, or what starts that. */
const SAYS_WHEN = /\d{4}-\d\d-\d\dT\d\d:\d\d|as soon as/;

const END_PHASES: ReadonlySet<string> = new Set(['Failed', 'Provisioned']);

/**
 * Checks the rules of design section 8 while a chaos run goes on, out of records from outside of Beskar7. A rule is
 * only found broken where that is certain: states come late, and may be missing after a watch that broke off for good.
 * Rule 8 is `leaks`; rule 10 (deadlines and bounds) cannot be seen from outside.
 */
export class Checker {
  readonly #hosts = new Map<string, HostRecord>();
  /** What each machine was, since it was made. */
  readonly #machines = new Map<string, MachineView[]>();
  readonly #timeline = new Timeline();
  readonly #found: Violation[] = [];
  readonly #gaps = new Map<string, number>();
  /** Waiting until everything up to their time is known. */
  #pending: { at: number; check: (until: number) => Violation[] }[] = [];
  readonly #tokens = new Map<string, { host: string; claim: string }>();
  /** Uids that a machine of this name has had. */
  readonly #uids = new Map<string, Set<string>>();
  /** When something was broken last: a process, the API server, Temporal, the network. */
  #brokenAt = Number.NEGATIVE_INFINITY;
  /** How often each check was made. */
  readonly evaluated = new Map<string, number>();

  /** In the order in which the records come in. */
  add(record: ChaosRecord): void {
    this.#timeline.add(record);
    switch (record.source) {
      case 'kubernetes':
        return record.kind === 'PhysicalHost' ? this.#addHost(record) : this.#addMachine(record);
      case 'relist':
        return void this.#gaps.set(record.kind, record.at);
      case 'bmc': {
        const request = bmcRequest(record);
        const host = this.#host(record.host);
        this.#later(record.at, 'rules 2 and 4: request to a BMC', () => [
          ...requestAllowed(host, request),
          ...sentToItsServer(host, request),
          ...handedOverUntouched(host, request),
        ]);
        return;
      }
      case 'server':
        return this.#host(record.host).server.set(record.at, record.serialNumber);
      case 'power': {
        const host = this.#host(record.host);
        host.power.set(record.at, record.power);
        host.powerChanges.push(record);
        if (record.power === 'PoweringOn')
          this.#later(record.at, 'rule 2: power-on', () => poweredOnOnce(host, record));
        return;
      }
      case 'override':
        return this.#host(record.host).override.set(record.at, record.enabled);
      case 'secret': {
        const host = /^(.+)-boot-[0-9a-f-]{36}$/.exec(record.name)?.[1];
        if (host !== undefined)
          this.#host(host)
            .secret(record.name)
            .set(record.at, record.type !== 'DELETED');
        return;
      }
      case 'callback':
        return this.#addCallback(record);
      case 'temporal':
        return this.#addRun(record);
      case 'driver':
        // What people do, and what is done to a BMC, is about somebody.
        if (record.about === '') this.#brokenAt = record.at;
        return;
    }
  }

  /** How many checks still wait for what happened until a time. */
  pending(until: number): number {
    return this.#pending.filter(({ at }) => at <= until).length;
  }

  /** What was broken up to a time until which every record is here; each violation is told once. */
  violations(until: number): Violation[] {
    const due = this.#pending.filter(({ at }) => at <= until);
    this.#pending = this.#pending.filter(({ at }) => at > until);
    // Also for what a list has told, of which single states are not compared.
    return [
      ...this.#found.splice(0),
      ...due.flatMap(({ check }) => check(until)),
      ...oneHostPerMachine(this.#present()),
      ...oneClaimPerServer(this.#present()),
    ];
  }

  /** Every record about a host or a machine, merged: one line each. */
  timeline(about: { readonly host?: string; readonly machine?: string }): string {
    return this.#timeline.text(about);
  }

  #addHost({ at, notBefore, type, object }: KubernetesRecord): void {
    const host = this.#host(object.metadata.name);
    const isAfterGap = this.#gaps.get('PhysicalHost') === at;
    const view = hostView(object as PhysicalHost, { at, notBefore, isGone: type === 'DELETED', isAfterGap });
    const index = host.views.push(view) - 1;
    if (view.claim?.tokenHash !== undefined) this.#addToken(view.claim.tokenHash, host, view.claim.id, at);
    const before = host.views[index - 1];
    this.#later(at, 'rules 1 and 3: change of a host', () => changeAllowed(host, index));
    if (before?.claim && before.claim.id !== view.claim?.id)
      this.#later(at + 10_000, 'rule 7: end of a token', (until) => tokenEnded(host, index, until));
    this.#later(at, 'rule 9: host', () => hostSaysWhy(host.name, view));
    if (before && !view.isAfterGap) this.#addChange(host, before, view);
    // A batch of a list shows mixed moments until it is complete.
    if (!isAfterGap && view.claim?.id !== host.views[index - 1]?.claim?.id)
      this.#found.push(...oneHostPerMachine(this.#present()), ...oneClaimPerServer(this.#present()));
    if (view.timeoutOf !== undefined && view.reportOf === view.timeoutOf)
      this.#found.push({
        rule: 5,
        host: host.name,
        at,
        what: `claim ${view.timeoutOf} timed out although its report is there`,
      });
  }

  /** What a change of a host says together with its machine, whose watch may lag. */
  #addChange(host: HostRecord, before: HostView, after: HostView): void {
    const name = after.consumer?.name ?? '';
    for (const { afterMs, what, check } of changesOfClaim(host, before, after))
      this.#later(after.at + afterMs, what, () =>
        check({
          views: this.#machines.get(name) ?? [],
          uids: this.#uids.get(name) ?? new Set(),
          listedAt: this.#gaps.get('Beskar7Machine') ?? Number.NEGATIVE_INFINITY,
          brokenAt: this.#brokenAt,
        }),
      );
  }

  /** Hosts that the newest list had, and later ones. */
  #present(): HostRecord[] {
    const listedAt = this.#gaps.get('PhysicalHost') ?? Number.NEGATIVE_INFINITY;
    return [...this.#hosts.values()].filter(({ views }) => (views.at(-1)?.at ?? Number.NEGATIVE_INFINITY) >= listedAt);
  }

  #addToken(hash: string, host: HostRecord, claim: string, at: number): void {
    const known = this.#tokens.get(hash);
    if (known && known.claim !== claim)
      this.#found.push({
        rule: 7,
        host: host.name,
        at,
        what: `claims ${known.claim} and ${claim} have the same token`,
      });
    this.#tokens.set(hash, { host: host.name, claim });
  }

  #addMachine({ at, type, object }: KubernetesRecord): void {
    const { name } = object.metadata;
    if (type === 'DELETED') return void this.#machines.delete(name);
    const view = machineView(object as Beskar7Machine, at);
    this.#uids.set(name, (this.#uids.get(name) ?? new Set()).add(view.uid));
    const known = this.#machines.get(name) ?? [];
    this.#machines.set(name, known.at(-1)?.uid === view.uid ? [...known, view] : [view]);
    if (view.phase === 'Failed' && !isWhy(view.ready))
      this.#found.push({ rule: 9, machine: name, at, what: 'the machine is Failed and does not say why' });
  }

  /**
   * Rule 6: a run that failed or was cancelled has told its machine so before it closed. One that completed may have
   * found nothing to do, and one that was terminated could tell nothing.
   */
  #addRun({ at, workflowId, uid, status, startedAt = at, closedAt = at }: RunRecord): void {
    if (status === 'TIMED_OUT') this.#found.push({ rule: 6, at, what: `${workflowId} has timed out` });
    if (status === 'FAILED' && NEVER_FAILS.test(workflowId))
      this.#found.push({ rule: 6, at, what: `${workflowId} has failed, and is one that never gives up` });
    const machine = /^provision\/[^/]+\/(.+)$/.exec(workflowId)?.[1];
    if (machine === undefined || uid === undefined || (status !== 'FAILED' && status !== 'CANCELLED')) return;
    this.#later(closedAt + TOLD_LAG_MS, 'rule 6: end of a run', () => {
      const views = this.#machines.get(machine) ?? [];
      const newest = views.at(-1);
      if (newest?.uid !== uid || newest.isDeleting) return [];
      // What a list told may leave out the one that counts.
      if ((this.#gaps.get('Beskar7Machine') ?? Number.NEGATIVE_INFINITY) >= startedAt) return [];
      const isTold = [...views.filter((view) => view.at >= startedAt), newest].some(({ phase }) =>
        END_PHASES.has(phase),
      );
      if (isTold) return [];
      return [{ rule: 6, machine, at: closedAt, what: `${workflowId} is ${status}, its machine is ${newest.phase}` }];
    });
  }

  /** Rule 5: what was answered 202 stands on the host; rule 7: an old token opens nothing. */
  #addCallback({ at, host, route, status, tokenHash }: CallbackRecord): void {
    // Refused before anybody looks into it: as one that never was. 429 and 5xx say nothing of it.
    const isRefused = status === 401 || status === 429 || status >= 500 || status === 0;
    if (route.startsWith('replay ')) {
      this.#count('rule 7: token of an ended claim');
      if (!isRefused)
        this.#found.push({
          rule: 7,
          host,
          at,
          what: `${route}: the token of a claim that has ended was answered ${status}`,
        });
      return;
    }
    const isKept = KEPT_WHEN_ACCEPTED[route];
    if (isKept === undefined || status !== 202 || tokenHash === undefined) return;
    this.#later(at + REPORT_LAG_MS, `rule 5: ${route} answered 202`, () => {
      const claim = this.#tokens.get(tokenHash)?.claim;
      const { views } = this.#host(host);
      // A list shows one state of many.
      if ((this.#gaps.get('PhysicalHost') ?? Number.NEGATIVE_INFINITY) >= at - REPORT_LAG_MS) return [];
      if (claim !== undefined && views.some((view) => isKept(view, claim))) return [];
      const what = `${route} of claim ${claim ?? 'unknown'} was answered 202 and is not on the host`;
      return [{ rule: 5, host, at, what }];
    });
  }

  #host(name: string): HostRecord {
    const known = this.#hosts.get(name) ?? new HostRecord(name);
    this.#hosts.set(name, known);
    return known;
  }

  #later(at: number, what: string, check: (until: number) => Violation[]): void {
    this.#pending.push({
      at,
      check: (until) => {
        this.#count(what);
        return check(until);
      },
    });
  }

  #count(what: string): void {
    this.evaluated.set(what, (this.evaluated.get(what) ?? 0) + 1);
  }
}

/** Rule 9: a host in Error says why, and when it is tried again. */
function hostSaysWhy(host: string, view: HostView): Violation[] {
  if (view.state !== 'Error') return [];
  const found = (what: string): Violation[] => [{ rule: 9, host, at: view.at, what }];
  if (!isWhy(view.ready)) return found('the host is in Error and does not say why');
  const said = `${view.ready?.message ?? ''} ${view.reachable}`;
  return SAYS_WHEN.test(said) ? [] : found(`the host is in Error and does not say what comes next: ${said}`);
}

function isWhy(ready: { reason: string; message: string } | undefined): boolean {
  return ready !== undefined && ready.reason.trim() !== '' && ready.message.trim() !== '';
}
