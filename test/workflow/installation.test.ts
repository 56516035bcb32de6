import { afterAll, beforeAll, expect, jest, test } from '@jest/globals';
import type { WorkflowHandle } from '@temporalio/client';
import { ApplicationFailure, defaultPayloadConverter } from '@temporalio/common';
import { INSTALLATION_HEADER } from '../../contracts/names.ts';
import { bmcDown, claims, releaseInput } from './fakes.ts';
import { Stage } from './stage.ts';

jest.setTimeout(60_000);

let stage: Stage;
beforeAll(async () => void (stage = await Stage.open()));
afterAll(() => stage.close());

const installation = 'cluster-1:team-a:';
const refused = () => Promise.reject(ApplicationFailure.create({ type: 'OtherInstallation', nonRetryable: true }));

/** The installations in the headers of the activities of a run. */
async function senders(run: WorkflowHandle): Promise<Set<unknown>> {
  const { events } = await run.fetchHistory();
  return new Set(
    (events ?? []).flatMap(({ activityTaskScheduledEventAttributes: scheduled }) => {
      const payload = scheduled?.header?.fields?.[INSTALLATION_HEADER];
      return scheduled ? [payload && defaultPayloadConverter.fromPayload(payload)] : [];
    }),
  );
}

test('every activity of a run, and the release that it leaves behind, carry who started it', async () => {
  const fakes = stage.prepare({
    bootInspector: () => Promise.reject(bmcDown()),
    releaseHost: () => Promise.reject(bmcDown()),
  });
  const run = await stage.start('provision', fakes.machine, { args: [{ ...fakes.machine, installation }] });
  await run.result().catch(() => undefined);
  expect(await senders(run)).toEqual(new Set([installation]));
});

test('so does the next history of a run', async () => {
  const fakes = stage.prepare({ monitorShard: () => Promise.resolve({ kind: 'noHosts' }) });
  const settings = { shard: 0, shards: 4, intervalMs: 60_000 };
  let told = 0;
  const monitored = stage.prepare({
    monitorShard: async () => ({ kind: (told += 1) > 24 ? 'noHosts' : 'due' }) as never,
  });
  const run = await stage.env.client.workflow.start('monitorHosts', {
    workflowId: `monitor/${monitored.machine.name}`,
    taskQueue: 'beskar7',
    args: [{ ...settings, installation }],
    memo: { ...settings, installation },
  });
  const { runId } = await run.describe();
  await run.result();
  const next = stage.env.client.workflow.getHandle(run.workflowId);
  expect((await next.describe()).runId).not.toBe(runId);
  expect((await next.describe()).memo).toMatchObject({ installation });
  expect(await senders(next)).toEqual(new Set([installation]));
  expect(fakes.names()).toEqual([]);
});

test('a run of another installation ends at its first refused step, and does nothing more', async () => {
  const fakes = stage.prepare({ claimHost: refused });
  await expect((await stage.start('provision')).result()).rejects.toThrow();
  expect(fakes.names()).toEqual(['claimHost']);

  const midway = stage.prepare({ claimHost: claims(stage.env), prepareBoot: refused, markReleasing: refused });
  await expect((await stage.start('provision')).result()).rejects.toThrow();
  expect(midway.names()).toEqual(['claimHost', 'prepareBoot', 'markReleasing']);
});

test.each(['enroll', 'retire', 'release'] as const)('%s: the same', async (kind) => {
  const fakes = stage.prepare({ enrollHost: refused, retireHost: refused, releaseHost: refused });
  const run = await stage.start(kind, fakes.machine, kind === 'release' ? { args: [releaseInput(fakes)] } : {});
  await expect(run.result()).rejects.toThrow();
  expect(fakes.names().at(-1)).toBe(`${kind}Host`);
});
