import { collectDefaultMetrics, Counter, Gauge, Histogram, Registry } from 'prom-client';
import type { ActivityMetrics } from '../activities/dependencies.ts';
import { MACHINE_PHASES, type Beskar7Machine } from '../crds/beskar7Machine.ts';
import { findCondition } from '../crds/conditions.ts';
import { INTERRUPTIONS, type Informers, type WatchObserver } from '../controllers/index.ts';
import { HOST_STATES, type PhysicalHost } from '../crds/physicalHost.ts';
import { CONDITIONS, HOST_REASONS, MACHINE_REASONS, RAISED_CONDITIONS } from '../crds/reasons.ts';
import type { ClockSkew } from '../kube/clockSkew.ts';
import type { ObserveRequest } from '../redfish/index.ts';
import type { TemporalConnection } from './temporalConnection.ts';

const KNOWN_REASONS: ReadonlySet<string> = new Set(Object.values(HOST_REASONS));
/** From a quick answer to the deadline of a call. */
const CALL_SECONDS = [0.01, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60];
const MINUTES = [5, 10, 20, 30, 45, 60, 90, 120, 180, 300, 450, 600, 900, 1200, 1800];

/** What the gauges count, out of the watch caches, at each scrape. */
export interface Counted {
  hosts(): Iterable<PhysicalHost>;
  machines(): Iterable<Beskar7Machine>;
  /** Machines that wait for a host. */
  waiting(): Iterable<Beskar7Machine>;
  /** Whether Temporal answered at the last look. */
  isTemporalWell(): boolean;
  /** Each watch of this process, and whether it works now. */
  watches(): Iterable<{ readonly kind: string; readonly works: boolean }>;
  /** How far this process's clock is ahead of the API server's, in milliseconds. */
  clockSkewMs(): number;
}

/** The metrics of a process, and what counts into them. */
export interface Metrics {
  readonly registry: Registry;
  readonly activities: ActivityMetrics;
  readonly redfishRequest: ObserveRequest;
  readonly watchObserverOf: (kind: string) => WatchObserver;
}

/** What a process counts; `informers` are asked at each scrape, and may be made later than this. */
export function countedFrom(
  informers: () => Pick<Informers, 'hosts' | 'machines' | 'watches'>,
  clock: Pick<ClockSkew, 'skewMs'>,
  temporal: Pick<TemporalConnection, 'problem'>,
): Counted {
  return {
    hosts: () => informers().hosts.list(),
    machines: () => informers().machines.list(),
    waiting: () => informers().machines.list().filter(isWaiting),
    isTemporalWell: () => temporal.problem() === undefined,
    watches: () => informers().watches(),
    clockSkewMs: () => clock.skewMs(),
  };
}

function isWaiting({ status }: Beskar7Machine): boolean {
  return findCondition(status?.conditions, CONDITIONS.ready)?.reason === MACHINE_REASONS.noMatchingHost;
}

/**
 * The metrics of the architecture text by name, some more of the same kind, and Node's own. No label is the name of a
 * host or machine: the number of series depends on namespaces and fixed lists only (docs/observability.md).
 */
export function createMetrics(counted: Counted): Metrics {
  const registry = new Registry();
  collectDefaultMetrics({ register: registry });
  registerGauges(registry, counted);
  registerProcess(registry, counted);
  const registers = [registry];
  const inspection = new Histogram({
    name: 'beskar7_inspection_duration_seconds',
    help: 'From seen on to the accepted report.',
    buckets: MINUTES,
    registers,
  });
  const provisioning = new Histogram({
    name: 'beskar7_provisioning_duration_seconds',
    help: 'From the start of the run to Provisioned.',
    buckets: MINUTES,
    registers,
  });
  const inspectionFailures = new Counter({
    name: 'beskar7_inspection_failures_total',
    help: 'Inspections that gave no usable report, by reason.',
    labelNames: ['reason'],
    registers,
  });
  const provisioningFailures = new Counter({
    name: 'beskar7_provisioning_failures_total',
    help: 'Runs that ended without a provisioned machine, by the reason on the machine.',
    labelNames: ['reason'],
    registers,
  });
  const refusals = new Counter({
    name: 'beskar7_refused_requests_total',
    help: 'Calls of steps that the API server refused for good (403, 422): a policy, or a missing permission.',
    registers,
  });
  const requests = new Histogram({
    name: 'beskar7_redfish_request_duration_seconds',
    help: 'Requests to BMCs by method and outcome: the class of the status, or why there was none.',
    labelNames: ['method', 'outcome'],
    buckets: CALL_SECONDS,
    registers,
  });
  return {
    registry,
    activities: {
      inspectionDone: (seconds) => inspection.observe(seconds),
      inspectionFailed: (reason) => inspectionFailures.inc({ reason }),
      provisioningDone: (seconds) => provisioning.observe(seconds),
      provisioningFailed: (reason) => provisioningFailures.inc({ reason }),
      requestRefused: () => refusals.inc(),
    },
    watchObserverOf: registerWatches(registers),
    redfishRequest: ({ method, outcome, seconds }) => requests.observe({ method, outcome: classOf(outcome) }, seconds),
  };
}

/** Statuses are many, their classes few. */
function classOf(outcome: number | string): string {
  return typeof outcome === 'number' ? `${Math.floor(outcome / 100)}xx` : outcome;
}

