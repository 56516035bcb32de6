import type { Dashboard, Query } from './panels.ts';

/** Every process has the gauges out of its own watch cache: the largest counts, not the sum. */
const count = (metric: string, label: string, more = ''): string =>
  `sum by (${label}) (max by (namespace, ${label}) (${metric}{namespace=~"$namespace"${more}}))`;
const quantiles = (metric: string, by: string): Query[] =>
  [0.5, 0.9, 0.99].map((quantile) => ({
    expr: `histogram_quantile(${quantile}, sum by (le${by === '' ? '' : `, ${by}`}) (rate(${metric}_bucket[$__rate_interval])))`,
    legend: `p${quantile * 100}${by === '' ? '' : ` {{${by}}}`}`,
  }));
const p90 = (metric: string, by: string): Query => ({
  expr: `histogram_quantile(0.9, sum by (le, ${by}) (rate(${metric}_bucket[$__rate_interval])))`,
  legend: `{{${by}}}`,
});

const FLEET: Dashboard = {
  uid: 'beskar7-fleet',
  title: 'Beskar7 / Fleet',
  description: 'Hosts and machines: how many in which state.',
  panels: [
    {
      title: 'Hosts',
      type: 'stat',
      width: 6,
      queries: [
        {
          expr: `sum(max by (namespace, state) (beskar7_physicalhost_state{namespace=~"$namespace"}))`,
          legend: 'hosts',
        },
      ],
    },
    {
      title: 'Free hosts',
      type: 'stat',
      width: 6,
      queries: [{ expr: count('beskar7_physicalhost_state', 'state', ', state="Available"'), legend: 'free' }],
    },
    {
      title: 'Hosts in Error',
      type: 'stat',
      width: 6,
      queries: [{ expr: count('beskar7_physicalhost_state', 'state', ', state="Error"'), legend: 'Error' }],
    },
    {
      title: 'Machines that wait for a host',
      type: 'stat',
      width: 6,
      queries: [
        { expr: `sum(max by (namespace) (beskar7_machine_waiting{namespace=~"$namespace"}))`, legend: 'waiting' },
      ],
    },
    {
      title: 'Hosts by state',
      type: 'timeseries',
      width: 12,
      isStacked: true,
      queries: [{ expr: count('beskar7_physicalhost_state', 'state'), legend: '{{state}}' }],
    },
    {
      title: 'Machines by phase',
      type: 'timeseries',
      width: 12,
      isStacked: true,
      queries: [{ expr: count('beskar7_machine_phase', 'phase'), legend: '{{phase}}' }],
    },
    {
      title: 'Free hosts by namespace',
      type: 'timeseries',
      width: 12,
      queries: [
        {
          expr: 'max by (namespace) (beskar7_physicalhost_state{namespace=~"$namespace", state="Available"})',
          legend: '{{namespace}}',
        },
      ],
    },
    {
      title: 'BMCs by reason of RedfishReachable',
      type: 'timeseries',
      width: 12,
      isStacked: true,
      queries: [{ expr: count('beskar7_physicalhost_bmc', 'reason'), legend: '{{reason}}' }],
    },
  ],
};

