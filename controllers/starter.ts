import type { HostInput, MachineInput, ObjectRef, ReleaseInput, WORKFLOW_TYPES } from '../workflows/names.ts';

/**
 * How a start ended. `running`: a run for this very object is open already. `otherObject`: the open run of that name is for another
 * object (another uid) of the same name: try again when it has closed (rule 10).
 */
export type StartResult = 'started' | 'running' | 'otherObject';

/** Signals that tell a provision run of facts on its host. */
export type ClaimSignal = 'inspectionReported' | 'handoverReported' | 'osReported';

export type WorkflowKind = keyof typeof WORKFLOW_TYPES;

/** What watchers ask of Temporal. Nothing here waits for a workflow; each call has a deadline and throws when it fails. */
export interface Starter {
  startProvision(machine: MachineInput): Promise<StartResult>;
  startDeprovision(machine: MachineInput): Promise<StartResult>;
  startEnroll(host: HostInput): Promise<StartResult>;
  startRetire(host: HostInput): Promise<StartResult>;
  startRelease(release: ReleaseInput): Promise<StartResult>;
  /** False: no run is open that could hear it. */
  signalClaim(machine: ObjectRef, signal: ClaimSignal, claim: string): Promise<boolean>;
  /** Wakes a run that waits for a host. False: none is open. */
  signalHostAvailable(machine: ObjectRef): Promise<boolean>;
  /** Tells a run that waits to try a host again that the host has changed. False: none is open. */
  signalHostChanged(kind: 'enroll' | 'release' | 'retire', host: ObjectRef, connectionHash: string): Promise<boolean>;
  /** Whether a run of that name is open. */
  isOpen(kind: WorkflowKind, object: { namespace: string; name: string }): Promise<boolean>;
}
