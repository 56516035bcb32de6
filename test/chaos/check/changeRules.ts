import type { Violation } from '../records.ts';
import type { HostRecord } from './hostRules.ts';
import type { HostView, MachineView } from './view.ts';

/** What was written to a machine was seen in its watch after this long. */
export const TOLD_LAG_MS = 5_000;
/**
 * A run has gone on after this long with a report that stands on its host: less than what is left of its timeout (60
 * s).
 */
const REACHED_MS = 30_000;
/** How long before the report nothing may have been broken, so that it is certain. */
const CALM_MS = 40_000;
/** Phases in which a run has not yet heard of a report. */
const BEFORE_REPORT: ReadonlySet<string> = new Set(['', 'Pending', 'Claiming', 'Inspecting']);

/** What is known of the machine that a host names, when the check is made. */
export interface Consumer {
  /** Of the newest one of that name. */
  readonly views: readonly MachineView[];
  /** That machines of that name have had. */
  readonly uids: ReadonlySet<string>;
  /** When machines were listed last: of what was before, single states may be missing. */
  readonly listedAt: number;
  /** When something was broken last: a process, the API server, Temporal, the network. */
  readonly brokenAt: number;
}

/** A check of one change, to be made when everything up to `afterMs` after it is known. */
export interface ChangeCheck {
  readonly afterMs: number;
  readonly what: string;
  readonly check: (consumer: Consumer) => Violation[];
}

/** The checks of a change of a host's claim that need its machine. */
export function changesOfClaim(host: HostRecord, before: HostView, after: HostView): ChangeCheck[] {
  const { claim, consumer, at } = after;
  if (claim === undefined || consumer === undefined) return [];
  const violation = (rule: 1 | 4 | 5, what: string): Violation[] => [
    { rule, host: host.name, machine: consumer.name, at, what },
  ];
  /** As the machine was told last; undefined when it is gone, or another one has its name. */
  const newest = ({ views, listedAt }: Consumer): MachineView | undefined => {
    const last = views.at(-1);
    return last?.uid === consumer.uid && last.at >= listedAt ? last : undefined;
  };
  if (before.claim?.id !== claim.id)
    return [
      {
        afterMs: TOLD_LAG_MS,
        what: 'rule 1: claim for a machine',
        check: ({ uids, listedAt }) =>
          uids.has(consumer.uid) || listedAt >= Math.min(at, claim.since) - TOLD_LAG_MS
            ? []
            : violation(1, `claimed for machine ${consumer.name} of uid ${consumer.uid}, which there never was`),
      },
    ];
  const checks: ChangeCheck[] = [];
  const isReleased = before.claim.stage !== 'Releasing' && claim.stage === 'Releasing';
  if (isReleased && before.claim.stage === 'HandedOver' && !before.isForced && !after.isForced)
    checks.push({
      afterMs: TOLD_LAG_MS,
      what: 'rule 4: release of a handed-over server',
      check: (machine) =>
        newest(machine)?.isDeleting === false
          ? violation(4, `its server was handed over and is released, and machine ${consumer.name} is not deleted`)
          : [],
    });
  if (isReleased && before.claim.stage === 'Armed' && claim.reason?.startsWith('ProvisioningTimeout') === true)
    checks.push({
      afterMs: TOLD_LAG_MS,
      what: 'rule 5: timeout of a hand-over',
      check: (machine) => {
        const said = before.handover?.claim === claim.id ? before.handover : undefined;
        const isUp = said?.isOsReady === true || newest(machine)?.readyWhen === 'HandedOver';
        return said?.outcome === 'Provisioned' && isUp
          ? violation(5, `claim ${claim.id} timed out although its hand-over was told`)
          : [];
      },
    });
  if (before.reportOf !== claim.id && after.reportOf === claim.id && claim.stage === 'Armed')
    checks.push({
      afterMs: REACHED_MS,
      what: 'rule 5: a report reaches its run',
      check: (machine) => {
        if (machine.brokenAt >= at - CALM_MS) return [];
        const last = newest(machine);
        if (last?.isDeleting !== false) return [];
        const known = host.views.findLast((view) => view.at <= at + REACHED_MS)?.claim;
        if (known?.id !== claim.id || known.stage === 'Releasing') return [];
        const since = [...machine.views.filter((view) => view.at >= at), last];
        return since.every(({ phase }) => BEFORE_REPORT.has(phase))
          ? violation(5, `a report stands on the host for ${REACHED_MS / 1000} s, and its run has not gone on`)
          : [];
      },
    });
  return checks;
}
