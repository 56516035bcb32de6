import { execFileSync } from 'node:child_process';
import path from 'node:path';
import { describe, expect, jest, test } from '@jest/globals';
import { ROOT_CONTEXT, trace, TraceFlags } from '@opentelemetry/api';
import type { ReadableSpan, SpanExporter, SpanProcessor } from '@opentelemetry/sdk-trace-node';
import { traceContext } from '../../../activities/claim/traceContext.ts';
import { callbackSpan } from '../../../api/tracing.ts';
import type { Claim } from '../../../model/claim.ts';
import { traced } from '../../../redfish/tracing.ts';
import { ToldDelivery } from '../../../workers/tracing/delivery.ts';
import { redactText } from '../../../workers/tracing/redact.ts';
import { RunSampler } from '../../../workers/tracing/sampler.ts';
import { traceSettings } from '../../../workers/tracing/settings.ts';
import { SpanGate } from '../../../workers/tracing/spans.ts';
import { TraceIds } from '../../../workers/tracing/traceIds.ts';

const TRACE = '0af7651916cd43dd8448eb211c80319c';
const ENDPOINT = { OTEL_EXPORTER_OTLP_ENDPOINT: 'http://collector:4318' };

describe('settings', () => {
  test.each([
    ['nothing is set', {}],
    ['the SDK is disabled', { ...ENDPOINT, OTEL_SDK_DISABLED: 'true' }],
    ['no exporter is wanted', { ...ENDPOINT, OTEL_TRACES_EXPORTER: 'none' }],
    ['the endpoint is empty', { OTEL_EXPORTER_OTLP_ENDPOINT: '' }],
  ])('off when %s', (_, env) => expect(traceSettings(env)).toBeUndefined());

  test('on by an endpoint, of which messages show neither user nor query', () => {
    expect(traceSettings(ENDPOINT)).toEqual({ endpoint: 'http://collector:4318/', ratio: 1, warnings: [] });
    const secret = { OTEL_EXPORTER_OTLP_TRACES_ENDPOINT: 'https://u:p@collector/v1/traces?key=abc' };
    expect(traceSettings(secret)?.endpoint).toBe('https://collector/v1/traces');
  });

  test.each([
    ['parentbased_traceidratio', '0.25', 0.25, []],
    ['traceidratio', undefined, 1, []],
    ['always_off', undefined, 0, []],
    [
      'jaeger_remote',
      undefined,
      1,
      ['OTEL_TRACES_SAMPLER is jaeger_remote, which is not known: every provisioning is traced'],
    ],
    ['traceidratio', '7', 1, ['OTEL_TRACES_SAMPLER_ARG is 7, no number from 0 to 1: 1 is taken']],
  ])('sampler %s %s', (sampler, argument, ratio, warnings) => {
    const env = { ...ENDPOINT, OTEL_TRACES_SAMPLER: sampler, OTEL_TRACES_SAMPLER_ARG: argument };
    expect(traceSettings(env)).toMatchObject({ ratio, warnings });
  });

  test('what there is not is said', () => {
    const { warnings } = traceSettings({ ...ENDPOINT, OTEL_EXPORTER_OTLP_PROTOCOL: 'grpc' }) ?? {};
    expect(warnings).toEqual(['OTEL_EXPORTER_OTLP_PROTOCOL is grpc, but traces go out as OTLP by HTTP (JSON) only']);
  });
});

describe('off', () => {
  test('of OpenTelemetry nothing but its API is loaded', () => {
    const file = path.join(process.cwd(), 'workers/process.ts');
    const script = `
      import { createRequire } from 'node:module';
      await import(${JSON.stringify(file)});
      const names = Object.keys(createRequire(import.meta.url).cache).map((name) => /@opentelemetry[/\\\\]([a-z-]+)/.exec(name)?.[1]);
      process.stdout.write(JSON.stringify([...new Set(names)].filter((name) => name !== undefined)));
      process.exit(0);`;
    const output = execFileSync(process.execPath, ['--input-type=module', '-e', script], { timeout: 60_000 });
    expect(JSON.parse(output.toString())).toEqual(['api']);
  });

  test('claims carry no trace, requests and callbacks make no span', async () => {
    expect(traceContext()).toEqual({});
    const reply = { status: 200 };
    expect(await traced({ method: 'GET', path: '/', host: 'h' }, () => Promise.resolve(reply))).toBe(reply);
    expect(callbackSpan({ traceparent: `00-${TRACE}-b7ad6b7169203331-01` } as Claim, 0)).toBeUndefined();
  });
});

test.each([
  ['GET https://admin:pw@10.0.0.1/redfish failed', 'GET https://10.0.0.1/redfish failed'],
  ['http://images/os.img?X-Amz-Signature=abc#x is away', 'http://images/os.img is away'],
  ['/api/v1/boot/default/rack1-01/N0nce-12 says 404', '/api/v1/boot/default/rack1-01/{nonce} says 404'],
  ['authorization: Bearer abcdef0123456789', 'authorization: Bearer [secret]'],
  ['host rack1-01 is on; nothing? to hide', 'host rack1-01 is on; nothing? to hide'],
])('redacts %s', (text, redacted) => expect(redactText(text)).toBe(redacted));

