import { afterAll, beforeAll, describe, expect, jest, test } from '@jest/globals';
import { defaultPayloadConverter, type Payload } from '@temporalio/common';
import type { WorkflowHandle } from '@temporalio/client';
import fc from 'fast-check';
import { progress } from '../../contracts/messages.ts';
import { TASK_QUEUE, WORKFLOW_TYPES, type ObjectRef } from '../../contracts/names.ts';
import { inMs, releaseInput, untilCancelled, type Fakes, type Overrides } from './fakes.ts';
import { Stage } from './stage.ts';

jest.setTimeout(120_000);

let stage: Stage;
beforeAll(async () => void (stage = await Stage.open()));
afterAll(() => stage.close());

const bytes = (text: string) => new TextEncoder().encode(text);
const payload = (encoding: string, data: string): Payload => ({
  metadata: { encoding: bytes(encoding) },
  data: bytes(data),
});
const json = (value: unknown) => defaultPayloadConverter.toPayload(value);

const SIGNALS = [
  'inspectionReported',
  'handoverReported',
  'osReported',
  'hostAvailable',
  'hostChanged',
  'monitorSettings',
];
/** What nobody sends who means well. */
const ODD: [string, Payload[]][] = [
  ['no argument', []],
  ['null', [json(null)]],
  ['a number', [json(7)]],
  ['text', [json('claim')]],
  ['a list', [json([])]],
  ['fields of other types', [json({ claim: { a: 1 }, connectionHash: [], shards: '4', intervalMs: null })]],
  ['a number that is none', [json({ claim: 'x'.repeat(10_000), shards: -1, intervalMs: 1e300 })]],
  ['a prototype', [payload('json/plain', '{"__proto__":{"claim":"x"},"constructor":1}')]],
  ['broken JSON', [payload('json/plain', '{"claim":')]],
  ['another encoding', [payload('binary/encrypted', '\u0000\u0001')]],
  ['protobuf', [payload('json/protobuf', '{}')]],
  ['binary', [payload('binary/plain', 'abc')]],
  ['no encoding', [{ metadata: {}, data: bytes('{}') }]],
  ['nothing at all', [{}]],
  ['many', [json(null), payload('other', ''), json({})]],
];

async function signal(run: WorkflowHandle, signalName: string, payloads: Payload[], header?: Payload): Promise<void> {
  await stage.env.client.workflowService.signalWorkflowExecution({
    namespace: stage.env.namespace ?? 'default',
    workflowExecution: { workflowId: run.workflowId },
    signalName,
    ...(payloads.length === 0 ? {} : { input: { payloads } }),
    ...(header ? { header: { fields: { '_tracer-data': header } } } : {}),
  });
}

/** Runs that wait, by kind: with what their activities do, on what they are about. */
const WAITING: Record<
  'provision' | 'inspection' | 'deprovision' | 'enroll' | 'release' | 'retire' | 'monitor',
  { readonly kind: keyof typeof WORKFLOW_TYPES; readonly does: Overrides; args?(fakes: Fakes): unknown[] }
> = {
  provision: {
    kind: 'provision',
    does: { claimHost: () => Promise.resolve({ kind: 'noMatchingHost', message: 'none' }) },
  },
  inspection: {
    kind: 'provision',
    does: {
      bootInspector: async () => ({ inspectionDeadline: await inMs(stage.env, 600_000), machineVersion: '3' }),
      takeReport: () => Promise.resolve({ kind: 'waiting' }),
    },
  },
  deprovision: { kind: 'deprovision', does: { endProvisioning: untilCancelled } },
  enroll: {
    kind: 'enroll',
    does: {
      enrollHost: async () => ({
        kind: 'failed',
        message: '401',
        nextAttemptAt: await inMs(stage.env, 600_000),
        retryInMs: 600_000,
        connectionHash: 'old',
      }),
    },
  },
  release: {
    kind: 'release',
    does: { releaseHost: () => Promise.reject(new Error('the BMC is away')) },
    args: (fakes) => [releaseInput(fakes)],
  },
  retire: { kind: 'retire', does: { retireHost: () => Promise.reject(new Error('the BMC is away')) } },
  monitor: {
    kind: 'monitor',
    does: { monitorShard: untilCancelled },
    args: () => [{ shard: 0, shards: 4, intervalMs: 60_000 }],
  },
};

async function start(name: keyof typeof WAITING): Promise<WorkflowHandle> {
  const { kind, does, args } = WAITING[name];
  const fakes = stage.prepare(does);
  const run = await stage.env.client.workflow.start(WORKFLOW_TYPES[kind], {
    workflowId: `${name}/${fakes.machine.name}`,
    taskQueue: TASK_QUEUE,
    args: args?.(fakes) ?? [fakes.machine],
    memo: { uid: fakes.machine.uid },
  });
  return run;
}

