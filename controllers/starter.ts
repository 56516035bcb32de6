import type {
  HostInput,
  MachineInput,
  MonitorInput,
  ObjectRef,
  ReleaseInput,
  WORKFLOW_TYPES,
} from '../contracts/names.ts';

/**
 * How a start ended. `running`: a run for this very object is open already. `otherObject`: the open run of that name is
 * for another object (another uid) of the same name: try again when it has closed (rule 10).
 */
export type StartResult = 'started' | 'running' | 'otherObject';

/** Signals that tell a provision run of facts on its host. */
export type ClaimSignal = 'inspectionReported' | 'handoverReported' | 'osReported';

/** Runs that are about one object. */
export type WorkflowKind = Exclude<keyof typeof WORKFLOW_TYPES, 'monitor'>;

/**
 * What watchers ask of Temporal. Nothing here waits for a workflow; each call has a deadline and throws when it fails.
 */
export interface Starter {
  startProvision(machine: MachineInput): Promise<StartResult>;
  startDeprovision(machine: MachineInput): Promise<StartResult>;
  startEnroll(host: HostInput): Promise<StartResult>;
  startRetire(host: HostInput): Promise<StartResult>;
  startRelease(release: ReleaseInput): Promise<StartResult>;
  /** Starts a release, or wakes the one that is open, in one call. */
  startOrWakeRelease(release: ReleaseInput): Promise<void>;
  /** False: no run is open that could hear it. */
  signalClaim(machine: ObjectRef, signal: ClaimSignal, claim: string): Promise<boolean>;
  /** Wakes a run that waits for a host. False: none is open. */
  signalHostAvailable(machine: ObjectRef): Promise<boolean>;
  /** Tells a run that waits to try a host again that the host has changed. False: none is open. */
  signalHostChanged(kind: 'enroll' | 'release' | 'retire', host: ObjectRef, connectionHash: string): Promise<boolean>;
  /**
   * Starts the monitor of a shard, or tells the one that is open of other settings; it ends by itself when its shard is
   * none of them.
   */
  keepMonitor(input: MonitorInput): Promise<void>;
  /** Tells the monitor of a shard, if one is open, of other settings. False: none is open. */
  signalMonitor(input: MonitorInput): Promise<boolean>;
}