const PROVISIONING: Dashboard = {
  uid: 'beskar7-provisioning',
  title: 'Beskar7 / Provisioning',
  description: 'How many provisionings succeed, how long they take, why they fail.',
  panels: [
    {
      title: 'Provisioned in 24 h',
      type: 'stat',
      width: 6,
      queries: [{ expr: 'sum(increase(beskar7_provisioning_duration_seconds_count[24h]))', legend: 'provisioned' }],
    },
    {
      title: 'Failed in 24 h',
      type: 'stat',
      width: 6,
      queries: [{ expr: 'sum(increase(beskar7_provisioning_failures_total[24h]))', legend: 'failed' }],
    },
    {
      title: 'Under way',
      type: 'stat',
      width: 6,
      queries: [
        {
          expr: `sum(max by (namespace, phase) (beskar7_machine_phase{namespace=~"$namespace", phase=~"Claiming|Inspecting|Validating|Provisioning"}))`,
          legend: 'under way',
        },
      ],
    },
    {
      title: 'Duration, median of 24 h',
      type: 'stat',
      width: 6,
      unit: 's',
      queries: [
        {
          expr: 'histogram_quantile(0.5, sum by (le) (increase(beskar7_provisioning_duration_seconds_bucket[24h])))',
          legend: 'p50',
        },
      ],
    },
    {
      title: 'Provisionings',
      type: 'timeseries',
      width: 12,
      queries: [
        { expr: 'sum(increase(beskar7_provisioning_duration_seconds_count[$__rate_interval]))', legend: 'provisioned' },
        { expr: 'sum(increase(beskar7_provisioning_failures_total[$__rate_interval]))', legend: 'failed' },
      ],
    },
    {
      title: 'Failures by reason',
      description: 'The reasons are those of docs/troubleshooting.md.',
      type: 'timeseries',
      width: 12,
      isStacked: true,
      queries: [
        {
          expr: 'sum by (reason) (increase(beskar7_provisioning_failures_total[$__rate_interval]))',
          legend: '{{reason}}',
        },
      ],
    },
    {
      title: 'From start to Provisioned',
      type: 'timeseries',
      width: 12,
      unit: 's',
      queries: quantiles('beskar7_provisioning_duration_seconds', ''),
    },
    {
      title: 'From seen on to the report',
      type: 'timeseries',
      width: 12,
      unit: 's',
      queries: quantiles('beskar7_inspection_duration_seconds', ''),
    },
    {
      title: 'Inspections without a report',
      type: 'timeseries',
      width: 12,
      isStacked: true,
      queries: [
        {
          expr: 'sum by (reason) (increase(beskar7_inspection_failures_total[$__rate_interval]))',
          legend: '{{reason}}',
        },
      ],
    },
    {
      title: 'Steps: duration of activities (p90)',
      type: 'timeseries',
      width: 12,
      unit: 's',
      queries: [p90('temporal_activity_execution_latency_seconds', 'activity_type')],
    },
  ],
};

const BMCS: Dashboard = {
  uid: 'beskar7-bmcs',
  title: 'Beskar7 / BMCs',
  description: 'What the BMCs answer, and how fast.',
  panels: [
    {
      title: 'BMCs that answer',
      type: 'stat',
      width: 6,
      unit: 'percentunit',
      queries: [
        {
          expr: `sum(max by (namespace) (beskar7_physicalhost_bmc{namespace=~"$namespace", reason="Reachable"})) / sum(max by (namespace, reason) (beskar7_physicalhost_bmc{namespace=~"$namespace"}))`,
          legend: 'share',
        },
      ],
    },
    {
      title: 'BMCs by reason',
      type: 'bargauge',
      width: 18,
      queries: [{ expr: count('beskar7_physicalhost_bmc', 'reason'), legend: '{{reason}}' }],
    },
    {
      title: 'Requests by method',
      type: 'timeseries',
      width: 12,
      unit: 'reqps',
      queries: [
        {
          expr: 'sum by (method) (rate(beskar7_redfish_request_duration_seconds_count[$__rate_interval]))',
          legend: '{{method}}',
        },
      ],
    },
    {
      title: 'Requests by outcome',
      description: 'The class of the status, or why there was none.',
      type: 'timeseries',
      width: 12,
      unit: 'reqps',
      isStacked: true,
      queries: [
        {
          expr: 'sum by (outcome) (rate(beskar7_redfish_request_duration_seconds_count[$__rate_interval]))',
          legend: '{{outcome}}',
        },
      ],
    },
    {
      title: 'Duration of requests',
      type: 'timeseries',
      width: 12,
      unit: 's',
      queries: quantiles('beskar7_redfish_request_duration_seconds', ''),
    },
    {
      title: 'Duration by method (p90)',
      type: 'timeseries',
      width: 12,
      unit: 's',
      queries: [p90('beskar7_redfish_request_duration_seconds', 'method')],
    },
    {
      title: 'Work at BMCs: duration of activities (p90)',
      type: 'timeseries',
      width: 12,
      unit: 's',
      queries: [
        {
          expr: 'histogram_quantile(0.9, sum by (le, activity_type) (rate(temporal_activity_execution_latency_seconds_bucket{task_queue=~"bmc.*"}[$__rate_interval])))',
          legend: '{{activity_type}}',
        },
      ],
    },
    {
      title: 'Work that waits for a BMC worker (p90)',
      type: 'timeseries',
      width: 12,
      unit: 's',
      queries: [
        {
          expr: 'histogram_quantile(0.9, sum by (le, task_queue) (rate(temporal_activity_schedule_to_start_latency_seconds_bucket{task_queue=~"bmc.*|power-on"}[$__rate_interval])))',
          legend: '{{task_queue}}',
        },
      ],
    },
  ],
};

