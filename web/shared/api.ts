import type { InspectionReport } from '../../crds/inspectionReport.ts';
import type { HostState } from '../../crds/physicalHost.ts';
import type { MachinePhase } from '../../crds/beskar7Machine.ts';

/**
 * What the web page and its server say to each other: JSON over HTTP, and Server-Sent Events. Types only; both sides
 * import them. Addresses are relative to the page's own. Times are RFC 3339. An error is `ApiError` with a status of
 * 4xx or 5xx.
 */
export type { InspectionReport, HostState, MachinePhase };

/** Body of each answer that is not 2xx; `error` is for the person at the page. */
export interface ApiError {
  readonly error: string;
}

/** GET `api/session`: always 200. */
export interface Session {
  /** Whether this set-up asks for a log-in (it does in a cluster, not in the embedded set-up on loopback). */
  readonly isLoginRequired: boolean;
  /** Who is logged in; absent: no session, and `isLoginRequired` tells whether one is needed. */
  readonly user?: string;
  /** To be sent as the header `X-CSRF-Token` with each POST. */
  readonly csrfToken: string;
  readonly version: string;
}

// POST `api/login` with `{token}`, a Kubernetes bearer token: answers with the new `Session`, 401 when the token is
// refused, 429 when it was tried too often.
// POST `api/logout`: 204.

/** One host in the list: small, since there may be 10,000 of them. Absent: not known. */
export interface HostRow {
  readonly namespace: string;
  readonly name: string;
  readonly state: HostState;
  readonly manufacturer?: string;
  readonly model?: string;
  readonly serial?: string;
  /** Lower case; the boot MAC first. */
  readonly macs: readonly string[];
  readonly zone?: string;
  readonly power?: string;
  /** Reason of the condition RedfishReachable: `Reachable` when all is well. */
  readonly bmc?: string;
  readonly consumer?: ObjectName;
  readonly createdAt: string;
  /** Changes with every change of the object: whoever shows its details reads them again. */
  readonly revision: string;
}

/** Name of a host or machine; unique with its kind. */
export interface ObjectName {
  readonly namespace: string;
  readonly name: string;
}

/** One machine in the list. */
export interface MachineRow {
  readonly namespace: string;
  readonly name: string;
  readonly phase: MachinePhase;
  readonly host?: ObjectName;
  readonly zone?: string;
  /** Reason and message of its alarm, where it has one, else of its condition. */
  readonly reason?: string;
  readonly message?: string;
  /** Type of the condition that needs a person whatever the phase: its server is off, its deletion hangs. */
  readonly alarm?: string;
  readonly isDeleting?: boolean;
  /** Since when it is in this phase. */
  readonly since: string;
  readonly revision: string;
}

/**
 * GET `api/events` (text/event-stream). With `Last-Event-ID` (or `?after=<id>`) the stream continues after that id;
 * where the server cannot, it starts with `snapshot`s. Event names and their data:
 * - `snapshot`: `Snapshot`, one or several; the last one says `isLast`, and it alone has an id. They replace all that
 *   was known.
 * - `change`: `Change`.
 * - `beat`: `{}`, after 15 s without another event: the stream lives. A page that hears nothing for three beats opens
 *   it again.
 *
 * Where a page reads too slowly the server may end the stream: the page comes again, and gets what it missed or all of
 * it.
 */
export interface Snapshot {
  readonly hosts: readonly HostRow[];
  readonly machines: readonly MachineRow[];
  /** The first one of a series: forget what you know. */
  readonly isFirst: boolean;
  readonly isLast: boolean;
}

/** One message of the stream: rows that are new or changed, as they are now, and names of those that are gone. */
export interface Change {
  readonly hosts?: readonly HostRow[];
  readonly machines?: readonly MachineRow[];
  readonly goneHosts?: readonly ObjectName[];
  readonly goneMachines?: readonly ObjectName[];
}

/** A condition of an object (metav1.Condition); the time is RFC 3339. */
export interface Condition {
  readonly type: string;
  readonly status: 'True' | 'False' | 'Unknown';
  readonly reason: string;
  readonly message: string;
  readonly lastTransitionTime: string;
}

/** An event of Kubernetes. */
export interface EventRow {
  readonly type: string;
  readonly reason: string;
  readonly message: string;
  readonly count: number;
  readonly at: string;
}

/** A command line to take along. */
export interface CommandLine {
  readonly what: string;
  readonly line: string;
}

/** A link to a workflow in Temporal's UI. */
export interface WorkflowLink {
  readonly text: string;
  readonly workflowId: string;
  /** Absent when no address of Temporal's UI is known. */
  readonly url?: string;
}

