import { isUnclaimed } from '../model/claim.ts';
import type { ConditionPatch } from '../crds/conditions.ts';
import type { PhysicalHost } from '../crds/physicalHost.ts';
import { CONDITIONS, DUPLICATE_REASONS } from '../crds/reasons.ts';
import { duplicateMessage, macsOf, nameFor, serverKeys, type Duplicate } from '../model/sameServer.ts';
import { isBeingDeleted } from '../model/stops.ts';
import { macSharedIn, neighbours } from './duplicates.ts';
import type { Informers } from './informers.ts';
import { keyOf } from '../kube/store.ts';

/** How many hosts for one server are looked at again when one of them changes. */
const MAX_NEIGHBOURS = 32;

/**
 * What a host shares with others, as conditions: its server (`DuplicateServer`), its MAC addresses (`DuplicateMAC`).
 */
export function sharedConditions(
  informers: Informers,
  host: PhysicalHost,
  duplicate: Duplicate | undefined,
): ConditionPatch[] {
  return [...duplicateServer(host, duplicate), ...duplicateMac(informers, host)];
}

function duplicateServer(host: PhysicalHost, duplicate: Duplicate | undefined): ConditionPatch[] {
  if (duplicate === undefined) return [];
  const { first, notOffered, bothClaimed } = DUPLICATE_REASONS;
  const reason = duplicate.areBothClaimed ? bothClaimed : duplicate.isFirst ? first : notOffered;
  return [{ type: CONDITIONS.duplicateServer, status: 'True', reason, message: duplicateMessage(host, duplicate) }];
}

/** A MAC address of two hosts tells neither from the other (rule 25). */
function duplicateMac(informers: Informers, host: PhysicalHost): ConditionPatch[] {
  const shared = macSharedIn(informers, host);
  if (shared === undefined) return [];
  const message =
    `MAC address ${shared.mac} is also that of ${nameFor(host, shared.other)}: boot by MAC address does not tell them apart. ` +
    'Correct bootMACAddress where it is a mistake; where two hosts stand for one server, DuplicateServer shows which one has precedence.';
  return [{ type: CONDITIONS.duplicateMAC, status: 'True', reason: 'SharedMAC', message }];
}

/**
 * Keys of the hosts that have to be looked at again when a host came, went or changed in what others compare; empty
 * when it did not.
 */
export function affected(informers: Informers, host: PhysicalHost, previous: PhysicalHost | undefined): string[] {
  if (previous !== undefined && shares(previous) === shares(host)) return [];
  const changed = previous === undefined ? [host] : [previous, host];
  const keys = new Set(changed.flatMap((one) => neighbours(informers, one).map(keyOf)));
  keys.delete(keyOf(host));
  // Those of its own namespace first: strangers that tell the same fill no place of theirs.
  const isOwn = (key: string) => key.startsWith(`${host.metadata.namespace}/`);
  const all = [...keys];
  return [...all.filter(isOwn), ...all.filter((key) => !isOwn(key))].slice(0, MAX_NEIGHBOURS);
}

/** What of a host others are compared with. */
function shares(host: PhysicalHost): string {
  return JSON.stringify([serverKeys(host), macsOf(host), isUnclaimed(host), host.status?.state, isBeingDeleted(host)]);
}
