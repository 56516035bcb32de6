import type { Distribution } from './statistics.ts';
import { round } from './statistics.ts';

/** The processes whose CPU time and memory are measured. */
export const COMPONENTS = ['beskar7', 'temporal', 'kubeApiserver', 'etcd', 'simulator'] as const;
export type Component = (typeof COMPONENTS)[number];
export type PerComponent = Readonly<Record<Component, number>>;

/** What `--json FILE` gets: these keys and no others. NaN (nothing could be measured) is written as null. */
export interface BenchResult {
  /** Provisioned machines per minute, from the first creation to the last Provisioned. */
  readonly machinesPerMinute: number;
  /** From the creation of the first host until all are Available. */
  readonly enrollSeconds: number;
  /** From the deletion of the first machine until all hosts are Available and unclaimed. */
  readonly releaseSeconds: number;
  /** Per machine, from its own creation to Provisioned. */
  readonly readySeconds: Distribution;
  /** Means per machine in the provisioning window, which ends when the last provision run has closed. */
  readonly perMachine: {
    /** Requests of Beskar7's own user agent, events included, watches apart. */
    readonly kubernetesRequests: number;
    readonly redfishRequests: number;
    readonly bmcConnections: number;
    readonly historyEvents: number;
  };
  /** User and system time, in seconds, from the creation of the first host until the last one was released. */
  readonly cpuSeconds: PerComponent;
  /** Peak resident set (VmHWM) since the process started, in MiB. */
  readonly peakMemoryMiB: PerComponent;
  readonly doubleClaims: number;
  readonly leaks: number;
  /** Machines that were not Provisioned in time. */
  readonly notReady: number;
}

/** What the table and the JSON on standard output tell beside the result. */
export interface BenchDetails {
  readonly machines: number;
  readonly bmcLatency: string;
  readonly bootTime: string;
  readonly provisionSeconds: number;
  /**
   * Requests per machine of Beskar7's user agent by verb and resource, e.g. `patch physicalhosts/status`; from the
   * audit log.
   */
  readonly kubernetesRequestsByCall: Readonly<Record<string, number>>;
  readonly kubernetesRequestsByVerb: Readonly<Record<string, number>>;
  /** Watches that Beskar7 started in the window, in all. */
  readonly watches: number;
  /** Requests of Beskar7 that were answered 409, in all. */
  readonly conflicts: number;
  /** Requests per machine of everybody, by verb: `apiserver_request_total`, the cross-check. */
  readonly apiServerRequestsByVerb: Readonly<Record<string, number>>;
  readonly historyEventsMax: number;
  /** CPU seconds of the provisioning window only. */
  readonly provisionCpuSeconds: PerComponent;
  /** What was wrong, in words: double claims, leaks, machines that were not ready. */
  readonly findings: readonly string[];
}

export interface BenchRun {
  readonly result: BenchResult;
  readonly details: BenchDetails;
}

/** A bench that finds double claims, leaks or machines that are not ready has failed. */
export function isClean(result: BenchResult): boolean {
  return result.doubleClaims === 0 && result.leaks === 0 && result.notReady === 0;
}

/** Values of every component, rounded. */
export function perComponent(valueOf: (component: Component) => number, places = 2): PerComponent {
  const entries = COMPONENTS.map((component) => [component, round(valueOf(component), places)] as const);
  return Object.fromEntries(entries) as Record<Component, number>;
}

/** Counts divided by the number of machines, highest first. */
export function perMachine(counts: ReadonlyMap<string, number>, machines: number): Record<string, number> {
  const sorted = [...counts].toSorted(([, a], [, b]) => b - a);
  return Object.fromEntries(sorted.map(([name, count]) => [name, round(count / machines, 2)]));
}
