import { afterAll, beforeAll, describe, expect, jest, test } from '@jest/globals';
import type { SettleInput } from '../../activities/provision/handOver.ts';
import { endStatus, failedReason, lastedMs } from './ended.ts';
import { RELEASE_STEPS, bmcDown, claimIsLost, claims, HARDWARE, inMs, type Activities } from './fakes.ts';
import { Stage } from './stage.ts';

jest.setTimeout(60_000);

let stage: Stage;
beforeAll(async () => void (stage = await Stage.open()));
afterAll(() => stage.close());

const MINUTE_MS = 60_000;
const RELEASED = [...RELEASE_STEPS, 'failMachine'];
const bootsSilently = async () => ({ inspectionDeadline: await inMs(stage.env, 10 * MINUTE_MS) });

describe('a failure releases the host first, then tells the machine', () => {
  const failures: [string, () => Partial<Activities>, string][] = [
    [
      'no report within 10 minutes',
      () => ({ bootInspector: bootsSilently, takeReport: () => Promise.resolve({ kind: 'timedOut' }) }),
      'InspectionTimeout',
    ],
    [
      'hardware that does not do',
      () => ({ claimHost: claims(stage.env, { requirements: { minCPUCores: 65, minMemoryGB: 512 } }) }),
      'HardwareRequirementsNotMet',
    ],
    [
      'provision-failed while it inspects',
      () => ({ takeReport: () => Promise.resolve({ kind: 'failed', reason: 'no disk' }) }),
      'ProvisionFailed',
    ],
    [
      'provision-failed while it hands over',
      () => ({ settleHandover: () => Promise.resolve({ kind: 'failed', reason: 'image has another digest' }) }),
      'ProvisionFailed',
    ],
    [
      'no hand-over within 20 minutes',
      () => ({
        settleHandover: ({ timedOut }: SettleInput) =>
          Promise.resolve({ kind: timedOut === undefined ? ('waiting' as const) : ('timedOut' as const) }),
      }),
      'ProvisioningTimeout',
    ],
  ];
  test.each(failures)('%s', async (_name, overrides, reason) => {
    const fakes = stage.prepare(overrides());
    const run = await stage.start('provision');
    expect(await failedReason(run)).toBe(reason);
    expect(fakes.names().slice(-RELEASED.length)).toEqual(RELEASED);
    expect(fakes.inputs('markReleasing')[0]).toMatchObject({ stages: ['Claimed', 'Armed'], claim: { id: 'claim-1' } });
    expect(fakes.inputs('markReleasing')[0]?.reason).toMatch(new RegExp(`^${reason}: `));
    expect(fakes.inputs('releaseHost')[0]).toMatchObject({ attempt: 1 });
    expect(fakes.inputs('failMachine')[0]).toMatchObject({
      outcome: 'Failed',
      reason,
      plan: { specHash: 'hash' },
      host: `host-${fakes.machine.name}-1`,
    });
  });

  test('no hand-over, and the API server refuses to have that written: the machine says so', async () => {
    const fakes = stage.prepare({
      settleHandover: ({ timedOut }: SettleInput) =>
        Promise.resolve(
          timedOut === undefined ? { kind: 'waiting' as const } : { kind: 'timedOut' as const, refusal: 'denied' },
        ),
    });
    const run = await stage.start('provision');
    expect(await failedReason(run)).toBe('ProvisioningTimeout');
    expect(fakes.inputs('failMachine')[0]?.message).toContain('The host could not be written: denied.');
    expect(fakes.names().slice(-RELEASED.length)).toEqual(RELEASED);
  });

  test.each([
    [true, /Z\. It fetched its boot script: look at its console/],
    [false, /Z\. It did not fetch its boot script either: look at its DHCP/],
  ])('no report: the message says how far the server came (script fetched: %s)', async (wasScriptFetched, text) => {
    const fakes = stage.prepare({
      bootInspector: bootsSilently,
      takeReport: () => Promise.resolve({ kind: 'timedOut', wasScriptFetched }),
    });
    expect(await failedReason(await stage.start('provision'))).toBe('InspectionTimeout');
    expect(fakes.inputs('failMachine')[0]?.message).toMatch(text);
  });

  test('the message says what was asked for and what was found', async () => {
    const fakes = stage.prepare({ claimHost: claims(stage.env, { requirements: { minCPUCores: 65 } }) });
    await failedReason(await stage.start('provision'));
    expect(fakes.inputs('failMachine')[0]?.message).toContain('minCPUCores: 65 asked for, 64 found');
    expect(fakes.names()).not.toContain('openProvisioning');
  });
});

