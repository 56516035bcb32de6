import { setTimeout } from 'node:timers/promises';
import { afterAll, beforeAll, expect, jest, test } from '@jest/globals';
import { hostAvailable } from '../../contracts/messages.ts';
import { claims } from './fakes.ts';
import { realServer, Stage } from './stage.ts';

jest.setTimeout(60_000);

let stage: Stage;
beforeAll(async () => void (stage = await Stage.open(() => realServer(60))));
afterAll(() => stage.close());

test('a machine that is woken again and again in vain goes on in a fresh history, and waits on there', async () => {
  let isFree = false;
  const fakes = stage.prepare({
    claimHost: (input) =>
      isFree ? claims(stage.env)(input) : Promise.resolve({ kind: 'noMatchingHost', message: 'no free host fits' }),
  });
  const first = await stage.start('provision');
  const current = stage.env.client.workflow.getHandle(first.workflowId);
  const { runId } = await first.describe();
  let wakes = 0;
  while ((await current.describe()).runId === runId) {
    if ((wakes += 1) > 60) throw new Error('woken 60 times, and still in its first history');
    const before = fakes.inputs('claimHost').length;
    await current.signal(hostAvailable);
    // A wake that finds the run on its way to the next history is answered there.
    await Promise.race([fakes.called('claimHost', before + 1), setTimeout(2_000)]);
  }
  const followUp = await current.describe();
  const closed = await stage.env.client.workflow.getHandle(first.workflowId, runId).describe();
  expect(closed.status.name).toBe('CONTINUED_AS_NEW');
  expect(closed.historyLength).toBeLessThan(120);
  expect(followUp.memo).toEqual({ uid: fakes.machine.uid });
  const tried = fakes.inputs('claimHost').at(-1);
  expect(tried).toMatchObject({ run: { machine: fakes.machine }, attempt: 1, tried: [] });

  isFree = true;
  await current.signal(hostAvailable);
  await expect(current.result()).resolves.toContain('was provisioned');
  // With so few events it continues once more while it waits for the server, and adopts its claim there.
  expect(fakes.inputs('claimHost').map(({ run }) => run.workflow.runID)).toContain(followUp.runId);
  expect(fakes.names()).not.toContain('failMachine');
});
