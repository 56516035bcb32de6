import type { ClaimRef } from '../contracts/claimRef.ts';
import type { ClaimStage } from '../model/claim.ts';
import type { SignalInbox } from './signalInbox.ts';
import { kubernetes } from './proxies.ts';

/**
 * A signal says when a release is done. This is for one that is lost, or a release that was terminated: first so long,
 * doubling, up to the most.
 */
const FIRST_LOOK_MS = 60_000;
const MOST_LOOK_MS = 600_000;

/** A claim that a run wants to see ended. */
export interface Release {
  readonly claim: ClaimRef;
  /** Why, for the operator. */
  readonly reason: string;
  /** In which stages the caller may end a claim (rule 3). */
  readonly stages: readonly ClaimStage[];
  /** Hears `claimEnded`. */
  readonly signals: SignalInbox;
  /** The caller has written the stage a moment ago. */
  readonly isMarked?: boolean;
  /** How long it is waited for at most; absent: for as long as it takes. */
  readonly limitMs?: number;
}

/**
 * Has a host released (rule 4): writes `Releasing`, starts or signals `release/<ns>/<host>`, which alone calls the BMC
 * (docs/decisions/0023), and waits for the end of the claim. `released`: it has ended; `continuing`: the time is over;
 * `full`: the caller has to continue as new. Each round starts from a read of the host, so that it may be repeated in
 * any history.
 */
export async function release({
  claim,
  reason,
  stages,
  signals,
  isMarked = false,
  limitMs = Infinity,
}: Release): Promise<'released' | 'continuing' | 'full'> {
  const until = Date.now() + limitMs;
  for (let looks = 0; ; looks += 1) {
    const seen = signals.of(claim.id);
    // On the way to the power-off each step counts.
    if (looks > 0 || !isMarked) {
      const summary = `Marks host ${claim.host} as being released: ${reason}`.slice(0, 200);
      const marked = await kubernetes.markReleasing.executeWithOptions({ summary }, [{ claim, reason, stages }]);
      if (marked.kind === 'ended') return 'released';
    }
    const leftMs = until - Date.now();
    if (leftMs <= 0) return 'continuing';
    await kubernetes.requestRelease.executeWithOptions(
      { summary: `Has release/${claim.namespace}/${claim.host} started, or woken` },
      [{ claim, isFirst: looks === 0 }],
    );
    const waitMs = Math.min(leftMs, MOST_LOOK_MS, FIRST_LOOK_MS * 2 ** Math.min(looks, 10));
    const summary = `Waits until host ${claim.host} is released`;
    // Where the wait has an end, the history has room for it.
    if (limitMs < Infinity) await signals.heard(claim.id, seen, waitMs, summary);
    else if ((await signals.next(claim.id, seen, waitMs, summary)) === 'full') return 'full';
  }
}
