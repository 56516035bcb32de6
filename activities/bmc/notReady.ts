import { withConditions, withoutCondition, type ConditionPatch } from '../../crds/conditions.ts';
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
  /** Conditions that are found again with each attempt: they end unless this one finds them. */
  readonly found?: Readonly<Record<string, (live: PhysicalHost) => ConditionPatch | undefined>>;
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
  { reason, message, conditions = [], found = {} }: NotReady,
  { isDue, more, start }: NotReadyWrite,
): Promise<PhysicalHost> {
  const ready: ConditionPatch = { type: CONDITIONS.ready, status: 'False', reason, message };
  return patchHostStatus(
    kube,
    key,
    (live) => {
      if (!isDue(live)) return undefined;
      const now = new Date().toISOString();
      const again = Object.values(found).flatMap((find) => find(live) ?? []);
      const before = Object.keys(found).reduce(withoutCondition, live.status?.conditions);
      return {
        ...more?.(live),
        state: 'Error',
        ready: false,
        conditions: withConditions(before, [ready, ...conditions, ...again], now, live.metadata.generation),
      };
    },
    start,
  );
}

/**
 * What a failed call says of the BMC (`RedfishReachable`) and of its server; nothing where neither is to blame.
 * `message`: in place of the failure's own.
 */
export function bmcConditions(
  failure: unknown,
  message = failure instanceof Error ? failure.message : String(failure),
): ConditionPatch[] {
  const reason = unreachableReason(failure);
  const unreachable: ConditionPatch[] =
    reason === undefined ? [] : [{ type: CONDITIONS.redfishReachable, status: 'False', reason, message }];
  return [...unreachable, ...serverCondition(failure)];
}
