import { withConditions, type ConditionPatch } from '../../crds/conditions.ts';
import type { PhysicalHost } from '../../crds/physicalHost.ts';
import { CONDITIONS, type HostReason } from '../../crds/reasons.ts';
import type { KubeClient } from '../../kube/client.ts';
import { patchHostStatus, type StatusPatch } from '../store/hostStore.ts';
import { unreachableReason } from './reachability.ts';
import { serverCondition } from './serverCheck.ts';

/** Why a host is not ready, for the operator. */
export interface NotReady {
  readonly reason: HostReason;
  /** What failed, why, what happens next and when, what to do. */
  readonly message: string;
  /** Further conditions that say it, such as `bmcConditions`. */
  readonly conditions?: readonly ConditionPatch[];
}

/** Whether it may (still) be written of the live host, and what else of its status changes with it. */
export interface NotReadyWrite {
  /** False: nothing is written. Throws what the caller wants to hear instead. */
  readonly isDue: (live: PhysicalHost) => boolean;
  readonly more?: (live: PhysicalHost) => StatusPatch;
  /** The host as the caller has just read or written it. */
  readonly start?: PhysicalHost;
}

/**
 * Writes on a host that it is not ready and why: state Error, condition Ready=False. The one way to do so; gives the
 * host as it is then. Throws what `patchHostStatus` throws.
 */
export function writeNotReady(
  kube: KubeClient,
  key: { readonly namespace: string; readonly host: string },
  { reason, message, conditions = [] }: NotReady,
  { isDue, more, start }: NotReadyWrite,
): Promise<PhysicalHost> {
  const ready: ConditionPatch = { type: CONDITIONS.ready, status: 'False', reason, message };
  return patchHostStatus(
    kube,
    key,
    (live) => {
      if (!isDue(live)) return undefined;
      const now = new Date().toISOString();
      const patches = [ready, ...conditions];
      return {
        ...more?.(live),
        state: 'Error',
        ready: false,
        conditions: withConditions(live.status?.conditions, patches, now, live.metadata.generation),
      };
    },
    start,
  );
}

/** What a failed call says of the BMC (`RedfishReachable`) and of its server; nothing where neither is to blame. */
export function bmcConditions(failure: unknown): ConditionPatch[] {
  const reason = unreachableReason(failure);
  const message = failure instanceof Error ? failure.message : String(failure);
  const unreachable: ConditionPatch[] =
    reason === undefined ? [] : [{ type: CONDITIONS.redfishReachable, status: 'False', reason, message }];
  return [...unreachable, ...serverCondition(failure)];
}