/** What can be done here, and what will happen then. */
export interface Action {
  readonly kind: 'retry' | 'cancel' | 'force-release';
  /** Sentences: what will happen. */
  readonly consequences: readonly string[];
  /** Why it makes no sense now, or is not allowed; absent: it can be done. */
  readonly refusal?: string;
}

/** A report of a host, as it was accepted. */
export interface StoredReport {
  /** Stable; for the choice of two. */
  readonly id: string;
  readonly at: string;
  readonly report: InspectionReport;
}

/** GET `api/hosts/<namespace>/<name>`: 404 when there is none. */
export interface HostDetail {
  readonly row: HostRow;
  readonly bmc: {
    readonly address: string;
    readonly systemID?: string;
    readonly workerPool?: string;
    /** The condition RedfishReachable. */
    readonly reachable?: Condition;
    /** The last error, while there is one. */
    readonly lastError?: string;
    readonly nextAttemptAt?: string;
    readonly failedAttempts?: number;
  };
  readonly inspectionPhase?: string;
  readonly unschedulable?: string;
  readonly claim?: { readonly stage: string; readonly attempt: number; readonly deadline?: string };
  readonly addresses: readonly string[];
  readonly labels: Readonly<Record<string, string>>;
  readonly conditions: readonly Condition[];
  readonly events: readonly EventRow[];
  /** Newest first; the first one is the current one. Bounded. */
  readonly reports: readonly StoredReport[];
  readonly workflows: readonly WorkflowLink[];
  readonly commands: readonly CommandLine[];
  readonly actions: readonly Action[];
}

/** One step of a provisioning. */
export interface Step {
  readonly id: string;
  /** For the reader: `Claim a host`, `Wait for the report`. */
  readonly name: string;
  readonly state: 'done' | 'running' | 'waiting' | 'failed' | 'cancelled';
  readonly startedAt: string;
  readonly endedAt?: string;
  /** Which host, what came out. */
  readonly detail?: string;
  readonly retries: readonly { readonly at: string; readonly error: string }[];
  /** What was asked of the BMC, in the last try: `2026-11-23T08:00:00.123Z POST /redfish/v1/… 204 in 12 ms`. */
  readonly bmcRequests?: readonly string[];
  /** When a step that failed is tried again. */
  readonly nextAttemptAt?: string;
}

/** A requirement against what was found; numbers in the unit. */
export interface Requirement {
  readonly name: string;
  readonly unit: string;
  readonly asked: number;
  /** Absent: no report yet. */
  readonly found?: number;
}

/** GET `api/machines/<namespace>/<name>`: 404 when there is none. */
export interface MachineDetail {
  readonly row: MachineRow;
  /** What it waits for now, in words, since when, and until when at most. */
  readonly waiting?: { readonly text: string; readonly since: string; readonly deadline?: string };
  readonly providerID?: string;
  readonly targetOSImage: string;
  readonly attempt?: number;
  readonly attempts?: number;
  /** The steps of the last provisioning, oldest first. */
  readonly steps: readonly Step[];
  /** Why there are no steps (Temporal cannot be reached, the history is gone), or what is missing in them. */
  readonly stepsMissing?: string;
  readonly requirements: readonly Requirement[];
  readonly conditions: readonly Condition[];
  readonly events: readonly EventRow[];
  readonly workflows: readonly WorkflowLink[];
  readonly commands: readonly CommandLine[];
  readonly actions: readonly Action[];
}

/**
 * The answer (202) to POST `api/machines/<ns>/<name>/retry|cancel` and `api/hosts/<ns>/<name>/force-release`, which
 * requires `{reason}`.
 */
export interface ActionResult {
  /** What was asked for, and what to look at now. */
  readonly message: string;
}

/** GET `api/failures`. */
export interface Failures {
  /** Length of a bucket in milliseconds. */
  readonly bucketMs: number;
  /** Oldest first, empty ones too. */
  readonly buckets: readonly { readonly at: string; readonly byReason: Readonly<Record<string, number>> }[];
  readonly reasons: readonly {
    readonly reason: string;
    readonly count: number;
    readonly lastAt: string;
    readonly lastMessage: string;
    readonly lastMachine: ObjectName;
  }[];
  readonly durations: readonly {
    readonly step: string;
    readonly count: number;
    readonly p50Ms: number;
    readonly p95Ms: number;
    readonly maxMs: number;
  }[];
  /** What the figures cover, in words: `the last 24 hours, 812 provisionings`. */
  readonly covers: string;
}
