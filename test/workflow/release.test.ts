import { afterAll, beforeAll, describe, expect, jest, test } from '@jest/globals';
import { hostChanged } from '../../contracts/messages.ts';
import { workflowId } from '../../contracts/names.ts';
import { failedReason } from './ended.ts';
import { bmcDown, claimIsLost, claimRef, DEPROVISION_STEPS, nobodyTookIt, releaseInput, type Fakes } from './fakes.ts';
import { Stage } from './stage.ts';

jest.setTimeout(60_000);

let stage: Stage;
beforeAll(async () => void (stage = await Stage.open()));
afterAll(() => stage.close());

describe('a release that does not succeed', () => {
  test('a release run that is open already is left to it', async () => {
    let isBack = false;
    const fakes = stage.prepare({
      takeReport: () => Promise.resolve({ kind: 'timedOut' }),
      releaseHost: () => (isBack ? Promise.resolve({ kind: 'released' }) : Promise.reject(bmcDown())),
    });
    const release = await stage.start('release', releaseInput(fakes));
    await fakes.called('releaseHost');
    expect(await failedReason(await stage.start('provision'))).toBe('InspectionTimeout');
    isBack = true;
    await expect(release.result()).resolves.toContain('was released');
  });

  test('a claim that ended meanwhile is as good as released', async () => {
    const fakes = stage.prepare({
      takeReport: () => Promise.resolve({ kind: 'timedOut' }),
      markReleasing: () => Promise.resolve({ kind: 'ended' }),
    });
    expect(await failedReason(await stage.start('provision'))).toBe('InspectionTimeout');
    expect(fakes.names()).not.toContain('releaseHost');
  });
});

describe('release/<ns>/<host>', () => {
  test('goes on for days, and at once when the host changes', async () => {
    const fakes = stage.prepare({
      releaseHost: () =>
        fakes.inputs('releaseHost').length > 40 ? Promise.resolve({ kind: 'forced' }) : Promise.reject(bmcDown()),
    });
    const release = await stage.start('release', releaseInput(fakes));
    await fakes.called('releaseHost');
    await stage.env.sleep('1 hour');
    const before = fakes.inputs('releaseHost').length;
    expect(before).toBeGreaterThan(10);
    await release.signal(hostChanged, { connectionHash: 'new' });
    await fakes.called('releaseHost', before + 1);
    await expect(release.result()).resolves.toContain('was released');
  });

  test('hears a change of the host while an attempt runs: the next one follows at once', async () => {
    const at: number[] = [];
    const fakes: Fakes = stage.prepare({
      releaseHost: async () => {
        at.push(await stage.env.currentTimeMs());
        if (at.length === 12) return { kind: 'forced' };
        if (at.length === 11) {
          const { host } = claimRef(fakes.machine);
          const id = workflowId('release', { namespace: 'ns', name: host });
          await stage.env.client.workflow.getHandle(id).signal(hostChanged, { connectionHash: 'new' });
        }
        throw bmcDown();
      },
    });
    await expect((await stage.start('release', releaseInput(fakes))).result()).resolves.toContain('was released');
    const waits = at.map((ms, index) => ms - (at[index - 1] ?? ms));
    expect(waits.at(-2)).toBeGreaterThan(200_000);
    expect(waits.at(-1)).toBeLessThan(60_000);
  });

  test('goes on in a fresh history', async () => {
    const fakes = stage.prepare({
      releaseHost: () =>
        fakes.inputs('releaseHost').length > 120 ? Promise.resolve({ kind: 'released' }) : Promise.reject(bmcDown()),
    });
    const release = await stage.start('release', releaseInput(fakes));
    await expect(release.result()).resolves.toContain('was released');
    expect(fakes.inputs('findReleasing').length).toBe(2);
  });

  test('no worker of the pool: that is told, and the word to force it is looked for', async () => {
    const fakes: Fakes = stage.prepare({
      releaseHost: () => Promise.reject(nobodyTookIt()),
      releaseHostUnserved: () =>
        Promise.resolve({ kind: fakes.inputs('releaseHostUnserved').length < 5 ? 'pending' : 'forced' }),
    });
    const release = await stage.start('release', releaseInput(fakes));
    await expect(release.result()).resolves.toContain('was released');
    // To wait for a worker is no attempt: the first one that comes asks the server to shut down in good order.
    expect(fakes.inputs('releaseHostUnserved').map(({ attempt }) => attempt)).toEqual([1, 1, 1, 1, 1]);
  });

  test('of a claim that has ended does nothing', async () => {
    const fakes = stage.prepare({ findReleasing: () => Promise.resolve(undefined) });
    await expect((await stage.start('release', releaseInput(fakes))).result()).resolves.toContain(
      'is not being released',
    );
    expect(fakes.names()).toEqual(['findReleasing']);
  });
});

describe('deprovision/<ns>/<machine>', () => {
  test('ends the provisioning, releases the host, and lets the machine go last', async () => {
    const fakes = stage.prepare({});
    await expect((await stage.start('deprovision')).result()).resolves.toContain('1 host released');
    expect(fakes.names()).toEqual(DEPROVISION_STEPS);
    expect(fakes.inputs('markReleasing')[0]?.stages).toEqual(['Claimed', 'Armed', 'HandedOver', 'Releasing']);
    expect(fakes.inputs('releaseHost')).toHaveLength(1);
  });

  test('a machine without a host just goes', async () => {
    const fakes = stage.prepare({ findClaims: () => Promise.resolve([]) });
    await expect((await stage.start('deprovision')).result()).resolves.toContain('0 hosts released');
    expect(fakes.names()).not.toContain('releaseHost');
  });

  test('nothing is touched when it is not due', async () => {
    const fakes = stage.prepare({
      checkDeprovision: () => Promise.resolve({ kind: 'notDue', message: 'it is paused' }),
    });
    await expect((await stage.start('deprovision')).result()).resolves.toBe('it is paused');
    expect(fakes.names()).toEqual(['checkDeprovision']);
  });

  test('a claim that is lost to somebody else does not let the machine go', async () => {
    const fakes = stage.prepare({ markReleasing: () => Promise.reject(claimIsLost()) });
    await expect((await stage.start('deprovision')).result()).rejects.toThrow();
    expect(fakes.names()).not.toContain('removeMachineFinalizer');
  });
});