describe('timeouts', () => {
  test('the inspection timeout fires after 10 minutes, not before, and asks the host once more', async () => {
    const fakes = stage.prepare({
      bootInspector: bootsSilently,
      takeReport: ({ timedOut }) => Promise.resolve({ kind: timedOut ? 'timedOut' : 'waiting' }),
    });
    const run = await stage.start('provision');
    await failedReason(run);
    expect(fakes.inputs('takeReport').map(({ timedOut }) => timedOut)).toEqual([true]);
    const tookMs = await lastedMs(run);
    expect(tookMs).toBeGreaterThanOrEqual(10 * MINUTE_MS);
    expect(tookMs).toBeLessThan(10.5 * MINUTE_MS);
  });

  test('the provisioning timeout fires after 20 minutes', async () => {
    const fakes = stage.prepare({ settleHandover: () => Promise.resolve({ kind: 'waiting' }) });
    const run = await stage.start('provision');
    expect(await failedReason(run)).toBe('ProvisioningTimeout');
    // Once for the signal, once when the timer had fired: that one may end the claim, and says what its release says.
    const [told, late] = fakes.inputs('settleHandover');
    expect(fakes.inputs('settleHandover')).toHaveLength(2);
    expect(told?.timedOut).toBeUndefined();
    expect(late?.timedOut).toMatch(/^ProvisioningTimeout: Host \S+ did not hand over until /);
    expect(fakes.inputs('markReleasing')[0]?.reason).toBe(late?.timedOut);
    expect(Math.round((await lastedMs(run)) / MINUTE_MS)).toBe(20);
  });

  test('a BMC that does not answer is tried with growing delays until the boot deadline', async () => {
    const fakes = stage.prepare({ prepareBoot: () => Promise.reject(bmcDown()) });
    const run = await stage.start('provision');
    expect(await failedReason(run)).toBe('BootFailed');
    const tookMs = await lastedMs(run);
    expect(tookMs).toBeGreaterThan(9 * MINUTE_MS);
    expect(tookMs).toBeLessThan(10.5 * MINUTE_MS);
    const told = fakes.inputs('reportProgress');
    expect(told.length).toBeGreaterThan(15);
    expect(told.length).toBeLessThan(40);
    expect(told[0]).toMatchObject({ phase: 'Claiming', reason: 'ClaimingHost', claim: { id: 'claim-1' } });
    expect(told[0]?.message).toMatch(/attempt 1, failed: connection refused\. Next attempt at .*, until .* at most/);
    expect(fakes.names()).not.toContain('acquirePowerOnPermit');
    expect(fakes.names().slice(-RELEASED.length)).toEqual(RELEASED);
  });

  test('a boot that succeeds at the third try goes on', async () => {
    let tries = 0;
    const fakes = stage.prepare((well) => ({
      bootInspector: (input) => {
        tries += 1;
        return tries < 3 ? Promise.reject(bmcDown()) : well.bootInspector(input);
      },
    }));
    await expect((await stage.start('provision')).result()).resolves.toContain('was provisioned');
    expect(fakes.inputs('prepareBoot')).toHaveLength(3);
    expect(fakes.inputs('acquirePowerOnPermit')).toHaveLength(3);
  });

  test('a worker that shuts down costs no waiting', async () => {
    let tries = 0;
    const fakes = stage.prepare({
      prepareBoot: () => {
        tries += 1;
        return tries === 1 ? Promise.reject(Object.assign(bmcDown(), { type: 'WorkerShutdown' })) : Promise.resolve();
      },
    });
    await (await stage.start('provision')).result();
    expect(fakes.inputs('prepareBoot')).toHaveLength(2);
    expect(fakes.names()).not.toContain('reportProgress');
  });
});

describe('a lost claim', () => {
  const losses: (keyof Activities)[] = [
    'prepareBoot',
    'bootInspector',
    'takeReport',
    'openProvisioning',
    'settleHandover',
  ];
  test.each(losses)('found by %s: the run ends and compensates nothing', async (name) => {
    const fakes = stage.prepare({ [name]: () => Promise.reject(claimIsLost()) });
    expect(await failedReason(await stage.start('provision'))).toBe('ClaimLost');
    expect(fakes.names()).not.toContain('markReleasing');
    expect(fakes.names()).not.toContain('releaseHost');
    expect(fakes.inputs('failMachine')[0]).toMatchObject({ outcome: 'Failed', reason: 'ClaimLost' });
  });

  test('found by the release itself', async () => {
    const fakes = stage.prepare({
      takeReport: () => Promise.resolve({ kind: 'timedOut' }),
      markReleasing: () => Promise.reject(claimIsLost()),
    });
    expect(await failedReason(await stage.start('provision'))).toBe('ClaimLost');
    expect(fakes.names()).not.toContain('releaseHost');
  });

  test('found while a host is being claimed: another one is looked for', async () => {
    let tries = 0;
    stage.prepare({
      claimHost: (input) => {
        tries += 1;
        return tries === 1 ? Promise.reject(claimIsLost('the host is gone')) : claims(stage.env)(input);
      },
    });
    await expect((await stage.start('provision')).result()).resolves.toContain('was provisioned');
  });
});

