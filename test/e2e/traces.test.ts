import { readFileSync } from 'node:fs';
import { afterAll, beforeAll, describe, expect, jest, test } from '@jest/globals';
import { request } from 'undici';
import { isFreeAndOff } from '../support/atTheBmc.ts';
import { Collector, type CollectedSpan } from '../support/collector.ts';
import { World } from '../support/world.ts';

jest.setTimeout(180_000);

const COLLECTOR_TOKEN = 'a-token-of-the-collector';
const collector = new Collector();
const world = new World('e2e-traces', ['--resync=2s']);
const id = (kind: string, name: string) => `${kind}/${world.namespace}/${name}`;

/** All spans of the trace of a run, when its last one is there. */
async function traceOf(type: string, workflow: string): Promise<CollectedSpan[]> {
  const start = await collector.span(
    `StartWorkflow of ${workflow}`,
    ({ name, attributes }) => name === `StartWorkflow:${type}` && attributes.temporalWorkflowId === workflow,
  );
  const isOf = ({ traceId }: CollectedSpan) => traceId === start.traceId;
  await collector.span(`RunWorkflow of ${workflow}`, (span) => isOf(span) && span.name === `RunWorkflow:${type}`);
  return collector.spans.filter(isOf);
}

function parentOf(spans: readonly CollectedSpan[], span: CollectedSpan | undefined): CollectedSpan | undefined {
  return spans.find(({ spanId }) => spanId === span?.parentSpanId);
}

/** The names from a span up to the root. */
function lineage(spans: readonly CollectedSpan[], span: CollectedSpan | undefined): string[] {
  return span === undefined ? [] : [span.name, ...lineage(spans, parentOf(spans, span))];
}

function logLines(): Record<string, unknown>[] {
  const text = readFileSync(world.beskar7.logFile, 'utf8');
  return text
    .split('\n')
    .filter((line) => line.startsWith('{'))
    .map((line) => JSON.parse(line) as Record<string, unknown>);
}

beforeAll(async () => {
  await collector.start();
  world.env = {
    OTEL_EXPORTER_OTLP_ENDPOINT: collector.url,
    OTEL_EXPORTER_OTLP_HEADERS: `authorization=Bearer ${COLLECTOR_TOKEN}`,
    OTEL_RESOURCE_ATTRIBUTES: 'deployment.environment=test',
    OTEL_BSP_SCHEDULE_DELAY: '100',
  };
  await world.start({ hosts: 2, profile: 'generic' });
});
afterAll(async () => {
  await world.stop();
  await collector.stop();
});

describe('one trace per provisioning', () => {
  let spans: CollectedSpan[];

  beforeAll(async () => {
    await world.addMachine('m-1', { hostSelector: { matchLabels: { only: 'host-1' } } });
    await world.kubectl('label', 'physicalhost', 'host-1', 'only=host-1');
    await world.machineIs('m-1', 'Provisioned');
    spans = await traceOf('provisionMachine', id('provision', 'm-1'));
  });

  test('it is connected: one root, the start by the controllers, and each other span has its parent in it', () => {
    const roots = spans.filter(({ parentSpanId }) => parentSpanId === undefined);
    expect(roots.map(({ name }) => name)).toEqual(['StartWorkflow:provisionMachine']);
    const lost = spans.filter((span) => span.parentSpanId !== undefined && parentOf(spans, span) === undefined);
    expect(lost).toEqual([]);
    expect(new Set(spans.map(({ spanId }) => spanId)).size).toBe(spans.length);
  });

  test('controller → workflow → activity → Redfish request', () => {
    const sent = spans.find(({ name }) => name === 'Redfish POST /redfish/v1/Systems/1/Actions/ComputerSystem.Reset');
    expect(lineage(spans, sent).slice(1)).toEqual([
      'RunActivity:bootInspector',
      'StartActivity:bootInspector',
      'RunWorkflow:provisionMachine',
      'StartWorkflow:provisionMachine',
    ]);
    expect(sent?.attributes).toMatchObject({
      'http.request.method': 'POST',
      'server.address': new URL(world.fleet.hosts[0]?.address ?? '').host,
    });
    expect(sent?.attributes['http.response.status_code']).toBeLessThan(300);
  });

  test('every change at the BMC has its span', () => {
    const changes = world.requestsOf('host-1').filter(({ mutating, userAgent }) => mutating && userAgent.includes('('));
    const told = spans.filter(({ name }) => /^Redfish (POST|PATCH|DELETE) .*Systems/.test(name));
    expect(changes.length).toBeGreaterThan(1);
    expect(told.length).toBe(changes.length);
  });

  test('callback → signal → workflow', () => {
    const heard = spans.find(({ name }) => name === 'HandleSignal:inspectionReported');
    expect(lineage(spans, heard).slice(0, 4)).toEqual([
      'HandleSignal:inspectionReported',
      'SignalWorkflow:inspectionReported',
      'POST /inspection/{ns}/{host}',
      'RunActivity:claimHost',
    ]);
    const names = new Set(spans.map(({ name }) => name));
    for (const route of ['GET /boot?mac=', 'GET /bootstrap/{ns}/{host}', 'POST /provisioned/{ns}/{host}'])
      expect(names).toContain(route);
  });

  test('each log line about the machine names the trace', () => {
    const claim = /beskar7 \(([0-9a-f-]{36})\)/.exec(
      world.requestsOf('host-1').find(({ mutating, userAgent }) => mutating && userAgent.includes('('))?.userAgent ??
        '',
    )?.[1];
    const about = logLines().filter(
      (line) =>
        line.workflow === id('provision', 'm-1') ||
        line.workflowId === id('provision', 'm-1') ||
        line.machine === 'm-1' ||
        (claim !== undefined && line.claim === claim),
    );
    expect(about.length).toBeGreaterThan(4);
    const others = about.filter(({ trace_id }) => trace_id !== spans[0]?.traceId);
    expect(others).toEqual([]);
  });

  test('the collector gets headers and resource of the environment', () => {
    expect(collector.headers[0]?.authorization).toBe(`Bearer ${COLLECTOR_TOKEN}`);
    expect(spans[0]?.resource).toMatchObject({ 'service.name': 'beskar7', 'deployment.environment': 'test' });
    expect(readFileSync(world.beskar7.logFile, 'utf8')).not.toContain(COLLECTOR_TOKEN);
  });
});