async function failedTasks(run: WorkflowHandle): Promise<unknown[]> {
  const { events } = await run.fetchHistory();
  return (events ?? []).flatMap((event) => event.workflowTaskFailedEventAttributes?.failure?.message ?? []);
}

/** What the Web UI shows as the current details. */
async function shown(run: WorkflowHandle): Promise<string> {
  const metadata = await run.query<{ currentDetails?: string }>('__temporal_workflow_metadata');
  return metadata.currentDetails ?? '';
}

describe.each(Object.keys(WAITING) as (keyof typeof WAITING)[])('%s: nothing that is sent ends its life', (name) => {
  test('every signal with every odd payload, an unknown one, and one of a reserved name', async () => {
    const run = await start(name);
    for (const signalName of [...SIGNALS, 'noSuchSignal', '__temporal_mine'])
      for (const [, payloads] of ODD) await signal(run, signalName, payloads, payload('broken', '{'));
    expect(await shown(run)).toContain('Signals that could not be read');
    expect(await shown(run)).toContain('`noSuchSignal` (15)');
    expect(await failedTasks(run)).toEqual([]);
    await run.cancel();
    await run.result().catch(() => undefined);
    expect((await run.describe()).status.name).not.toBe('RUNNING');
    expect(await failedTasks(run)).toEqual([]);
  });
});

test('any payload of any encoding: the run answers its query, and ends with its cancel', async () => {
  const run = await start('provision');
  const anyPayload = fc.record({
    metadata: fc.record({
      encoding: fc.oneof(
        fc.uint8Array({ maxLength: 20 }),
        fc.constantFrom('json/plain', 'binary/null', 'binary/plain').map(bytes),
      ),
    }),
    data: fc.oneof(fc.uint8Array({ maxLength: 60 }), fc.json().map(bytes)),
  });
  await fc.assert(
    fc.asyncProperty(fc.constantFrom(...SIGNALS), fc.array(anyPayload, { maxLength: 3 }), async (name, payloads) => {
      await signal(run, name, payloads as Payload[]);
    }),
    { numRuns: 150 },
  );
  await expect(run.query(progress)).resolves.toMatchObject({
    phase: 'Claiming',
    dropped: expect.stringContaining('inspectionReported'),
  });
  expect(await failedTasks(run)).toEqual([]);
  await run.cancel();
  await expect(run.result()).rejects.toThrow();
});

test('hostChanged as the docs tell to send it, and without an argument: the host is tried at once', async () => {
  const run = await start('enroll');
  const { fakes } = stage;
  await fakes.called('enrollHost');
  for (const [n, payloads] of [[], [json({ connectionHash: 'now' })], [payload('binary/encrypted', 'x')]].entries()) {
    await signal(run, 'hostChanged', payloads);
    await fakes.called('enrollHost', n + 2);
  }
  await run.terminate();
});

test('a query with an argument that cannot be read is answered', async () => {
  const run = await start('provision');
  const { queryResult } = await stage.env.client.workflowService.queryWorkflow({
    namespace: stage.env.namespace ?? 'default',
    execution: { workflowId: run.workflowId },
    query: { queryType: 'progress', queryArgs: { payloads: [payload('binary/encrypted', 'x')] } },
  });
  expect(queryResult?.payloads).toHaveLength(1);
  await run.terminate();
});

describe('what a run is started with', () => {
  const INPUTS: [string, Payload[]][] = ODD.filter(([what]) => what !== 'many');
  test.each(Object.values(WORKFLOW_TYPES))(
    '%s: an input that cannot be read is a failure, not a task that is repeated',
    async (type) => {
      const fakes = stage.prepare();
      for (const [what, payloads] of INPUTS) {
        const workflowId = `${type}/${fakes.machine.name}/${what}`;
        await stage.env.client.workflowService.startWorkflowExecution({
          namespace: stage.env.namespace ?? 'default',
          workflowId,
          requestId: workflowId,
          workflowType: { name: type },
          taskQueue: { name: TASK_QUEUE },
          ...(payloads.length === 0 ? {} : { input: { payloads } }),
          memo: { fields: { uid: payload('binary/encrypted', 'x') } },
          header: { fields: { '_tracer-data': payload('broken', '{') } },
        });
        const run = stage.env.client.workflow.getHandle(workflowId);
        await expect(run.result()).rejects.toMatchObject({ cause: { type: 'InvalidInput' } });
        expect(await failedTasks(run)).toEqual([]);
      }
      expect(fakes.names()).toEqual([]);
    },
  );

  test('a type that there is not', async () => {
    const { machine }: { machine: ObjectRef } = stage.prepare();
    const run = await stage.env.client.workflow.start('provisionMachin', {
      workflowId: `typo/${machine.name}`,
      taskQueue: TASK_QUEUE,
      args: [machine],
    });
    await expect(run.result()).rejects.toMatchObject({ cause: { type: 'InvalidInput' } });
  });
});