describe('several attempts', () => {
  test('the next one takes another host and knows the first', async () => {
    const fakes = stage.prepare({
      claimHost: claims(stage.env, { attempts: 2 }),
      takeReport: ({ claim }) =>
        Promise.resolve(claim.id === 'claim-1' ? { kind: 'timedOut' } : { kind: 'reported', hardware: HARDWARE }),
    });
    await expect((await stage.start('provision')).result()).resolves.toContain(`host-${fakes.machine.name}-2`);
    expect(fakes.inputs('claimHost').map(({ attempt, tried }) => ({ attempt, tried }))).toEqual([
      { attempt: 1, tried: [] },
      { attempt: 2, tried: [`host-${fakes.machine.name}-1`] },
    ]);
    const [progress] = fakes.inputs('reportProgress');
    expect(progress).toMatchObject({ reason: 'RetryingOnAnotherHost', failed: { reason: 'InspectionTimeout' } });
    expect(fakes.names()).not.toContain('failMachine');
  });

  test('the last failure is the reason, and those before it are told from then on to the end', async () => {
    const fakes = stage.prepare({
      claimHost: claims(stage.env, { attempts: 2 }),
      takeReport: ({ claim }) =>
        Promise.resolve(claim.id === 'claim-1' ? { kind: 'timedOut' } : { kind: 'failed', reason: 'no disk' }),
    });
    expect(await failedReason(await stage.start('provision'))).toBe('ProvisionFailed');
    expect(fakes.inputs('releaseHost')).toHaveLength(2);
    expect(fakes.inputs('failMachine')).toHaveLength(1);
    const attempt = expect.stringMatching(/^Attempt 1 of 2 failed \(InspectionTimeout\): Host host-m-\d+-1 sent no/);
    const told = { run: { earlierAttempts: [attempt] } };
    expect(fakes.inputs('reportProgress')).toMatchObject([{ ...told, failed: { message: attempt } }]);
    expect(fakes.inputs('claimHost')[1]).toMatchObject(told);
    expect(fakes.inputs('failMachine')[0]).toMatchObject(told);
  });

  test('what failed in a history before this one is told on, and nothing grows without bound', async () => {
    const before = 'Attempt 1 of 3 failed (BootFailed): Host h did not boot.';
    const fakes = stage.prepare({
      claimHost: async (input) => ({
        ...(await claims(stage.env, { attempts: 3 }, { attempt: input.attempt + 1 })(input)),
        ...(input.attempt === 1 ? { earlierAttempts: [before] } : {}),
      }),
      takeReport: () => Promise.resolve({ kind: 'failed', reason: 'x'.repeat(5_000) }),
    });
    expect(await failedReason(await stage.start('provision'))).toBe('ProvisionFailed');
    const told = fakes.inputs('failMachine')[0]?.run.earlierAttempts ?? [];
    expect(told).toEqual([before, expect.stringMatching(/^Attempt 2 of 3 failed \(ProvisionFailed\): .*x…$/)]);
    expect(told[1]).toHaveLength(400);
  });

  test('what no other host can mend is not tried again', async () => {
    const fakes = stage.prepare({
      claimHost: claims(stage.env, { attempts: 3 }),
      bootInspector: () =>
        Promise.reject(Object.assign(claimIsLost('no boot file'), { type: 'InvalidBootConfiguration' })),
    });
    expect(await failedReason(await stage.start('provision'))).toBe('InvalidBootConfiguration');
    expect(fakes.inputs('claimHost')).toHaveLength(1);
  });
});

test.each(['claimHost', 'takeReport', 'openProvisioning', 'failMachine', 'markReleasing'] as const)(
  'an ordinary error in %s is repeated by Temporal until it works',
  async (name) => {
    let tries = 0;
    const fails = name === 'failMachine' || name === 'markReleasing';
    stage.prepare((well) => ({
      ...(fails ? { settleHandover: () => Promise.resolve({ kind: 'failed', reason: 'no disk' }) } : {}),
      [name]: (input: never) => {
        tries += 1;
        return tries < 3 ? Promise.reject(new TypeError('the API server is away')) : well[name](input);
      },
    }));
    expect(await endStatus(await stage.start('provision'))).toBe(fails ? 'FAILED' : 'COMPLETED');
    expect(tries).toBe(3);
  },
);

test.each(['prepareBoot', 'bootInspector'] as const)('an ordinary error in %s ends no run in limbo', async (name) => {
  const fakes = stage.prepare({
    settleHandover: () => Promise.resolve({ kind: 'failed', reason: 'no disk' }),
    [name]: () => Promise.reject(new TypeError('undefined is not a function')),
  });
  expect(await endStatus(await stage.start('provision'))).toBe('FAILED');
  expect(fakes.inputs('failMachine')).toHaveLength(1);
});
