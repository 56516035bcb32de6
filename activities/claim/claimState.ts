import { claimIn, type Claim } from '../../model/claim.ts';
import { withConditions } from '../../crds/conditions.ts';
import type { PhysicalHost } from '../../crds/physicalHost.ts';
import { CONDITIONS, HOST_REASONS } from '../../crds/reasons.ts';
import type { ClaimRef, ClaimState } from '../../contracts/claimRef.ts';
import type { ObjectRef } from '../../contracts/names.ts';
import type { Dependencies } from '../dependencies.ts';
import { patchHostStatus } from '../store/hostStore.ts';

/** What a claim puts right by itself. */
const OVER_WITH_CLAIM: readonly string[] = [CONDITIONS.unexpectedlyOn, CONDITIONS.bootOverrideLeft];

/** Writes the state InUse and forgets what belonged to an earlier claim. Does nothing when that is done already. */
export async function markInUse(deps: Dependencies, host: PhysicalHost, claim: Claim): Promise<void> {
  const key = { namespace: host.metadata.namespace ?? '', host: host.metadata.name };
  await patchHostStatus(
    deps.kube,
    key,
    (live) => {
      if (claimIn(live, 'Claimed')?.id !== claim.id || live.status?.state === 'InUse') return undefined;
      const ready = {
        type: CONDITIONS.ready,
        status: 'True' as const,
        reason: HOST_REASONS.claimed,
        message: `Claimed by Beskar7Machine ${live.spec.consumerRef?.name ?? ''}.`,
      };
      return {
        state: 'InUse',
        inspectionPhase: 'Pending',
        inspection: null,
        handover: null,
        bootToken: null,
        // Its server is switched off before anything else, and its network boot is set again (rule 5).
        conditions: withConditions(
          live.status?.conditions?.filter(({ type }) => !OVER_WITH_CLAIM.includes(type)),
          [ready],
          new Date().toISOString(),
          live.metadata.generation,
        ),
      };
    },
    host,
  );
}

/** A claim by names, as workflows carry it. */
export function refOf(host: PhysicalHost, claim: Claim, machine: ObjectRef): ClaimRef {
  const pool = host.spec.redfishConnection.workerPool;
  return {
    namespace: host.metadata.namespace ?? '',
    host: host.metadata.name,
    hostUid: host.metadata.uid ?? '',
    id: claim.id,
    machine: { namespace: machine.namespace, name: machine.name, uid: machine.uid },
    ...(pool === undefined ? {} : { pool }),
  };
}

/** A claim with what the workflow needs of its host. */
export function stateOf(host: PhysicalHost, claim: Claim, machine: ObjectRef, isAdopted: boolean): ClaimState {
  const { inspection } = host.status ?? {};
  return {
    ref: refOf(host, claim, machine),
    stage: claim.stage,
    attempt: claim.attempt,
    ...(claim.tried === undefined ? {} : { tried: claim.tried }),
    isAdopted,
    bootDeadline: claim.deadline,
    ...(inspection?.claim === claim.id && inspection.deadline ? { inspectionDeadline: inspection.deadline } : {}),
    ...(claim.reason === undefined ? {} : { reason: claim.reason }),
  };
}
