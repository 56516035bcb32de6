import { findCondition, type ConditionPatch } from '../crds/conditions.ts';
import type { PhysicalHost } from '../crds/physicalHost.ts';
import { CONDITIONS } from '../crds/reasons.ts';
import { HOSTS } from '../kube/resource.ts';
import { keyOf } from '../kube/store.ts';
import type { Duplicate } from '../model/sameServer.ts';
import type { HostDecision } from './hostDecision.ts';
import { namedByMachine } from './namedByMachine.ts';
import { sharedConditions } from './sharedServer.ts';
import type { WatcherDeps } from './watcherDeps.ts';
import { areUpToDate, applyConditions } from './watcherStatus.ts';

type TellDeps = Pick<WatcherDeps, 'informers' | 'kube' | 'recorder' | 'logger'>;

/**
 * Writes on a host what was decided and which server it shares, with an event for each that is new. False: the host has
 * changed meanwhile, nothing was written, and the next look decides. Throws KubeError.
 */
export async function reportOnHost(
  { informers, kube, recorder, logger }: TellDeps,
  host: PhysicalHost,
  decision: HostDecision,
  duplicate: Duplicate | undefined,
): Promise<boolean> {
  // One that is given back to its machine says so when it does not come to that.
  const named = decision.kind === 'repair' && decision.isClaim ? [] : namedByMachine(informers, host);
  const shared = [...sharedConditions(informers, host, duplicate), ...named];
  const wanted = [...wantedConditions(decision), ...shared];
  const types = [
    CONDITIONS.paused,
    CONDITIONS.deletionBlocked,
    CONDITIONS.consumerMissing,
    CONDITIONS.claimLost,
    CONDITIONS.namedByMachine,
    CONDITIONS.duplicateMAC,
    CONDITIONS.duplicateServer,
  ];
  if (decision.kind === 'nothing' || decision.kind === 'lookForConsumer') return true;
  if (areUpToDate(host.status?.conditions, wanted, types)) return true;
  const isWritten = await applyConditions(kube, HOSTS, host, wanted);
  if (isWritten && decision.kind === 'deletionBlocked') {
    recorder.event(host, 'Warning', 'DeletionBlocked', decision.message);
  }
  for (const news of isWritten ? shared : []) {
    if (areUpToDate(host.status?.conditions, [news], [news.type])) continue;
    recorder.event(host, 'Warning', news.type, news.message);
    // The people of a namespace are not told names of another one; who runs Beskar7 is.
    if (news.type === CONDITIONS.duplicateServer && duplicate !== undefined)
      logger.warn({ host: keyOf(host), other: keyOf(duplicate.other), by: duplicate.by }, news.message);
  }
  if (isWritten && decision.kind === 'orphaned') {
    recorder.event(host, 'Warning', 'ConsumerMissing', decision.message);
  }
  if (isWritten && decision.kind === 'claimLost') {
    recorder.event(host, 'Warning', 'ClaimLost', decision.message);
  }
  return isWritten;
}

/**
 * Whether a release that waits has nothing to wait for any more; left alone it would stand in the way of the next one.
 */
export function wakesRelease(host: PhysicalHost, decision: HostDecision): boolean {
  return isFound(host, decision) || isResumed(host, decision);
}

/**
 * The machine that was missing is there again, or holds the host no longer: just now the condition has been taken off.
 */
function isFound({ status }: PhysicalHost, { kind }: HostDecision): boolean {
  if (kind === 'orphaned' || kind === 'lookForConsumer' || kind === 'nothing') return false;
  return findCondition(status?.conditions, CONDITIONS.consumerMissing)?.status === 'True';
}

/**
 * A release that was held by the pause of its host may call the BMC again: just now the condition has been taken off.
 */
function isResumed({ status }: PhysicalHost, { kind }: HostDecision): boolean {
  return kind === 'release' && findCondition(status?.conditions, CONDITIONS.paused)?.status === 'True';
}

/** The conditions that the watcher writes for a decision. */
function wantedConditions(decision: HostDecision): ConditionPatch[] {
  const blocked = (message: string): ConditionPatch[] => [
    { type: CONDITIONS.deletionBlocked, status: 'True', reason: 'Claimed', message },
  ];
  switch (decision.kind) {
    case 'paused':
      return [{ type: CONDITIONS.paused, status: 'True', reason: 'Paused', message: decision.message }];
    case 'deletionBlocked':
      return blocked(decision.message);
    case 'release':
      return decision.deletionMessage === undefined ? [] : blocked(decision.deletionMessage);
    case 'orphaned':
      return [
        { type: CONDITIONS.consumerMissing, status: 'True', reason: 'MachineNotFound', message: decision.message },
        ...(decision.deletionMessage === undefined ? [] : blocked(decision.deletionMessage)),
      ];
    case 'claimLost':
      return [
        { type: CONDITIONS.claimLost, status: 'True', reason: decision.reason, message: decision.message },
        ...(decision.deletionMessage === undefined ? [] : blocked(decision.deletionMessage)),
      ];
    case 'start':
    case 'repair':
    case 'settled':
    case 'nothing':
    case 'lookForConsumer':
      return [];
  }
}
