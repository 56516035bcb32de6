import { callsUntil } from './callsUntil.ts';
import { isUnclaimed } from './claim.ts';
import { findCondition } from '../crds/conditions.ts';
import { connectionHash } from './connection.ts';
import { IN_FLIGHT_MS } from './deadlines.ts';
import { ANNOTATION_CALLS_UNTIL } from '../crds/names.ts';
import type { PhysicalHost } from '../crds/physicalHost.ts';
import { CONDITIONS, DUPLICATE_REASONS } from '../crds/reasons.ts';
import { isPaused, isUnschedulable, stopOf } from './stops.ts';

/**
 * Why a host is not offered to machines, in words that follow a count ("3 paused"); undefined when it is. What it
 * shares with other hosts is told by its condition, which may be behind: who claims it looks for itself.
 */
export function whyNotOffered(host: PhysicalHost): string | undefined {
  if (!isUnclaimed(host)) return 'claimed by other machines';
  if (stopOf(host, ['Deleting', 'Moving'])) return 'being deleted';
  const { state, conditions } = host.status ?? {};
  if (state !== 'Available') return `in state ${state ?? 'Enrolling'}`;
  if (!isEnrolledAsItIs(host)) return 'changed since their enrolment';
  if (isUnschedulable(host)) return 'marked unschedulable';
  if (isPaused(host)) return 'paused';
  if (findCondition(conditions, CONDITIONS.differentServer)?.status === 'True')
    return 'with another server behind them';
  const duplicate = findCondition(conditions, CONDITIONS.duplicateServer);
  if (duplicate !== undefined && duplicate.reason !== DUPLICATE_REASONS.first) return DUPLICATE;
  // Left by a release by force, which waits for nothing: a late power-off would hit the next machine's boot.
  if (callsUntil(host, IN_FLIGHT_MS) !== undefined) return UNDER_WAY;
  return undefined;
}

/** Why a host is not offered that was released by force a moment ago. */
const UNDER_WAY = `whose BMC may still get calls of an earlier claim (${ANNOTATION_CALLS_UNTIL})`;

/** Why a host is not offered that is not the first of several for its server. */
export const DUPLICATE = 'with another host for the same server';

/** Cached objects never change, and their hash is asked for with each claim. */
const known = new WeakMap<PhysicalHost, boolean>();

/**
 * Whether the connection of a host is the one that it was enrolled with: what is known of the server is true of that
 * one only.
 */
export function isEnrolledAsItIs(host: PhysicalHost): boolean {
  let isSame = known.get(host);
  if (isSame === undefined) {
    isSame = host.status?.enrollment?.connectionHash === connectionHash(host.spec);
    known.set(host, isSame);
  }
  return isSame;
}
