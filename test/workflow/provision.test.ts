import { afterAll, beforeAll, describe, expect, jest, test } from '@jest/globals';
import { IN_FLIGHT_MS } from '../../model/deadlines.ts';
import { handoverReported, hostAvailable, inspectionReported, osReported, progress } from '../../contracts/messages.ts';
import { failedReason, lastedMs } from './ended.ts';
import { bmcDown, claims, HARDWARE, inMs, runOf, type Overrides } from './fakes.ts';
import { Stage } from './stage.ts';

jest.setTimeout(60_000);

let stage: Stage;
beforeAll(async () => void (stage = await Stage.open()));
afterAll(() => stage.close());

const MINUTE_MS = 60_000;
const WELL = [
  'claimHost',
  'prepareBoot',
  'acquirePowerOnPermit',
  'bootInspector',
  'takeReport',
  'clearNetworkBoot',
  'openProvisioning',
  'settleHandover',
];
const bootsSilently = async () => ({ inspectionDeadline: await inMs(stage.env, 10 * MINUTE_MS) });

describe('a provisioning that goes well', () => {
  test('does its steps in order and nothing else', async () => {
    const fakes = stage.prepare();
    const run = await stage.start('provision');
    await expect(run.result()).resolves.toContain(`was provisioned on host host-${fakes.machine.name}-1`);
    expect(fakes.names()).toEqual(WELL);
  });

  test.each<[string, Overrides]>([
    ['is left as it is: the hand-over goes on', { clearNetworkBoot: async () => ({ kind: 'left', message: 'no' }) }],
    ['fails: the hand-over goes on', { clearNetworkBoot: () => Promise.reject(bmcDown()) }],
  ])('the network boot that its BMC keeps %s', async (_what, overrides) => {
    const fakes = stage.prepare(overrides);
    const run = await stage.start('provision');
    await expect(run.result()).resolves.toContain('was provisioned');
    expect(fakes.names()).toEqual(WELL);
  });

  test('something may still arrive at its BMC: the hand-over waits until it has', async () => {
    let until: string | undefined;
    const fakes = stage.prepare((well) => ({
      openProvisioning: async (input) => {
        if (until !== undefined) return well.openProvisioning(input);
        until = await inMs(stage.env, IN_FLIGHT_MS);
        return { inFlightUntil: until };
      },
    }));
    const run = await stage.start('provision');
    await expect(run.result()).resolves.toContain('was provisioned');
    expect(fakes.inputs('openProvisioning')).toHaveLength(2);
    const { startTime, closeTime } = await run.describe();
    expect((closeTime?.getTime() ?? 0) - startTime.getTime()).toBeGreaterThanOrEqual(IN_FLIGHT_MS);
  });

  test('hands each activity the claim and where the machine was written last', async () => {
    const fakes = stage.prepare();
    const run = await stage.start('provision');
    await run.result();
    const { runId } = await run.describe();
    expect(fakes.inputs('prepareBoot')[0]).toMatchObject({
      claim: { id: 'claim-1', machine: fakes.machine },
      run: { machine: fakes.machine, workflow: { id: run.workflowId, runID: runId }, machineVersion: '2' },
    });
    expect(fakes.inputs('takeReport')[0]).toMatchObject({ timedOut: false, run: { machineVersion: '3' } });
    expect(fakes.inputs('settleHandover')[0]).toMatchObject({ run: { machineVersion: '4' } });
  });

  test('the run waits for the report and takes it minutes later', async () => {
    const fakes = stage.prepare({ bootInspector: bootsSilently });
    const run = await stage.start('provision');
    await fakes.called('bootInspector');
    await stage.env.sleep('9 minutes');
    expect(fakes.names()).not.toContain('takeReport');
    await run.signal(inspectionReported, { claim: 'claim-1' });
    await run.result();
    expect(fakes.inputs('takeReport').map(({ timedOut }) => timedOut)).toEqual([false]);
  });

  test('facts of other claims are ignored', async () => {
    const fakes = stage.prepare({
      bootInspector: async () => {
        await runOf(stage.env, fakes.machine).signal(inspectionReported, { claim: 'another-claim' });
        return bootsSilently();
      },
    });
    const run = await stage.start('provision');
    await fakes.called('bootInspector');
    await stage.env.sleep('2 minutes');
    await run.signal(inspectionReported, { claim: 'claim-2' });
    await stage.env.sleep('2 minutes');
    expect(fakes.names()).not.toContain('takeReport');
    await run.signal(inspectionReported, { claim: 'claim-1' });
    await expect(run.result()).resolves.toContain('was provisioned');
  });

  test('a signal without a stored report is a hint only: the run goes on waiting', async () => {
    let isStored = false;
    const fakes = stage.prepare({
      takeReport: () => Promise.resolve(isStored ? { kind: 'reported', hardware: HARDWARE } : { kind: 'waiting' }),
    });
    const run = await stage.start('provision');
    await fakes.called('takeReport');
    isStored = true;
    await stage.env.sleep('1 minute');
    await run.signal(inspectionReported, { claim: 'claim-1' });
    await run.result();
    expect(fakes.inputs('takeReport').map(({ timedOut }) => timedOut)).toEqual([false, false]);
  });

  test('a report that is found when the timer fires is as good as any', async () => {
    const fakes = stage.prepare({ bootInspector: bootsSilently });
    const run = await stage.start('provision');
    await expect(run.result()).resolves.toContain('was provisioned');
    expect(fakes.inputs('takeReport').map(({ timedOut }) => timedOut)).toEqual([true]);
  });

  test('a hand-over is looked for once more when the wait for it is over', async () => {
    const fakes = stage.prepare({
      openProvisioning: async () => ({ deadline: await inMs(stage.env, 20 * MINUTE_MS) }),
    });
    await expect((await stage.start('provision')).result()).resolves.toContain('was provisioned');
    expect(fakes.inputs('settleHandover')).toHaveLength(1);
  });

  test('a fact that comes in while the report is being taken is not lost', async () => {
    const fakes = stage.prepare({
      takeReport: async ({ claim }) => {
        await runOf(stage.env, fakes.machine).signal(handoverReported, { claim: claim.id });
        return { kind: 'reported', hardware: HARDWARE };
      },
      openProvisioning: async () => ({ deadline: await inMs(stage.env, 20 * MINUTE_MS) }),
      settleHandover: () => Promise.resolve({ kind: 'failed', reason: 'no disk' }),
    });
    const run = await stage.start('provision');
    expect(await failedReason(run)).toBe('ProvisionFailed');
    expect(await lastedMs(run)).toBeLessThan(5 * MINUTE_MS);
  });

  test('readyWhen OSReported waits for the second word', async () => {
    const fakes = stage.prepare({
      claimHost: claims(stage.env, { readyWhen: 'OSReported' }),
      settleHandover: () =>
        Promise.resolve(fakes.inputs('settleHandover').length > 1 ? { kind: 'provisioned' } : { kind: 'waiting' }),
    });
    const run = await stage.start('provision');
    await fakes.called('settleHandover');
    await stage.env.sleep('3 minutes');
    await run.signal(osReported, { claim: 'claim-1' });
    await expect(run.result()).resolves.toContain('was provisioned');
  });
});

