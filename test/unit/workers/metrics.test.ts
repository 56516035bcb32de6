import { expect, test } from '@jest/globals';
import type { Beskar7Machine } from '../../../crds/beskar7Machine.ts';
import type { PhysicalHost } from '../../../crds/physicalHost.ts';
import { createMetrics } from '../../../workers/metrics.ts';

const host = (namespace: string, name: string, status?: object) =>
  ({ metadata: { namespace, name }, spec: {}, ...(status ? { status } : {}) }) as unknown as PhysicalHost;
const machine = (namespace: string, name: string, phase?: string) =>
  ({
    metadata: { namespace, name },
    spec: {},
    status: phase === undefined ? {} : { phase },
  }) as unknown as Beskar7Machine;
const bmc = (reason: string) => ({ conditions: [{ type: 'RedfishReachable', status: 'True', reason, message: '' }] });

test('gauges count what the caches have at each scrape', async () => {
  let hosts = [
    host('a', 'one', { state: 'Available', ...bmc('Reachable') }),
    host('a', 'two', { state: 'Error', ...bmc('Unreachable') }),
    host('b', 'three'),
  ];
  const machines = [machine('a', 'm', 'Claiming'), machine('b', 'n')];
  const { registry } = createMetrics({
    hosts: () => hosts,
    machines: () => machines,
    waiting: () => machines.slice(0, 1),
    isTemporalWell: () => hosts.length === 0,
    clockSkewMs: () => -7_500,
    watches: () => [{ kind: 'PhysicalHost', works: hosts.length > 0 }],
  });
  const lines = (await registry.metrics()).split('\n');
  expect(lines).toContain('beskar7_physicalhost_state{namespace="a",state="Available"} 1');
  expect(lines).toContain('beskar7_physicalhost_state{namespace="a",state="Ready"} 0');
  expect(lines).toContain('beskar7_physicalhost_state{namespace="b",state="Enrolling"} 1');
  expect(lines).toContain('beskar7_physicalhost_bmc{namespace="a",reason="Unreachable"} 1');
  expect(lines).toContain('beskar7_physicalhost_bmc{namespace="b",reason="Unknown"} 1');
  expect(lines).toContain('beskar7_machine_phase{namespace="a",phase="Claiming"} 1');
  expect(lines).toContain('beskar7_machine_phase{namespace="b",phase="Pending"} 1');
  expect(lines).toContain('beskar7_machine_waiting{namespace="a"} 1');
  expect(lines).toContain('beskar7_machine_waiting{namespace="b"} 0');
  expect(lines).toContain('beskar7_temporal_up 0');
  expect(lines).toContain('beskar7_watch_up{kind="PhysicalHost"} 1');
  hosts = [];
  expect(await registry.metrics()).toContain('beskar7_temporal_up 1\n');
  expect(await registry.metrics()).not.toContain('beskar7_physicalhost_state{');
});

test('no label tells one host or machine from another: a thousand make no more series than one', async () => {
  const seriesFor = async (count: number) => {
    const hosts = Array.from({ length: count }, (_, i) =>
      host('a', `host-${i}`, { state: 'Ready', ...bmc('Reachable') }),
    );
    const machines = Array.from({ length: count }, (_, i) => machine('a', `m-${i}`, 'Provisioned'));
    const { registry } = createMetrics({
      hosts: () => hosts,
      machines: () => machines,
      waiting: () => [],
      isTemporalWell: () => true,
      clockSkewMs: () => -7_500,
      watches: () => [],
    });
    return (await registry.metrics()).split('\n').filter((line) => line.startsWith('beskar7_')).length;
  };
  expect(await seriesFor(1_000)).toBe(await seriesFor(1));
});