function registerGauges(registry: Registry, { hosts, machines, waiting }: Counted): void {
  const gauge = (name: string, help: string, label: string | undefined, count: (gauge: Gauge) => void) => {
    const made: Gauge = new Gauge({
      name,
      help,
      labelNames: ['namespace', ...(label === undefined ? [] : [label])],
      registers: [registry],
      collect() {
        made.reset();
        count(made);
      },
    });
  };
  gauge('beskar7_physicalhost_state', 'Hosts by namespace and state.', 'state', (made) => {
    for (const host of hosts()) {
      const namespace = namespaceOf(host);
      for (const state of HOST_STATES)
        made.inc({ namespace, state }, (host.status?.state ?? 'Enrolling') === state ? 1 : 0);
    }
  });
  gauge('beskar7_physicalhost_error', 'Hosts in Error by namespace and the reason of Ready.', 'reason', (made) => {
    for (const host of hosts()) {
      const { reason = 'Unknown' } = findCondition(host.status?.conditions, CONDITIONS.ready) ?? {};
      if (host.status?.state === 'Error') made.inc({ namespace: namespaceOf(host), reason: bounded(reason) });
    }
  });
  gauge('beskar7_physicalhost_bmc', 'Hosts by namespace and the reason of RedfishReachable.', 'reason', (made) => {
    for (const host of hosts()) {
      const { reason = 'Unknown' } = findCondition(host.status?.conditions, CONDITIONS.redfishReachable) ?? {};
      made.inc({ namespace: namespaceOf(host), reason: bounded(reason) });
    }
  });
  gauge('beskar7_physicalhost_condition', 'Hosts by namespace and raised condition.', 'condition', (made) => {
    for (const { metadata, status } of hosts()) {
      for (const condition of RAISED_CONDITIONS)
        made.inc(
          { namespace: namespaceOf({ metadata }), condition },
          findCondition(status?.conditions, condition)?.status === 'True' ? 1 : 0,
        );
    }
  });
  gauge('beskar7_machine_phase', 'Machines by namespace and phase.', 'phase', (made) => {
    for (const machine of machines()) {
      const namespace = namespaceOf(machine);
      for (const phase of MACHINE_PHASES)
        made.inc({ namespace, phase }, (machine.status?.phase ?? 'Pending') === phase ? 1 : 0);
    }
  });
  gauge(
    'beskar7_machine_deletion_seconds',
    'For how long the oldest deletion of a machine lasts.',
    undefined,
    (made) => {
      const now = Date.now();
      const longest = new Map<string, number>();
      for (const machine of machines()) {
        const { deletionTimestamp } = machine.metadata;
        const lasts = deletionTimestamp === undefined ? 0 : Math.max(0, now - Date.parse(deletionTimestamp)) / 1000;
        const namespace = namespaceOf(machine);
        longest.set(namespace, Math.max(longest.get(namespace) ?? 0, lasts));
      }
      for (const [namespace, seconds] of longest) made.set({ namespace }, seconds);
    },
  );
  gauge('beskar7_machine_waiting', 'Machines that wait for a free host, by namespace.', undefined, (made) => {
    for (const machine of machines()) made.inc({ namespace: namespaceOf(machine) }, 0);
    for (const machine of waiting()) made.inc({ namespace: namespaceOf(machine) });
  });
}

/** All series of a kind are there from the start, so that the first count is an increase. */
function registerWatches(registers: Registry[]): (kind: string) => WatchObserver {
  const interruptions = new Counter({
    name: 'beskar7_watch_interruptions_total',
    help: 'Watches of the API server that ended early and were restarted, by kind and reason.',
    labelNames: ['kind', 'reason'],
    registers,
  });
  const missed = new Counter({
    name: 'beskar7_watch_missed_total',
    help: 'Changes that a list found and no event had told: the watch cache was wrong until then.',
    labelNames: ['kind'],
    registers,
  });
  return (kind) => {
    missed.inc({ kind }, 0);
    for (const reason of INTERRUPTIONS) interruptions.inc({ kind, reason }, 0);
    return {
      interrupted: (reason) => interruptions.inc({ kind, reason }),
      missed: (objects) => missed.inc({ kind }, objects),
    };
  };
}

/** What is so of this process, whatever the objects say. */
function registerProcess(registry: Registry, { isTemporalWell, watches, clockSkewMs }: Counted): void {
  const watchUp: Gauge = new Gauge({
    name: 'beskar7_watch_up',
    help: 'Whether the watch of a kind works in this process: 1 or 0.',
    labelNames: ['kind'],
    registers: [registry],
    collect() {
      for (const { kind, works } of watches()) watchUp.set({ kind }, works ? 1 : 0);
    },
  });
  const skew: Gauge = new Gauge({
    name: 'beskar7_clock_skew_seconds',
    help: 'How far the clock of this process is ahead of that of the API server, at least; below 0: behind.',
    registers: [registry],
    collect: () => skew.set(clockSkewMs() / 1_000),
  });
  const up: Gauge = new Gauge({
    name: 'beskar7_temporal_up',
    help: 'Whether Temporal answered this process at the last look: 1 or 0.',
    registers: [registry],
    collect: () => up.set(isTemporalWell() ? 1 : 0),
  });
}

/** A status can be written by others: what is no reason of ours makes no series of its own. */
function bounded(reason: string): string {
  return KNOWN_REASONS.has(reason) ? reason : 'Unknown';
}

function namespaceOf({ metadata }: { readonly metadata: { readonly namespace?: string } }): string {
  return metadata.namespace ?? '';
}
