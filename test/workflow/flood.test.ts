import { afterAll, beforeAll, expect, jest, test } from '@jest/globals';
import { claimEnded, handoverReported, hostChanged, inspectionReported } from '../../contracts/messages.ts';
import { workflowId } from '../../contracts/names.ts';
import { bmcDown, claimRef, claims, HARDWARE, inMs, releaseInput, type Fakes } from './fakes.ts';
import { Stage } from './stage.ts';

jest.setTimeout(240_000);

let stage: Stage;
beforeAll(async () => void (stage = await Stage.open()));
afterAll(() => stage.close());

/** After so many signals a wait continues in a fresh history; Temporal takes 10,000. */
const FULL = 2_000;
const AT_ONCE = 50;

/** Sends a run so many signals, as a callback that is repeated without a pause. */
async function flood(id: string, count: number, send: (id: string) => Promise<unknown>): Promise<void> {
  for (let sent = 0; sent < count; sent += AT_ONCE) await Promise.all(Array.from({ length: AT_ONCE }, () => send(id)));
}

/** Waits for its report; a later run finds the claim as it is. */
function inspects(more: Parameters<Stage['prepare']>[0] = {}): Fakes {
  let runs = 0;
  return stage.prepare({
    claimHost: async (input) => {
      runs += 1;
      const inspectionDeadline = await inMs(stage.env, 600_000);
      return claims(stage.env, {}, runs === 1 ? {} : { stage: 'Armed', isAdopted: true, inspectionDeadline })(input);
    },
    bootInspector: async () => ({ inspectionDeadline: await inMs(stage.env, 600_000), machineVersion: '3' }),
    takeReport: () => Promise.resolve({ kind: 'waiting' }),
    ...more,
  });
}

test('a report that is told without a pause: some looks, then a fresh history that adopts the claim; nothing is released', async () => {
  let isReported = false;
  const fakes = inspects({
    takeReport: () => Promise.resolve(isReported ? { kind: 'reported', hardware: HARDWARE } : { kind: 'waiting' }),
  });
  const first = await stage.start('provision');
  const { runId } = await first.describe();
  await fakes.called('bootInspector');
  const current = stage.env.client.workflow.getHandle(first.workflowId);
  await flood(first.workflowId, FULL + AT_ONCE, () => current.signal(inspectionReported, { claim: 'claim-1' }));
  await fakes.called('claimHost', 2);
  const closed = await stage.env.client.workflow.getHandle(first.workflowId, runId).describe();
  expect(closed.status.name).toBe('CONTINUED_AS_NEW');
  expect(closed.historyLength).toBeLessThan(12_000);
  expect(fakes.inputs('takeReport').length).toBeLessThan(20);
  expect(fakes.names()).not.toContain('markReleasing');
  isReported = true;
  await current.signal(inspectionReported, { claim: 'claim-1' });
  await expect(current.result()).resolves.toContain('was provisioned');
  expect(fakes.inputs('bootInspector')).toHaveLength(1);
});

test('a cancel in the flood is carried out: the host is released, no further history begins', async () => {
  const fakes = inspects();
  const run = await stage.start('provision');
  await fakes.called('bootInspector');
  await flood(run.workflowId, FULL - AT_ONCE, () => run.signal(inspectionReported, { claim: 'claim-1' }));
  await Promise.all([
    run.cancel(),
    flood(run.workflowId, 2 * AT_ONCE, () =>
      run.signal(inspectionReported, { claim: 'claim-1' }).catch(() => undefined),
    ),
  ]);
  await stage.env.client.workflow
    .getHandle(run.workflowId)
    .result()
    .catch(() => undefined);
  expect((await stage.env.client.workflow.getHandle(run.workflowId).describe()).status.name).toBe('CANCELLED');
  expect(fakes.names()).toContain('releaseHost');
});

test('the deadline holds in a flood, and a look is taken once a minute', async () => {
  const fakes = inspects({
    takeReport: ({ timedOut }) => Promise.resolve(timedOut ? { kind: 'timedOut' } : { kind: 'waiting' }),
  });
  const run = await stage.start('provision');
  await fakes.called('bootInspector');
  await flood(run.workflowId, 20 * AT_ONCE, () => run.signal(inspectionReported, { claim: 'claim-1' }));
  await expect(run.result()).rejects.toThrow();
  const looks = fakes.inputs('takeReport');
  expect(looks.at(-1)?.timedOut).toBe(true);
  expect(looks.length).toBeLessThanOrEqual(16);
});

test('in the wait for the hand-over: the same', async () => {
  let isOver = false;
  const fakes = stage.prepare((well) => ({
    settleHandover: () => Promise.resolve(isOver ? { kind: 'provisioned' } : ({ kind: 'waiting' } as never)),
    claimHost: async (input) =>
      claims(
        stage.env,
        {},
        fakesRuns() > 1 ? { stage: 'Armed', isAdopted: true, inspectionDeadline: await inMs(stage.env, 600_000) } : {},
      )(input),
    openProvisioning: well.openProvisioning,
  }));
  const fakesRuns = () => fakes.inputs('claimHost').length;
  const run = await stage.start('provision');
  const current = stage.env.client.workflow.getHandle(run.workflowId);
  await fakes.called('settleHandover');
  await flood(run.workflowId, FULL + AT_ONCE, () => current.signal(handoverReported, { claim: 'claim-1' }));
  await fakes.called('claimHost', 2);
  isOver = true;
  await current.signal(handoverReported, { claim: 'claim-1' });
  await expect(current.result()).resolves.toContain('was provisioned');
  expect(fakes.inputs('settleHandover').length).toBeLessThan(25);
});

test('an orphan’s wait continues in a fresh history, where only the rest is waited', async () => {
  const fakes = stage.prepare();
  const input = { ...releaseInput(fakes), orphanAfterMs: 600_000 };
  const run = await stage.start('release', { ...input, uid: fakes.machine.uid }, { args: [input] });
  const { runId } = await run.describe();
  const current = stage.env.client.workflow.getHandle(run.workflowId);
  await flood(run.workflowId, FULL + AT_ONCE, () => current.signal(hostChanged, {}));
  await expect(current.result()).resolves.toContain('was released');
  const closed = await stage.env.client.workflow.getHandle(run.workflowId, runId).describe();
  expect(closed.status.name).toBe('CONTINUED_AS_NEW');
});

test('a deletion that is told again and again that its host is free: a fresh history, which begins from the facts', async () => {
  let isBack = false;
  const fakes = stage.prepare({
    releaseHost: () => (isBack ? Promise.resolve({ kind: 'released' }) : Promise.reject(bmcDown())),
  });
  const first = await stage.start('deprovision');
  const { runId } = await first.describe();
  await fakes.called('releaseHost');
  const { host: name, id: claim } = claimRef(fakes.machine);
  const current = stage.env.client.workflow.getHandle(first.workflowId);
  await flood(first.workflowId, FULL + AT_ONCE, () => current.signal(claimEnded, { claim }));
  await fakes.called('checkDeprovision', 2);
  const closed = await stage.env.client.workflow.getHandle(first.workflowId, runId).describe();
  expect(closed.status.name).toBe('CONTINUED_AS_NEW');
  expect(fakes.inputs('markReleasing').length).toBeLessThan(20);
  expect(fakes.names()).not.toContain('removeMachineFinalizer');
  isBack = true;
  const release = stage.env.client.workflow.getHandle(workflowId('release', { namespace: 'ns', name }));
  await release.signal(hostChanged, {});
  await expect(current.result()).resolves.toContain('was deprovisioned');
});