describe('what is in a trace', () => {
  const sampler = new RunSampler(1);
  const child = (traceFlags: TraceFlags) =>
    trace.setSpanContext(ROOT_CONTEXT, { traceId: TRACE, spanId: 'b7ad6b7169203331', traceFlags });
  const decide = (name: string, context = ROOT_CONTEXT) => sampler.shouldSample(context, TRACE, name).decision === 2;

  test('only the start of a run about a machine or host begins one; children follow', () => {
    expect(decide('StartWorkflow:provisionMachine')).toBe(true);
    for (const name of ['StartWorkflow:monitorHosts', 'DescribeWorkflow', 'SignalWorkflow:hostAvailable', 'callback'])
      expect({ name, is: decide(name) }).toEqual({ name, is: false });
    expect(decide('callback', child(TraceFlags.SAMPLED))).toBe(true);
    expect(decide('callback', child(TraceFlags.NONE))).toBe(false);
    expect(decide('RunActivity:monitorShard', child(TraceFlags.SAMPLED))).toBe(false);
  });

  test('a share of 0 traces nothing', () => {
    expect(new RunSampler(0).shouldSample(ROOT_CONTEXT, TRACE, 'StartWorkflow:provisionMachine').decision).toBe(0);
  });

  test('the gate keeps noise back and redacts texts', () => {
    const ended: ReadableSpan[] = [];
    const next = { onEnd: (span: ReadableSpan) => ended.push(span) } as unknown as SpanProcessor;
    const gate = new SpanGate(next);
    const span = (name: string, rest: object = {}) =>
      ({ name, attributes: {}, events: [], status: { code: 0 }, ...rest }) as unknown as ReadableSpan;
    const found = { attributes: { 'exception.type': 'WorkflowExecutionAlreadyStartedError' } };
    gate.onEnd(span('HandleSignal:hostAvailable'));
    gate.onEnd(span('StartActivity:monitorShard', { parentSpanId: 'a' }));
    gate.onEnd(span('StartWorkflow:provisionMachine', { events: [found] }));
    expect(ended).toEqual([]);
    gate.onEnd(
      span('RunActivity:enrollHost', {
        parentSpanId: 'a',
        attributes: { url: 'http://a/?t=1', count: 2 },
        events: [{ attributes: { 'exception.message': 'at https://u:p@bmc/' } }],
        status: { code: 2, message: 'Bearer 0123456789' },
      }),
    );
    expect(ended).toMatchObject([
      {
        attributes: { url: 'http://a/', count: 2 },
        events: [{ attributes: { 'exception.message': 'at https://bmc/' } }],
        status: { message: 'Bearer [secret]' },
      },
    ]);
  });
});

test('a collector that is away is told once, and once that it is back', () => {
  let isAway = true;
  const exporter = {
    export: (_: unknown, done: (result: object) => void) =>
      done(isAway ? { code: 1, error: new Error('ECONNREFUSED') } : { code: 0 }),
  } as unknown as SpanExporter;
  const logger = { info: jest.fn(), warn: jest.fn() };
  const delivery = new ToldDelivery(exporter, 'http://c/', logger);
  const spans = [{}, {}] as ReadableSpan[];
  const codes: number[] = [];
  const send = () => delivery.export(spans, ({ code }) => codes.push(code));
  send();
  send();
  expect(logger.warn.mock.calls).toEqual([
    [{ endpoint: 'http://c/', why: 'ECONNREFUSED' }, expect.stringContaining('cannot be delivered')],
  ]);
  isAway = false;
  send();
  send();
  expect(logger.info.mock.calls).toEqual([[{ endpoint: 'http://c/', lostSpans: 4 }, 'traces are delivered again']]);
  expect(codes).toEqual([0, 0, 0, 0]);
});

describe('the trace of a log line', () => {
  const ids = new TraceIds();
  ids.note('provision/ns/m', TRACE);
  ids.ofMachine = (namespace, name) => (`${namespace}/${name}` === 'ns/other' ? 'ffff' : undefined);

  test.each([
    [{ workflow: 'provision/ns/m' }, TRACE],
    [{ workflowId: 'provision/ns/m' }, TRACE],
    [{ queue: 'machines', key: 'ns/m' }, TRACE],
    [{ namespace: 'ns', machine: 'm' }, TRACE],
    [{ namespace: 'ns', name: 'm', uid: 'u' }, TRACE],
    [{ workflow: 'provision/ns/other' }, 'ffff'],
    [{ workflow: 'deprovision/ns/m' }, undefined],
    [{ queue: 'hosts', key: 'ns/m' }, undefined],
    [{ why: 'SIGTERM' }, undefined],
  ])('%j', (fields, id) => expect(ids.fieldsOf(fields)).toEqual(id === undefined ? {} : { trace_id: id }));

  test('the newest 20,000 are known', () => {
    for (let index = 0; index < 20_000; index += 1) ids.note(`provision/ns/x-${index}`, 'aaaa');
    expect(ids.fieldsOf({ workflow: 'provision/ns/m' })).toEqual({});
    expect(ids.fieldsOf({ workflow: 'provision/ns/x-0' })).toEqual({ trace_id: 'aaaa' });
  });
});