describe('waiting for a host', () => {
  test('costs nothing until the watcher wakes the run', async () => {
    let isFree = false;
    const fakes = stage.prepare({
      claimHost: async (input) =>
        isFree
          ? claims(stage.env)(input)
          : { kind: 'noMatchingHost', message: 'no free host fits', machineVersion: '9' },
    });
    const run = await stage.start('provision');
    await fakes.called('claimHost');
    await stage.env.sleep('3 days');
    expect(fakes.names()).toEqual(['claimHost']);
    await expect(run.query(progress)).resolves.toMatchObject({
      phase: 'Claiming',
      waitingFor: 'a free host that fits',
      why: 'no free host fits',
    });
    await run.signal(hostAvailable);
    await fakes.called('claimHost', 2);
    isFree = true;
    await run.signal(hostAvailable);
    await run.result();
    expect(fakes.names().filter((name) => name === 'claimHost').length).toBeGreaterThanOrEqual(3);
    expect(fakes.inputs('claimHost').at(-1)?.run.machineVersion).toBe('9');
  });

  test('a wake while the claim is being tried is not lost', async () => {
    let tries = 0;
    const fakes = stage.prepare({
      claimHost: async (input) => {
        tries += 1;
        if (tries > 1) return claims(stage.env)(input);
        await runOf(stage.env, fakes.machine).signal(hostAvailable);
        return { kind: 'noMatchingHost', message: 'no free host fits' };
      },
    });
    await expect((await stage.start('provision')).result()).resolves.toContain('was provisioned');
    expect(tries).toBe(2);
  });

  test.each(['Gone', 'Deleting', 'Paused', 'Moving', 'AlreadyHandled', 'AlreadyProvisioned'] as const)(
    'nothing is touched when no work is due: %s',
    async (reason) => {
      const fakes = stage.prepare({
        claimHost: () => Promise.resolve({ kind: 'notDue', reason, message: `not due: ${reason}` }),
      });
      await expect((await stage.start('provision')).result()).resolves.toBe(`not due: ${reason}`);
      expect(fakes.names()).toEqual(['claimHost']);
    },
  );
});

describe('what an operator sees', () => {
  test('the query progress follows the run', async () => {
    const fakes = stage.prepare({ bootInspector: bootsSilently });
    const run = await stage.start('provision');
    await fakes.called('bootInspector');
    await stage.env.sleep('1 minute');
    const seen = await run.query(progress);
    expect(seen).toMatchObject({
      phase: 'Inspecting',
      host: `host-${fakes.machine.name}-1`,
      claim: 'claim-1',
      attempt: 1,
      waitingFor: 'the report of the inspection image',
    });
    expect(Date.parse(seen.deadline ?? '') - Date.parse(seen.since)).toBeGreaterThan(9 * MINUTE_MS);
    await run.signal(inspectionReported, { claim: 'claim-1' });
    await run.result();
    await expect(run.query(progress)).resolves.toMatchObject({ phase: 'Provisioned' });
  });
});