const WORKERS: Dashboard = {
  uid: 'beskar7-workers',
  title: 'Beskar7 / Temporal workers',
  description: 'The workers of Beskar7: pollers, slots, waiting times, requests to Temporal, the process.',
  panels: [
    {
      title: 'Pollers by queue',
      type: 'timeseries',
      width: 12,
      queries: [
        { expr: 'sum by (task_queue, poller_type) (temporal_num_pollers)', legend: '{{task_queue}} {{poller_type}}' },
      ],
    },
    {
      title: 'Free slots',
      type: 'timeseries',
      width: 12,
      queries: [
        {
          expr: 'sum by (task_queue, worker_type) (temporal_worker_task_slots_available)',
          legend: '{{task_queue}} {{worker_type}}',
        },
      ],
    },
    {
      title: 'Tasks that wait (p90)',
      description: 'From scheduled to begun. More workers help when this grows; on power-on it is the power budget.',
      type: 'timeseries',
      width: 12,
      unit: 's',
      queries: [
        {
          expr: 'histogram_quantile(0.9, sum by (le, task_queue) (rate(temporal_activity_schedule_to_start_latency_seconds_bucket[$__rate_interval])))',
          legend: '{{task_queue}} activities',
        },
        {
          expr: 'histogram_quantile(0.9, sum by (le, task_queue) (rate(temporal_workflow_task_schedule_to_start_latency_seconds_bucket[$__rate_interval])))',
          legend: '{{task_queue}} workflows',
        },
      ],
    },
    {
      title: 'Runs',
      type: 'timeseries',
      width: 12,
      queries: [
        {
          expr: 'sum by (workflow_type) (increase(temporal_workflow_completed_total[$__rate_interval]))',
          legend: '{{workflow_type}} completed',
        },
      ],
    },
    {
      title: 'Requests to Temporal that failed',
      description: 'ALREADY_EXISTS and NOT_FOUND are everyday answers.',
      type: 'timeseries',
      width: 12,
      unit: 'reqps',
      isStacked: true,
      queries: [
        {
          expr: 'sum by (operation, status_code) (rate(temporal_request_failure_total{status_code!~"ALREADY_EXISTS|NOT_FOUND"}[$__rate_interval]))',
          legend: '{{operation}} {{status_code}}',
        },
      ],
    },
    {
      title: 'Requests to Temporal (p90)',
      type: 'timeseries',
      width: 12,
      unit: 's',
      queries: [p90('temporal_request_latency_seconds', 'operation')],
    },
    {
      title: 'Cached workflows',
      type: 'timeseries',
      width: 12,
      queries: [{ expr: 'sum by (pod) (temporal_sticky_cache_size)', legend: '{{pod}}' }],
    },
    {
      title: 'Watches that were interrupted, and changes they missed',
      description: 'By kind. Missed: a list found what no event had told.',
      type: 'timeseries',
      width: 12,
      queries: [
        {
          expr: 'sum by (kind, reason) (increase(beskar7_watch_interruptions_total[$__rate_interval])) > 0',
          legend: '{{kind}} {{reason}}',
        },
        {
          expr: 'sum by (kind) (increase(beskar7_watch_missed_total[$__rate_interval])) > 0',
          legend: '{{kind}} missed',
        },
      ],
    },
    {
      title: 'Delay of the event loop (p99)',
      type: 'timeseries',
      width: 12,
      unit: 's',
      queries: [{ expr: 'nodejs_eventloop_lag_p99_seconds', legend: '{{pod}}' }],
    },
    {
      title: 'Memory',
      type: 'timeseries',
      width: 12,
      unit: 'bytes',
      queries: [{ expr: 'process_resident_memory_bytes{job=~".*beskar7.*"}', legend: '{{pod}}' }],
    },
    {
      title: 'Processor',
      type: 'timeseries',
      width: 12,
      queries: [{ expr: 'rate(process_cpu_seconds_total{job=~".*beskar7.*"}[$__rate_interval])', legend: '{{pod}}' }],
    },
  ],
};

export const DASHBOARDS: readonly Dashboard[] = [FLEET, PROVISIONING, BMCS, WORKERS];