test('a failed provisioning with its release, the boot by nonce, and no secret in any of it', async () => {
  await world.fleet.fault('sim-0002', { neverReports: true });
  await world.kubectl('label', 'physicalhost', 'host-2', 'only=host-2');
  await world.addMachine('m-2', { hostSelector: { matchLabels: { only: 'host-2' } } });
  await world.hostIs('host-2', 'Inspecting');
  const secretOf = (key: string) =>
    [...world.witness.secrets].find(([, kind]) => new RegExp(`^${key} of .*host-2-boot`).test(kind));
  const [nonce] = secretOf('nonce') ?? [];
  expect(nonce).toBeDefined();
  const { statusCode, body } = await request(`${world.bootUrl}/api/v1/boot/${world.namespace}/host-2/${nonce}`);
  expect(await body.text()).toContain('#!ipxe');
  expect(statusCode).toBe(200);
  await world.temporalCli('workflow', 'cancel', '-w', id('provision', 'm-2'));
  await world.machineIs('m-2', 'Failed');
  await isFreeAndOff(world, 'host-2');
  const spans = await traceOf('provisionMachine', id('provision', 'm-2'));
  const names = spans.map(({ name }) => name);
  expect(names).toContain('GET /boot/{ns}/{host}/{nonce}');
  expect(names).toContain('RunActivity:releaseHost');
  expect(world.witness.secrets.size).toBeGreaterThan(2);
  for (const [secret, kind] of world.witness.secrets) {
    for (const text of [secret, Buffer.from(secret).toString('base64')])
      expect({ kind, isIn: collector.received.includes(text) }).toEqual({ kind, isIn: false });
  }
});

test('the end of a machine is a trace of its own; watches, looks and repeated starts are in none', async () => {
  await world.kubectl('delete', 'beskar7machine', 'm-1', '--wait=false');
  await world.machineIsGone('m-1');
  const spans = await traceOf('deprovisionMachine', id('deprovision', 'm-1'));
  expect(
    lineage(
      spans,
      spans.find(({ name }) => name.startsWith('Redfish POST')),
    ).at(-1),
  ).toBe('StartWorkflow:deprovisionMachine');
  const roots = collector.spans.filter(({ parentSpanId }) => parentSpanId === undefined);
  for (const { name } of roots) expect(name).toMatch(/^StartWorkflow:(provision|deprovision|enroll)/);
  expect(collector.spans.filter(({ name }) => /monitor/.test(name))).toEqual([]);
  const starts = roots.map(({ attributes }) => attributes.temporalWorkflowId);
  expect(starts.filter((start) => start === id('provision', 'm-2')).length).toBe(1);
});

test('a collector that is away costs a line, and one when it is back', async () => {
  await isFreeAndOff(world, 'host-1');
  await collector.stop();
  await world.addMachine('m-3', { hostSelector: { matchLabels: { only: 'host-1' } } });
  await world.machineIs('m-3', 'Provisioned');
  const lost = () => logLines().filter(({ msg }) => String(msg).startsWith('traces cannot be delivered'));
  expect(lost()).toHaveLength(1);
  await collector.start();
  await world.kubectl('delete', 'beskar7machine', 'm-3', '--wait=false');
  await world.machineIsGone('m-3');
  await traceOf('deprovisionMachine', id('deprovision', 'm-3'));
  expect(lost()).toHaveLength(1);
  const [back, ...more] = logLines().filter(({ msg }) => msg === 'traces are delivered again');
  expect(more).toEqual([]);
  expect(back?.lostSpans).toBeGreaterThan(10);
});
