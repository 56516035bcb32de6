import { log } from '@temporalio/activity';
import { claimOf } from '../../model/claim.ts';
import { findCondition } from '../../crds/conditions.ts';
import { forceReleaseCommand } from '../../model/forceRelease.ts';
import type { PhysicalHost } from '../../crds/physicalHost.ts';
import { CONDITIONS, HOST_REASONS } from '../../crds/reasons.ts';
import type { KubeClient } from '../../kube/client.ts';
import type { ClaimRef } from '../../contracts/claimRef.ts';
import { writeMachineReleasing } from '../store/machineStatus.ts';

/** What ends a release without the BMC, in words that end a sentence on the host or on its machine. */
export function forceHint({ namespace, host }: Pick<ClaimRef, 'namespace' | 'host'>): string {
  return `To end this without the BMC: ${forceReleaseCommand({ namespace, name: host })}`;
}

/**
 * What is said of the release of a host on the machine that holds it: why it is not done yet, as the host says it, and
 * what ends it.
 */
export function releasingText(host: PhysicalHost, ref: ClaimRef): string {
  const ready = findCondition(host.status?.conditions, CONDITIONS.ready);
  if (ready?.reason === HOST_REASONS.releasePending) return `Host ${ref.host} is being released. ${ready.message}`;
  const why = claimOf(host)?.reason?.replace(/\.$/, '');
  return (
    `Host ${ref.host} is being released${why === undefined ? '' : ` (${why})`}: it is free when power-off of its server is confirmed. ` +
    `Where its BMC does not do that, the host says why. ${forceHint(ref)}`
  );
}

/** Says it there, unless the signal fires before. Best effort: nothing that switches a server off fails with it. */
export async function reportReleasing(
  deps: { readonly kube: KubeClient },
  ref: Pick<ClaimRef, 'machine' | 'host'>,
  text: string,
  signal: AbortSignal,
): Promise<void> {
  try {
    await writeMachineReleasing(deps.kube, ref, text, signal);
  } catch (error) {
    const { namespace, name } = ref.machine;
    log.warn('the release of its host could not be reported on a machine', { namespace, machine: name, err: error });
  }
}
