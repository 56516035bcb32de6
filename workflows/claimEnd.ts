import type { ClaimState, RunContext } from '../contracts/claimRef.ts';
import type { Plan } from '../activities/claim/plan.ts';
import { mayTryAnotherHost } from '../crds/attempts.ts';
import type { MachineReason } from '../crds/reasons.ts';
import type { SignalInbox } from './signalInbox.ts';
import type { ProgressReporter } from './progressReporter.ts';

/**
 * How the work on one claim ended. Unless provisioned, the host has been released, or its release continues elsewhere.
 */
export type ClaimEnd =
  | { readonly kind: 'provisioned' }
  /** The run has to continue in a fresh history, which adopts the claim as it is (rule 12). */
  | { readonly kind: 'continued' }
  | {
      readonly kind: 'failed';
      readonly reason: MachineReason;
      readonly message: string;
      readonly mayTryAnotherHost: boolean;
    }
  | { readonly kind: 'cancelled'; readonly reason: MachineReason; readonly message: string };

/** An end without a provisioned machine, which is compensated. */
export type NotProvisioned = Extract<ClaimEnd, { kind: 'failed' | 'cancelled' }>;

/** What the steps of a run share while it works on one claim. */
export interface ClaimRun {
  readonly claim: ClaimState;
  readonly plan: Plan;
  readonly signals: SignalInbox;
  readonly reporter: ProgressReporter;
  readonly attempt: number;
  run(): RunContext;
  update(written: Partial<RunContext>): void;
}

/** An end by failure. `isForAnotherHost`: the next attempt may take another one; by default as the reason says. */
export function failed(
  reason: MachineReason,
  message: string,
  isForAnotherHost = mayTryAnotherHost(reason),
): Extract<ClaimEnd, { kind: 'failed' }> {
  return { kind: 'failed', reason, message, mayTryAnotherHost: isForAnotherHost };
}
