import type { Beskar7Machine } from '../../crds/beskar7Machine.ts';
import type { PhysicalHost } from '../../crds/physicalHost.ts';

/** All times are milliseconds since the epoch by the clock of this machine, which every record shares. */
type Ms = number;

/**
 * What the API server's watch told of one object. After a cut watch the relist tells the present state of everything.
 */
export interface KubernetesRecord {
  readonly source: 'kubernetes';
  /** When it was received: never before it was written. */
  readonly at: Ms;
  /** It was not written before: 2 s before `at`, or when the watch had broken off, if that is earlier. */
  readonly notBefore: Ms;
  readonly type: 'ADDED' | 'MODIFIED' | 'DELETED';
  readonly kind: 'PhysicalHost' | 'Beskar7Machine';
  readonly object: PhysicalHost | Beskar7Machine;
}

/** A marker between watch batches: from here on the records of this kind are the whole present state again. */
export interface RelistRecord {
  readonly source: 'relist';
  readonly at: Ms;
  readonly kind: 'PhysicalHost' | 'Beskar7Machine';
}

/** A request that changes power, boot or anything else, as the BMC received it, whatever it answered. */
export interface BmcRequestRecord {
  readonly source: 'bmc';
  readonly at: Ms;
  /** Name of the PhysicalHost that this BMC stands behind. */
  readonly host: string;
  readonly method: string;
  readonly path: string;
  readonly body: string;
  /** `beskar7 (<claim id>)` where a claim acts. */
  readonly userAgent: string;
}

/** Which server answers behind a BMC address, from now on: the serial number that its BMC shows. */
export interface ServerRecord {
  readonly source: 'server';
  readonly at: Ms;
  readonly host: string;
  readonly serialNumber: string;
}

/** The server's true power, also where its BMC tells something else. */
export interface PowerRecord {
  readonly source: 'power';
  readonly at: Ms;
  readonly host: string;
  readonly power: 'On' | 'Off' | 'PoweringOn' | 'PoweringOff';
  readonly why: string;
}

/** The BMC's boot override as it truly is after a change. */
export interface OverrideRecord {
  readonly source: 'override';
  readonly at: Ms;
  readonly host: string;
  readonly enabled: 'Disabled' | 'Once' | 'Continuous';
}

/** The Secret with token and nonce of a claim, by its name. */
export interface BootSecretRecord {
  readonly source: 'secret';
  readonly at: Ms;
  readonly type: 'ADDED' | 'MODIFIED' | 'DELETED';
  readonly name: string;
}

/** A workflow run as Temporal tells it, at its start and at its end. */
export interface RunRecord {
  readonly source: 'temporal';
  readonly at: Ms;
  readonly workflowId: string;
  readonly runId: string;
  /** Of the object that the run is about. */
  readonly uid?: string;
  readonly startedAt?: Ms;
  readonly closedAt?: Ms;
  readonly status: 'RUNNING' | 'COMPLETED' | 'FAILED' | 'CANCELLED' | 'TERMINATED' | 'TIMED_OUT' | 'CONTINUED_AS_NEW';
}

/** A callback as the gateway between inspector and API processes saw it. */
export interface CallbackRecord {
  readonly source: 'callback';
  readonly at: Ms;
  readonly host: string;
  readonly route: string;
  /** Of the answer that the inspector got; 0 where it was dropped. */
  readonly status: number;
  /** False: the gateway answered by itself (a fault) and no API process saw it. */
  readonly isForwarded: boolean;
  /** SHA-256 in hex of the bearer token: the claim's own hash says whose it was. */
  readonly tokenHash?: string;
}

/** What the chaos driver did: a fault, its end, or what an operator does. */
export interface DriverRecord {
  readonly source: 'driver';
  readonly at: Ms;
  /** A host's or machine's name, else empty. */
  readonly about: string;
  readonly what: string;
}

export type ChaosRecord =
  | KubernetesRecord
  | RelistRecord
  | BmcRequestRecord
  | ServerRecord
  | PowerRecord
  | OverrideRecord
  | BootSecretRecord
  | RunRecord
  | CallbackRecord
  | DriverRecord;

/** A rule that was broken. */
export interface Violation {
  /** 1 to 10 (design section 8), or `end` for the state at the end. */
  readonly rule: number | 'end';
  readonly host?: string;
  readonly machine?: string;
  readonly at: Ms;
  /** What was seen, in one sentence. */
  readonly what: string;
}