test('what activities and requests tell is counted by reason and outcome', async () => {
  const { registry, activities, redfishRequest } = createMetrics({
    hosts: () => [],
    machines: () => [],
    waiting: () => [],
    isTemporalWell: () => true,
    clockSkewMs: () => -7_500,
    watches: () => [],
  });
  activities.inspectionDone(12);
  activities.provisioningDone(31);
  activities.inspectionFailed('Timeout');
  activities.provisioningFailed('InspectionTimeout');
  activities.provisioningFailed('InspectionTimeout');
  redfishRequest({ method: 'GET', path: '/redfish/v1', outcome: 200, seconds: 0.02 });
  redfishRequest({ method: 'GET', path: '/redfish/v1', outcome: 503, seconds: 0.02 });
  redfishRequest({ method: 'PATCH', path: '/redfish/v1', outcome: 'Timeout', seconds: 60 });
  const lines = (await registry.metrics()).split('\n');
  expect(lines).toContain('beskar7_inspection_duration_seconds_bucket{le="20"} 1');
  expect(lines).toContain('beskar7_provisioning_duration_seconds_sum 31');
  expect(lines).toContain('beskar7_inspection_failures_total{reason="Timeout"} 1');
  expect(lines).toContain('beskar7_provisioning_failures_total{reason="InspectionTimeout"} 2');
  expect(lines).toContain('beskar7_redfish_request_duration_seconds_count{method="GET",outcome="2xx"} 1');
  expect(lines).toContain('beskar7_redfish_request_duration_seconds_count{method="GET",outcome="5xx"} 1');
  expect(lines).toContain(
    'beskar7_redfish_request_duration_seconds_bucket{le="60",method="PATCH",outcome="Timeout"} 1',
  );
});

test('what interrupts watches, and what they missed: each series is there before it counts', async () => {
  const { registry, watchObserverOf } = createMetrics({
    hosts: () => [],
    machines: () => [],
    waiting: () => [],
    isTemporalWell: () => true,
    clockSkewMs: () => -7_500,
    watches: () => [],
  });
  const observer = watchObserverOf('PhysicalHost');
  expect(await registry.metrics()).toContain('beskar7_watch_missed_total{kind="PhysicalHost"} 0\n');
  observer.missed(3);
  observer.interrupted('silent');
  const text = await registry.metrics();
  expect(text).toContain('beskar7_watch_missed_total{kind="PhysicalHost"} 3\n');
  expect(text).toContain('beskar7_watch_interruptions_total{kind="PhysicalHost",reason="silent"} 1\n');
  expect(text).toContain('beskar7_watch_interruptions_total{kind="PhysicalHost",reason="ended"} 0\n');
});

test('why hosts are in Error, and how long the oldest deletion of a machine lasts', async () => {
  const ready = (reason: string) => ({ conditions: [{ type: 'Ready', status: 'False', reason, message: '' }] });
  const going = machine('a', 'going');
  going.metadata.deletionTimestamp = new Date(Date.now() - 3_600_000).toISOString();
  const { registry } = createMetrics({
    hosts: () => [
      host('a', 'one', { state: 'Error', ...ready('ReleasePending') }),
      host('a', 'two', { state: 'Available', ...ready('Enrolled') }),
      host('a', 'three', { state: 'Error', ...ready('written-by-hand') }),
    ],
    machines: () => [going, machine('a', 'stays'), machine('b', 'stays')],
    waiting: () => [],
    isTemporalWell: () => true,
    watches: () => [],
    clockSkewMs: () => 0,
  });
  const text = await registry.metrics();
  expect(text).toContain('beskar7_physicalhost_error{namespace="a",reason="ReleasePending"} 1\n');
  expect(text).not.toContain('reason="Enrolled"');
  // A status that others have written makes no series of its own.
  expect(text).not.toContain('written-by-hand');
  expect(text).toMatch(/beskar7_machine_deletion_seconds\{namespace="a"\} 3[56]\d\d/);
  expect(text).toContain('beskar7_machine_deletion_seconds{namespace="b"} 0\n');
});
