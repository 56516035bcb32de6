import type { Client } from '@temporalio/client';
import type { Logger } from 'pino';
import type { Beskar7Machine } from '../crds/beskar7Machine.ts';
import type { PhysicalHost } from '../crds/physicalHost.ts';
import type { Duplicate } from '../model/sameServer.ts';
import type { EventRecorder } from '../kube/events.ts';
import type { KubeClient } from '../kube/client.ts';
import type { RedfishPool } from '../redfish/index.ts';
import type { ReleaseInput } from '../contracts/names.ts';
import type { CredentialCache } from './bmc/credentialCache.ts';
import type { HostReservations } from './claim/hostReservations.ts';
import type { SecretMarks } from './store/secretMarks.ts';

/** What the claim needs of the watch caches. They may be behind: every decision is confirmed by a compare-and-swap. */
export interface Caches {
  /** Hosts of a namespace in state Available that has no claim, and the number of all hosts looked at. */
  availableHosts(namespace: string): { hosts: PhysicalHost[]; lookedAt: number };
  /**
   * Machines of a namespace that wait for a host and would take it (not those that are paused or moved), the oldest
   * first.
   */
  waitingMachines(namespace: string): Beskar7Machine[];
  /** Hosts of a namespace. */
  hosts(namespace: string): PhysicalHost[];
  /** Hosts whose `spec.consumerRef` names a machine, whatever its uid. */
  hostsNaming(namespace: string, machine: string): PhysicalHost[];
  /**
   * Hosts of a pool of workers (`redfishConnection.workerPool`; undefined: those without one), in all namespaces that
   * are watched.
   */
  poolHosts(pool: string | undefined): PhysicalHost[];
  /** One host; undefined when the cache does not have it (yet). */
  host(namespace: string, name: string): PhysicalHost | undefined;
  machine(namespace: string, name: string): Beskar7Machine | undefined;
  /** Another host for the same server, in all namespaces that are watched; undefined when there is none. */
  duplicateOf(host: PhysicalHost): Duplicate | undefined;
  /** The same among hosts as they were read live. */
  duplicateAmong(host: PhysicalHost, others: readonly PhysicalHost[]): Duplicate | undefined;
  /** All other hosts that may stand for the same server, in all namespaces that are watched. */
  neighboursOf(host: PhysicalHost): PhysicalHost[];
  /** Whether a machine's providerID names a host: its server may run that machine, whatever the host says. */
  isNamed(host: PhysicalHost): boolean;
  /** The machine that does; undefined when there is none. */
  machineOn(host: PhysicalHost): Beskar7Machine | undefined;
}

/** Counters and histograms that activities write; the names are the architecture text's. */
export interface ActivityMetrics {
  inspectionDone(seconds: number): void;
  inspectionFailed(reason: string): void;
  provisioningDone(seconds: number): void;
  /** A run that ended without success, by the reason on the machine. */
  provisioningFailed(reason: string): void;
  /** The API server refused a call of a step for good (403, 422). */
  requestRefused(): void;
}

/** Limits, in milliseconds. */
export interface ActivityOptions {
  /** From the claim until the server must be confirmed on. */
  readonly bootTimeoutMs: number;
  /** From confirmed on until the report must be there. */
  readonly inspectionTimeoutMs: number;
  /** From validated until the inspector (or the final OS) must have said that it is done. */
  readonly provisioningTimeoutMs: number;
  /** How long a server that runs its final OS may take to shut down in good order at release. */
  readonly gracefulShutdownMs: number;
}

/** Runs of `release/<ns>/<host>`. */
export interface Releases {
  /** Starts it, or wakes the one that is open, in one call. */
  startOrWake(input: ReleaseInput): Promise<void>;
  /** Starts it where none is open. */
  start(input: ReleaseInput): Promise<void>;
}

/** Everything that activities work with, given by the worker (and by tests). */
export interface Dependencies {
  readonly kube: KubeClient;
  readonly redfish: RedfishPool;
  readonly caches: Caches;
  readonly reservations: HostReservations;
  readonly credentials: CredentialCache;
  readonly secretMarks: SecretMarks;
  readonly recorder: EventRecorder;
  readonly temporal: Client;
  readonly releases: Releases;
  readonly logger: Logger;
  readonly metrics: ActivityMetrics;
  readonly options: ActivityOptions;
  /** Fires as soon as the process is asked to end; the signal of an activity follows only after the grace time. */
  readonly stopping: AbortSignal;
}
