import { collectDefaultMetrics, Counter, Gauge, Histogram, Registry } from 'prom-client';
import type { ActivityMetrics } from '../activities/dependencies.ts';
import { HOST_STATES, type PhysicalHost } from '../crds/physicalHost.ts';

const MINUTES = [5, 10, 20, 30, 45, 60, 90, 120, 180, 300, 450, 600, 900, 1200, 1800];

/** The metrics of the architecture text by name, and Node's own. Host states come from the watch cache at each scrape. */
export function createMetrics(hosts: () => Iterable<PhysicalHost>): {
  registry: Registry;
  activities: ActivityMetrics;
} {
  const registry = new Registry();
  collectDefaultMetrics({ register: registry });
  const registers = [registry];
  const states = new Gauge({
    name: 'beskar7_physicalhost_state',
    help: 'Hosts by namespace and state.',
    labelNames: ['namespace', 'state'],
    registers,
    collect() {
      states.reset();
      for (const host of hosts()) {
        const namespace = host.metadata.namespace ?? '';
        for (const state of HOST_STATES)
          states.inc({ namespace, state }, (host.status?.state ?? 'Enrolling') === state ? 1 : 0);
      }
    },
  });
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
  const failures = new Counter({
    name: 'beskar7_inspection_failures_total',
    help: 'Inspections that gave no usable report, by reason.',
    labelNames: ['reason'],
    registers,
  });
  return {
    registry,
    activities: {
      inspectionDone: (seconds) => inspection.observe(seconds),
      inspectionFailed: (reason) => failures.inc({ reason }),
      provisioningDone: (seconds) => provisioning.observe(seconds),
    },
  };
}
