import type { ClaimStage } from '../model/claim.ts';
import type { ObjectRef } from './names.ts';

/** A claim as workflows carry it: names only, nothing secret, nothing that goes stale but by a `ClaimLost`. */
export interface ClaimRef {
  readonly namespace: string;
  readonly host: string;
  readonly hostUid: string;
  /** Id of the claim. */
  readonly id: string;
  /** `redfishConnection.workerPool`; immutable while claimed. */
  readonly pool?: string;
  readonly machine: ObjectRef;
}

/** Where a machine's status was last written: lets the next write go without a read. */
export interface RunContext {
  readonly machine: ObjectRef;
  readonly workflow: { readonly id: string; readonly runID: string };
  /** resourceVersion of the machine after this run's last write to it. */
  readonly machineVersion?: string;
  /** Since when the machine is not ready, RFC 3339: the transition time of its False conditions. */
  readonly notReadySince?: string;
  /**
   * Why its attempts on other hosts have failed, a sentence each, the first one first: its conditions say so until it
   * has an end.
   */
  readonly earlierAttempts?: readonly string[];
}

/** A claim that was found or made, with what a run needs to continue from there. */
export interface ClaimState {
  readonly ref: ClaimRef;
  readonly stage: ClaimStage;
  readonly attempt: number;
  /** Hosts that were tried before it. */
  readonly tried?: readonly string[];
  /** An earlier run made it: what that run sent or received is unknown to this one. */
  readonly isAdopted: boolean;
  /** RFC 3339: until when the server must be confirmed on. */
  readonly bootDeadline: string;
  /** RFC 3339: until when the report must be there; set once the server was confirmed on. */
  readonly inspectionDeadline?: string;
  readonly reason?: string;
}
