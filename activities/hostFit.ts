import type { LabelSelector } from '../crds/beskar7Machine.ts';
import { isUnclaimed } from '../crds/claim.ts';
import { ANNOTATION_DELETE_FOR_MOVE, ANNOTATION_PAUSED, ANNOTATION_UNSCHEDULABLE, LABEL_ZONE } from '../crds/names.ts';
import type { PhysicalHost } from '../crds/physicalHost.ts';
import { matchesSelector } from '../crds/selector.ts';

/** What a machine asks of a host before it is inspected. */
export interface Demand {
  readonly selector: LabelSelector | undefined;
  /** The zone that the owner Machine names. */
  readonly failureDomain: string | undefined;
  /** Names of hosts that the run has tried already. */
  readonly tried: readonly string[];
}

/** Whether a host may be claimed for the demand. */
export function fits(host: PhysicalHost, demand: Demand): boolean {
  return unfitReason(host, demand) === undefined;
}

/** Why a host is not claimed, in words that follow a count ("3 not Available"); undefined when it fits. */
export function unfitReason(host: PhysicalHost, demand: Demand): string | undefined {
  const { annotations = {}, labels, deletionTimestamp, name } = host.metadata;
  if (!isUnclaimed(host)) return 'claimed by other machines';
  if (deletionTimestamp !== undefined || annotations[ANNOTATION_DELETE_FOR_MOVE] !== undefined) return 'being deleted';
  if (host.status?.state !== 'Available') return `in state ${host.status?.state ?? 'Enrolling'}`;
  if (annotations[ANNOTATION_UNSCHEDULABLE] !== undefined) return 'marked unschedulable';
  if (annotations[ANNOTATION_PAUSED] !== undefined) return 'paused';
  if (!matchesSelector(demand.selector, labels)) return 'with other labels';
  if (demand.failureDomain !== undefined && labels?.[LABEL_ZONE] !== demand.failureDomain) return 'in other zones';
  if (demand.tried.includes(name)) return 'tried already';
  return undefined;
}
