import { readdirSync } from 'node:fs';
import path from 'node:path';
import { describe, expect, test } from '@jest/globals';
import { ApplicationFailure, defaultPayloadConverter, type Payload } from '@temporalio/common';
import type { ActivityInboundCallsInterceptor, Next } from '@temporalio/worker';
import { ACTIVITY_INPUTS, type ActivityName } from '../../../activities/inputs.ts';
import { payloadConverter } from '../../../workers/activityPayloads.ts';
import { inputGuard, refusal } from '../../../workers/inputGuard.ts';
import { UnreadablePayload } from '../../../workflows/payloadConverter.ts';
import { readHistory } from '../../replay/history.ts';
import { REF, RUN } from './oneHost.ts';

/** Whoever may write to the Temporal namespace schedules activities of ours, with any input. */

const HISTORIES = path.join(__dirname, '..', '..', 'replay', 'histories');
const names = Object.keys(ACTIVITY_INPUTS) as ActivityName[];
const bytes = (text: string) => new TextEncoder().encode(text);
const json = (text: string): Payload => ({ metadata: { encoding: bytes('json/plain') }, data: bytes(text) });

interface Scheduled {
  readonly activityType: { readonly name: string };
  readonly input?: { readonly payloads: readonly { readonly data?: string }[] };
}

/** What real runs have scheduled. */
function scheduled(): [string, unknown[]][] {
  return readdirSync(HISTORIES, { recursive: true, encoding: 'utf8' })
    .filter((file) => file.endsWith('.json'))
    .flatMap((file) => readHistory(path.join(HISTORIES, file)).events)
    .flatMap((event) => (event.activityTaskScheduledEventAttributes as Scheduled | undefined) ?? [])
    .map(({ activityType, input }) => [
      activityType.name,
      (input?.payloads ?? []).map(
        ({ data = '' }) => JSON.parse(Buffer.from(data, 'base64').toString('utf8')) as unknown,
      ),
    ]);
}

/** Calls an activity through the guard, as a worker does: from payloads. */
async function execute(name: string, payloads: readonly Payload[], headers: Record<string, Payload> = {}) {
  const seen: unknown[] = [];
  const next: Next<ActivityInboundCallsInterceptor, 'execute'> = (input) => {
    seen.push(input);
    return Promise.resolve('done');
  };
  const { inbound } = inputGuard({ info: { activityType: name } } as never);
  const args = payloads.map((payload) => payloadConverter.fromPayload<unknown>(payload));
  const ended = await (async () => inbound?.execute?.({ args, headers }, next))().catch((error: unknown) => error);
  return { ended, seen };
}

test('what the runs of recorded histories have scheduled is let through, every input of it', () => {
  const all = scheduled();
  expect(new Set(all.map(([name]) => name)).size).toBeGreaterThan(15);
  expect(all.map(([name, args]) => [name, refusal(name, args)]).filter(([, why]) => why !== undefined)).toEqual([]);
});

/** What nobody sends who means well. */
const ODD: [string, readonly Payload[]][] = [
  ['a number', [json('7')]],
  ['a text of 250,000 characters', [json(JSON.stringify('x'.repeat(250_000)))]],
  ['a list', [json('[]')]],
  ['names of other types', [json('{"namespace":{"a":1},"name":[],"uid":7,"claim":null,"host":true,"run":"x"}')]],
  ['a prototype', [json('{"__proto__":{"namespace":"a","name":"b","uid":"c"}}')]],
  ['2 MiB of brackets', [json('['.repeat(2 ** 21))]],
  ['200,000 members', [json(`{${Array.from({ length: 200_000 }, (_, at) => `"a${at}":1`).join(',')}}`)]],
  ['JSON that breaks off', [json('{"namespace":"a"')]],
  ['another encoding', [{ metadata: { encoding: bytes('binary/encrypted') }, data: bytes('x') }]],
  ['three arguments', [json('{}'), json('{}'), json('{}')]],
];

describe.each(names)('activity %s', (name) => {
  test.each(ODD)(
    '%s: InvalidInput, never retried, nothing is done, in less than 100 ms of CPU',
    async (_what, payloads) => {
      const began = process.cpuUsage();
      const { ended, seen } = await execute(name, payloads);
      const { user, system } = process.cpuUsage(began);
      expect((user + system) / 1_000).toBeLessThan(100);
      expect(seen).toEqual([]);
      expect(ended).toBeInstanceOf(ApplicationFailure);
      expect(ended).toMatchObject({ type: 'InvalidInput', nonRetryable: true });
      expect((ended as Error).message).toContain(`The input of activity ${name} cannot be used: `);
      expect((ended as Error).message.length).toBeLessThan(500);
    },
  );
});

describe('a field', () => {
  const boot = (change: object) =>
    execute('bootInspector', [json(JSON.stringify({ claim: REF, run: RUN, ...change }))]);

  test('that is right is let through', async () => {
    await expect(boot({})).resolves.toMatchObject({ ended: 'done', seen: [{ args: [{ claim: REF, run: RUN }] }] });
  });

  test.each<[string, object]>([
    ['leads out of its place in a URL', { claim: { ...REF, namespace: '../../kube-system' } }],
    ['has a line break', { claim: { ...REF, host: 'h\nx' } }],
    ['is empty', { claim: { ...REF, id: '' } }],
    ['is longer than a name', { claim: { ...REF, host: 'h'.repeat(254) } }],
    ['is missing', { claim: { ...REF, machine: undefined } }],
    ['is a list of two thousand', { run: { ...RUN, earlierAttempts: Array<string>(2_000).fill('x') } }],
  ])('that %s is named, and refused', async (_what, change) => {
    const { ended, seen } = await boot(change);
    expect(seen).toEqual([]);
    expect(ended).toMatchObject({ type: 'InvalidInput', nonRetryable: true });
    expect((ended as Error).message).toMatch(/cannot be used: \/(claim|run)/);
  });
});

test('an activity that nobody has declared is not done', async () => {
  expect((await execute('constructor', [json('{}')])).ended).toMatchObject({ type: 'InvalidInput' });
});

test('a header that is longer than any of ours reaches no interceptor behind it', async () => {
  const short = defaultPayloadConverter.toPayload('cluster::');
  const headers = { 'beskar7-installation': short, '_tracer-data': json('['.repeat(2 ** 20)) };
  const { seen } = await execute('acquirePowerOnPermit', [], headers);
  expect(seen).toEqual([{ args: [], headers: { 'beskar7-installation': short } }]);
});

test('an input of its own runs is read as it was written', () => {
  const value = { claim: REF, run: RUN };
  const payload = payloadConverter.toPayload(value);
  expect(payload && payloadConverter.fromPayload(payload)).toEqual(value);
  expect(payloadConverter.fromPayload(json('['.repeat(100)))).toBeInstanceOf(UnreadablePayload);
});
