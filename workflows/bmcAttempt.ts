import { ActivityFailure, ApplicationFailure } from '@temporalio/workflow';
import type { FailureType } from '../activities/failures.ts';
import { sortFailure } from './failure.ts';
import { LONGEST_RELEASE_PAUSE_MS } from '../model/deadlines.ts';

/** How long a run waits after a call to a BMC that came to nothing, in ms. */
export interface Backoff {
  /** After the first failed one; doubled each time. */
  readonly firstMs: number;
  readonly maxMs: number;
  /** The worker was stopped: another one takes the next at once. */
  readonly shutdownMs: number;
}

/** The waits of the runs that call BMCs. */
export const BACKOFF = {
  /** Within the boot deadline of the claim (`--boot-timeout`). */
  boot: { firstMs: 1_000, maxMs: 30_000, shutdownMs: 0 },
  /** A server that is to be off: for as long as it takes. */
  release: { firstMs: 2_000, maxMs: LONGEST_RELEASE_PAUSE_MS, shutdownMs: 0 },
  retire: { firstMs: 2_000, maxMs: LONGEST_RELEASE_PAUSE_MS, shutdownMs: 1 },
  /** What the activity did not expect; it says itself how long to wait after a failed enrolment. */
  enroll: { firstMs: 1_000, maxMs: 64_000, shutdownMs: 1_000 },
} as const satisfies Readonly<Record<string, Backoff>>;

/** The wait after so many failed calls in a row, from 1. */
export function waitAfter({ firstMs, maxMs }: Backoff, failures: number): number {
  return Math.min(maxMs, firstMs * 2 ** Math.min(failures - 1, 20));
}

/** What became of one call to a BMC. A missing case does not compile. */
export type Attempted<R> =
  | { readonly kind: 'done'; readonly result: R }
  /** The claim has ended or is another's: nothing more is done for it. */
  | { readonly kind: 'claimLost'; readonly message: string; readonly error: unknown }
  /** No worker picked the call up, so nothing was sent, and it was no attempt. */
  | { readonly kind: 'noWorker'; readonly message: string }
  | {
      readonly kind: 'failed';
      /** `differentServer`, `permanent`: the same call fails again until somebody changes something. */
      readonly cause: 'bmc' | 'shutdown' | 'unconfirmed' | 'differentServer' | 'permanent';
      readonly message: string;
      readonly waitMs: number;
      /** The activity had no time to write on the host why it failed, or never began. */
      readonly isUnreported: boolean;
    };

/**
 * Makes one call to a BMC and sorts what became of it. `failures`: how many in a row have failed if this one does, from
 * 1. Throws what ends the run whatever it does: a cancel, and a Temporal namespace of another installation.
 */
export async function attemptBmc<R>(call: () => Promise<R>, backoff: Backoff, failures: number): Promise<Attempted<R>> {
  try {
    return { kind: 'done', result: await call() };
  } catch (error) {
    const { kind, message } = sortFailure(error);
    const failed = {
      kind: 'failed',
      message,
      waitMs: waitAfter(backoff, failures),
      isUnreported: isRefused(error),
    } as const;
    switch (kind) {
      case 'cancelled':
      case 'otherInstallation':
        throw error;
      case 'claimLost':
        return { kind, message, error };
      case 'noWorker':
        return { kind, message };
      case 'shutdown':
        return { ...failed, cause: kind, waitMs: backoff.shutdownMs };
      case 'unconfirmed':
        return { ...failed, cause: kind, isUnreported: true };
      case 'differentServer':
      case 'permanent':
        return { ...failed, cause: kind };
      case 'failed':
        return { ...failed, cause: 'bmc' };
    }
  }
}

/** The worker refused the step before the activity began: nothing has been written on the host. */
function isRefused(error: unknown): boolean {
  const cause = error instanceof ActivityFailure ? error.cause : error;
  const types: readonly FailureType[] = ['ClockSkew', 'OtherInstallation'];
  return cause instanceof ApplicationFailure && (types as readonly unknown[]).includes(cause.type);
}
