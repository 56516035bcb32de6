import { log } from '@temporalio/activity';
import { claimOf } from '../../model/claim.ts';
import { withConditions, type ConditionPatch } from '../../crds/conditions.ts';
import { CONDITIONS } from '../../crds/reasons.ts';
import { withinMs } from '../activityScope.ts';
import { BmcCalls } from './bmcCalls.ts';
import { connectBmc } from './bmcConnection.ts';
import type { ClaimRef } from '../../contracts/claimRef.ts';
import type { Dependencies } from '../dependencies.ts';
import { claimLost, fromRedfish, isBmcFailure, isClaimLost } from '../failures.ts';
import { claimFence } from './fence.ts';
import { hostForClaim, patchHostStatus } from '../store/hostStore.ts';

/** A BMC that has not done it by then is left with its network boot: a provisioning does not fail with it. */
const WITHIN_MS = 60_000;

/** `claim`: has to be in stage `Armed` when something is sent. */
export interface ClearNetworkBootInput {
  readonly claim: ClaimRef;
}

/** `clear`: the BMC shows no network boot now. `left`: it could not be cleared, for the reason in `message`. */
export type ClearNetworkBootResult = { readonly kind: 'clear' } | { readonly kind: 'left'; readonly message: string };

/**
 * Takes the network boot of a claim back where its BMC has not consumed it, though its server has booted and sent its
 * report: each later restart of the node would boot from the network. One read of the BMC, and nothing is sent where it
 * shows no override (rule 5). Fails with a lost claim only; what a BMC does not do is said on the host
 * (`BootOverrideLeft`).
 */
export async function clearNetworkBoot(
  deps: Dependencies,
  { claim: ref }: ClearNetworkBootInput,
  signal: AbortSignal,
  limitMs = WITHIN_MS,
): Promise<ClearNetworkBootResult> {
  const host = await hostForClaim(deps, ref, signal);
  if (host === undefined) throw claimLost(`host ${ref.namespace}/${ref.host} is gone`);
  const late = { message: `its BMC did not clear it within ${limitMs / 1000} s`, kind: 'Timeout' };
  try {
    const calls = new BmcCalls(deps.kube, { ...ref, limitMs });
    await calls.during(() =>
      withinMs(limitMs, signal, late, async (limited) => {
        const bmc = await connectBmc(deps, host);
        const isSent = await bmc.clearBootOverride(claimFence(deps, calls, ref, host, ['Armed'], limited));
        if (isSent) log.info('the BMC had not consumed the network boot: cleared', { host: ref.host });
      }),
    );
    return { kind: 'clear' };
  } catch (error) {
    const failure = fromRedfish(error, ref.host);
    if (signal.aborted || isClaimLost(failure) || !isBmcFailure(failure)) throw failure;
    const message = `The network boot of the server is still set after it has booted, and could not be taken back: ${failure.message}`;
    const left = overrideLeft(message);
    await patchHostStatus(deps.kube, ref, (live) => {
      if (claimOf(live)?.id !== ref.id) throw claimLost(`host ${ref.namespace}/${ref.host}: the claim has ended`);
      const now = new Date().toISOString();
      return { conditions: withConditions(live.status?.conditions, [left], now, live.metadata.generation) };
    });
    deps.recorder.event(host, 'Warning', 'BootOverrideLeft', left.message);
    return { kind: 'left', message };
  }
}

/** The condition of a host whose BMC keeps a network boot; `why` says what became of clearing it. */
export function overrideLeft(why: string): ConditionPatch {
  return {
    type: CONDITIONS.bootOverrideLeft,
    status: 'True',
    reason: 'NotCleared',
    message:
      `${why}. Its server may boot from the network at its next power-on: it gets no boot script then unless a machine has claimed it, and the next claim ` +
      'sets its own network boot. Clear it at the BMC (boot override, one-time boot) to be rid of this message before that.',
  };
}
