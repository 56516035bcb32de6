import { defineQuery, defineSignal } from '@temporalio/workflow';
import type { MonitorSettings } from './names.ts';

/** Signals are hints: what they tell of is stored on the host object, where the workflow reads it (rule 11). */

/** A fact about a claim. Signals that carry another claim than the run's own are ignored. */
export interface ClaimFact {
  /** Id of the claim. */
  readonly claim: string;
}

/** A report was accepted and stored on the host. Sent by the inspection endpoint and again by the machine watcher. */
export const inspectionReported = defineSignal<[ClaimFact]>('inspectionReported');

/** The inspector said provisioned or provision-failed; stored on the host as `status.handover.outcome`. */
export const handoverReported = defineSignal<[ClaimFact]>('handoverReported');

/** The final OS said that it is up; stored on the host as `status.handover.osReadyAt`. */
export const osReported = defineSignal<[ClaimFact]>('osReported');

/** The claim has ended: its host is free. Sent by `release/<ns>/<host>` to the runs of its machine. */
export const claimEnded = defineSignal<[ClaimFact]>('claimEnded');

/** A host that may fit became free. Sent by the host watcher to the oldest fitting waiters. */
export const hostAvailable = defineSignal('hostAvailable');

/**
 * The connection of a host that is being enrolled changed: try again at once. Without a hash, as an operator sends it:
 * in any case.
 */
export const hostChanged = defineSignal<[{ readonly connectionHash?: string }]>('hostChanged');

/** The flags of the controllers changed: a monitor continues with these, or ends when its shard is no longer there. */
export const monitorSettings = defineSignal<[MonitorSettings]>('monitorSettings');

/** Where a provisioning is: the answer to the query `progress`. */
export interface Progress {
  readonly phase: string;
  readonly host?: string;
  readonly claim?: string;
  readonly attempt: number;
  /** What it waits for now, in words. */
  readonly waitingFor?: string;
  /** RFC 3339: since when. */
  readonly since: string;
  /** RFC 3339: until when it waits at most. */
  readonly deadline?: string;
  /** Why it waits; or why the run failed: reason and message. */
  readonly why?: string;
  /** Signals that could not be read, by name, how often, and why. */
  readonly dropped?: string;
}
/** Where a run of `provisionMachine` is; also after its end, while Temporal keeps its history. */
export const progress = defineQuery<Progress>('progress');
