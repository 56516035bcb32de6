import { afterEach, beforeEach, describe, expect, jest, test } from '@jest/globals';
import { MachineWatcher } from '../../../controllers/machineWatcher.ts';
import type { ClaimStage } from '../../../model/claim.ts';
import type { Beskar7Machine } from '../../../crds/beskar7Machine.ts';
import {
  ANNOTATION_BLOCK_MOVE,
  ANNOTATION_DELETE_FOR_MOVE,
  ANNOTATION_PAUSED,
  ANNOTATION_RETRY,
} from '../../../crds/names.ts';
import { capiCluster, CLAIM, claimedHost, DELETED, handled, machine, OURS, OWNED } from './builders.ts';
import { FakeKube, FakeStarter, fakeInformers, logger } from './fakes.ts';

let informers: ReturnType<typeof fakeInformers>;
let starter: FakeStarter;
let kube: FakeKube;
let events: string[];
let watcher: MachineWatcher;

beforeEach(() => {
  jest.useFakeTimers();
  jest.spyOn(Math, 'random').mockReturnValue(0.5);
  informers = fakeInformers();
  starter = new FakeStarter();
  kube = new FakeKube();
  events = [];
  const recorder = { event: (_object: object, _type: string, reason: string) => void events.push(reason) };
  watcher = new MachineWatcher({ kube: kube.client, informers, starter, logger, recorder });
  watcher.start();
});
afterEach(async () => {
  await watcher.stop();
  jest.restoreAllMocks();
  jest.useRealTimers();
});

const pass = (ms = 0) => jest.advanceTimersByTimeAsync(ms);
const START = 'start provision ns/m';
const WORKFLOW = { id: 'w', runID: 'r' };

async function put(of: Beskar7Machine, ms = 0): Promise<void> {
  informers.machines.put(of);
  await pass(ms);
}

const running = (phase: 'Claiming' | 'Inspecting' | 'Provisioning', spec = {}) =>
  machine({ metadata: OURS, spec, status: { phase, workflow: { id: 'w', runID: 'r' } } });

test('an alarm of the host is told on the machine, with one event, and taken back', async () => {
  const off = {
    type: 'UnexpectedlyOff',
    status: 'True' as const,
    reason: 'OffInUse',
    message: 'off',
    lastTransitionTime: '2026-01-01T00:00:00Z',
  };
  const provisioned = (conditions: (typeof off)[]) =>
    machine({
      metadata: { ...OURS, annotations: handled(machine(), 'Provisioned') },
      spec: { providerID: 'b7://ns/h/m' },
      status: { phase: 'Provisioned', conditions },
    });
  await put(provisioned([]));
  informers.hosts.put(claimedHost('HandedOver', { state: 'Ready', conditions: [off] }));
  await pass();
  expect(kube.applied.at(-1)?.status.conditions).toMatchObject([{ type: 'UnexpectedlyOff', reason: 'OffInUse' }]);
  expect(events).toEqual(['UnexpectedlyOff']);
  await put(provisioned([off]));
  expect(kube.applied).toHaveLength(1);
  informers.hosts.put(
    claimedHost('HandedOver', { state: 'Ready', conditions: [{ ...off, status: 'False' as never }] }),
  );
  await pass();
  expect(kube.applied.at(-1)?.status.conditions).toEqual([]);
  expect(events).toHaveLength(1);
});

describe('starts', () => {
  test('once, whatever the run writes, and again at the resync: the run may have been terminated', async () => {
    await put(machine());
    for (const phase of ['Claiming', 'Inspecting', 'Provisioning'] as const) await put(running(phase), 1000);
    expect(starter.calls).toEqual([START]);
    starter.result = 'running';
    await pass(60_000);
    expect(starter.calls).toEqual([START, START]);
    await pass(60_000);
    expect(starter.calls).toHaveLength(3);
    expect(kube.applied).toEqual([]);
  });

  test('at once for a retry, and for a deletion', async () => {
    const failed = machine({
      metadata: { ...OURS, annotations: handled(machine(), 'Failed') },
      status: { phase: 'Failed' },
    });
    await put(failed, 100_000);
    expect(starter.calls).toEqual([]);
    const retried = {
      ...failed,
      metadata: { ...failed.metadata, annotations: { ...failed.metadata.annotations, [ANNOTATION_RETRY]: '1' } },
    };
    await put(retried);
    expect(starter.calls).toEqual([START]);
    await put(machine({ metadata: { ...OURS, ...DELETED } }));
    expect(starter.calls).toEqual([START, 'start deprovision ns/m']);
  });

  test('for a machine whose end stands nowhere but in the annotation, when that has lasted; not while a run writes it', async () => {
    const annotations = handled(machine(), 'Failed');
    const inspecting = running('Inspecting');
    const ending = { ...inspecting, metadata: { ...inspecting.metadata, annotations } };
    const ended = { ...ending, status: { ...ending.status, phase: 'Failed' as const } };
    await put(ending, 4_900);
    await put(ended, 100_000);
    expect(starter.calls).toEqual([]);
    await put(ending, 4_900);
    expect(starter.calls).toEqual([]);
    await pass(200);
    expect(starter.calls).toEqual([START]);
    await put(ended, 100_000);
    expect(starter.calls).toEqual([START]);
  });

  test('backs off while the open run belongs to an earlier machine of the name', async () => {
    starter.result = 'otherObject';
    await put(machine(), 10_000);
    const tries = starter.calls.filter((call) => call === START).length;
    expect(tries).toBeGreaterThan(2);
    expect(tries).toBeLessThan(8);
    starter.result = 'started';
    await pass(30_000);
    const started = starter.calls.length;
    await put(running('Claiming'), 10_000);
    expect(starter.calls).toHaveLength(started);
  });

  test('wakes that earlier run, which may wait for a host for ever, at once and then with each resync', async () => {
    starter.result = 'otherObject';
    await put(machine());
    expect(starter.calls).toEqual([START, 'wake m']);
    await pass(50_000);
    const wakes = () => starter.calls.filter((call) => call === 'wake m');
    expect(wakes()).toHaveLength(1);
    await pass(50_000);
    expect(wakes()).toHaveLength(2);
  });

  test('and says on the machine what holds it up when that lasts, once', async () => {
    starter.result = 'otherObject';
    await put(machine(), 9_000);
    expect(kube.applied).toEqual([]);
    await pass(20_000);
    expect(kube.applied).toMatchObject([
      {
        metadata: { uid: 'm-uid', resourceVersion: '1' },
        status: { phase: 'Pending', conditions: [{ type: 'Ready', status: 'False', reason: 'WaitingForEarlierRun' }] },
      },
    ]);
    expect(events).toEqual(['WaitingForEarlierRun']);
    await put(machine({ status: kube.applied[0]?.status as never }), 100_000);
    expect(kube.applied).toHaveLength(1);
    expect(events).toHaveLength(1);
  });

  test('a paused one that holds up a move says that it is paused, and has an event', async () => {
    starter.result = 'otherObject';
    const annotations = { [ANNOTATION_BLOCK_MOVE]: 'true', [ANNOTATION_PAUSED]: '' };
    const paused = machine({ metadata: { ...OURS, annotations } });
    await put(paused);
    const told = machine({ metadata: { ...OURS, annotations }, status: kube.applied[0]?.status as never });
    await put(told, 30_000);
    expect(starter.calls).toContain('wake m');
    expect(kube.applied).toHaveLength(1);
    expect(events).toEqual(['WaitingForEarlierRun']);
  });

  test('and each time it goes on it says what holds it up, without another event', async () => {
    starter.result = 'otherObject';
    const marked = { [ANNOTATION_BLOCK_MOVE]: 'true' };
    let status: Beskar7Machine['status'];
    const look = async (annotations: Record<string, string>) => {
      // Each write is seen at once.
      const restored = (): Beskar7Machine => machine({ metadata: { ...OURS, annotations }, ...(status && { status }) });
      for (let n = 0; n < 10; n += 1) {
        await put(restored(), 3_000);
        status = (kube.applied.at(-1)?.status as never) ?? status;
      }
      return status?.conditions?.map(({ type, reason }) => `${type} ${reason}`);
    };
    for (let round = 0; round < 2; round += 1) {
      expect(await look({ ...marked, [ANNOTATION_PAUSED]: '' })).toEqual(['Paused Paused', 'Ready Paused']);
      expect(await look(marked)).toEqual(['Ready WaitingForEarlierRun']);
    }
    expect(events).toEqual(['WaitingForEarlierRun']);
  });

  test('a machine whose status is a run’s has an event only; a deletion wakes nobody', async () => {
    const JUST_DELETED = { deletionTimestamp: new Date().toISOString() };
    starter.result = 'otherObject';
    await put(
      machine({ metadata: { ...OURS, ...JUST_DELETED }, status: { phase: 'Inspecting', workflow: WORKFLOW } }),
      30_000,
    );
    expect(starter.calls).not.toContain('wake m');
    expect(kube.applied).toEqual([]);
    expect(events).toEqual(['WaitingForEarlierRun']);
  });

  test('an edit during a run is tried until the failed run has closed', async () => {
    const before = machine();
    const edited = machine({
      metadata: { ...OURS, annotations: handled(before, 'Failed') },
      spec: { targetOSImage: 'http://images/other' },
      status: { phase: 'Failed', workflow: { id: 'w', runID: 'r' } },
    });
    starter.result = 'running';
    await put(edited, 3000);
    const tries = starter.calls.length;
    expect(tries).toBeGreaterThan(1);
    starter.result = 'started';
    await pass(5000);
    expect(starter.calls).toHaveLength(tries + 1);
  });

  test('goes on after Temporal was away', async () => {
    starter.failure = new Error('unavailable');
    await put(machine(), 5000);
    starter.failure = undefined;
    await pass(30_000);
    const tries = starter.calls.length;
    await put(running('Claiming'), 5000);
    expect(starter.calls).toHaveLength(tries);
  });

  test('a run that is open and waits for a host, while the status of its machine was lost, is told to look again', async () => {
    starter.result = 'running';
    await put(running('Claiming'));
    expect(starter.calls).toEqual([START]);
    // Of a run that was admitted just now this stands for a moment only.
    await put(machine({ metadata: OURS }), 4_900);
    await put(running('Claiming'), 1_000);
    expect(starter.calls).not.toContain('wake m');
    await put(machine({ metadata: OURS }), 5_100);
    expect(starter.calls.at(-1)).toBe('wake m');
    const calls = starter.calls.length;
    await put(machine({ metadata: OURS }), 20_000);
    expect(starter.calls).toHaveLength(calls);
  });

  test('a machine of a paused Cluster begins when the Cluster goes on', async () => {
    const paused = capiCluster({ spec: { paused: true }, status: { infrastructureReady: true } });
    informers.capiClusters.put(paused);
    await put(machine({ metadata: { ...OWNED, ...OURS } }), 1000);
    expect(starter.calls).toEqual([]);
    informers.capiClusters.put({ ...paused, spec: {} });
    await pass();
    expect(starter.calls).toEqual([START]);
  });
});

describe('paused while clusterctl move waits for its mark', () => {
  const marked = { [ANNOTATION_BLOCK_MOVE]: 'true' };
  const waiting = (annotations: Record<string, string>) =>
    machine({
      metadata: { ...OWNED, ...OURS, annotations },
      status: {
        phase: 'Claiming',
        workflow: { id: 'w', runID: 'r' },
        conditions: [
          {
            type: 'MachineProvisioned',
            status: 'False',
            reason: 'NoMatchingHost',
            message: '',
            lastTransitionTime: 't',
          },
        ],
      },
    });

  test('the run is woken, so that it takes the mark away that clusterctl move waits for', async () => {
    informers.capiClusters.put(capiCluster({ spec: { paused: true }, status: { infrastructureReady: true } }));
    await put(waiting(marked));
    expect(starter.calls).toEqual(['wake m']);
    await put(waiting({}));
    expect(starter.calls).toEqual(['wake m']);
  });

  test('also when its status was lost: it may wait for a host all the same', async () => {
    informers.capiClusters.put(capiCluster({ spec: { paused: true }, status: { infrastructureReady: true } }));
    starter.result = 'running';
    await put(machine({ metadata: { ...OWNED, ...OURS, annotations: marked } }));
    expect(starter.calls).toEqual([START, 'wake m']);
  });

  test('no run hears it, it was terminated: one is started that takes the mark away; once, and again with the resync', async () => {
    starter.isHeard = false;
    informers.capiClusters.put(capiCluster({ spec: { paused: true }, status: { infrastructureReady: true } }));
    await put(waiting(marked));
    expect(starter.calls).toEqual(['wake m', START]);
    for (let n = 0; n < 5; n += 1) await put(waiting(marked), 1_000);
    expect(starter.calls).toHaveLength(2);
    await pass(60_000);
    expect(starter.calls).toEqual(['wake m', START, 'wake m', START]);
    await put(waiting({}), 100_000);
    expect(starter.calls).toHaveLength(4);
    informers.capiClusters.put(capiCluster({ status: { infrastructureReady: true } }));
    await pass();
    expect(starter.calls.slice(4)).toEqual([START]);
  });

  test.each<[string, ClaimStage, string[]]>([
    ['its server is being booted', 'Claimed', []],
    ['its server is being inspected', 'Armed', []],
    ['its server was handed over just now', 'HandedOver', []],
    ['its host is on its way out', 'Releasing', [START]],
  ])('%s', async (_name, stage, expected) => {
    informers.capiClusters.put(capiCluster({ spec: { paused: true }, status: { infrastructureReady: true } }));
    informers.hosts.put(claimedHost(stage));
    const inspecting = running('Inspecting');
    await put({ ...inspecting, metadata: { ...inspecting.metadata, ...OWNED, annotations: marked } }, 10_000);
    expect(starter.calls).toEqual(expected);
  });
});

describe('tells the run again (rule 11)', () => {
  const report = claimedHost('Armed', { inspection: { claim: CLAIM, reportDigest: 'd' } });
  const SIGNAL = `signal inspectionReported m ${CLAIM}`;

  test('only of a fact that stands for a while, and less and less often', async () => {
    await put(running('Inspecting'));
    informers.hosts.put(report);
    await pass(2900);
    expect(starter.calls).toEqual([START]);
    await pass(200);
    expect(starter.calls).toEqual([START, SIGNAL]);
    for (let n = 0; n < 5; n += 1) informers.hosts.put({ ...report });
    await pass(9000);
    expect(starter.calls).toHaveLength(2);
    await pass(20_000);
    expect(starter.calls.filter((call) => call === SIGNAL)).toHaveLength(2);
  });

  test('not of one that the run has read in time', async () => {
    await put(running('Inspecting'));
    informers.hosts.put(report);
    await pass(1000);
    await put(machine({ metadata: OURS, status: { phase: 'Validating', workflow: { id: 'w', runID: 'r' } } }), 30_000);
    expect(starter.calls).toEqual([START]);
  });

  test('of the host that it works with, while another one of an earlier attempt is on its way out', async () => {
    await put(running('Inspecting'));
    const earlier = claimedHost('Releasing', {}, { name: 'a-host', uid: 'a-uid' }, { id: 'claim-0' });
    informers.hosts.put(earlier);
    informers.hosts.put(report);
    await pass(3100);
    expect(starter.calls).toEqual([START, SIGNAL]);
  });

  test('no run hears it: a new one is started', async () => {
    starter.isHeard = false;
    await put(running('Inspecting'));
    informers.hosts.put(report);
    await pass(3100);
    expect(starter.calls).toEqual([START, SIGNAL, START]);
  });
});

describe('writes', () => {
  test('what it waits for, once, with the version it saw', async () => {
    const waiting = machine({ metadata: { labels: OWNED.labels } });
    await put(waiting);
    expect(kube.applied).toMatchObject([
      {
        metadata: { resourceVersion: '1', uid: 'm-uid' },
        status: { phase: 'Pending', conditions: [{ type: 'Ready', reason: 'WaitingForOwner' }] },
      },
    ]);
    await put({ ...waiting, status: kube.applied[0]?.status as never }, 1000);
    expect(kube.applied).toHaveLength(1);
  });

  test('again a moment later when the cache was behind', async () => {
    kube.conflicts = 1;
    await put(machine({ metadata: { labels: OWNED.labels } }));
    expect(kube.applied).toHaveLength(0);
    await pass(1100);
    expect(kube.applied).toHaveLength(1);
  });

  test('how the last run failed, when the status was lost, and leaves it standing', async () => {
    const annotations = handled(machine(), 'Failed', { reason: 'BootFailed' });
    const restored = machine({ metadata: { annotations } });
    await put(restored);
    expect(kube.applied).toMatchObject([
      { status: { phase: 'Failed', conditions: [{ type: 'Ready', status: 'False', reason: 'BootFailed' }] } },
    ]);
    await put({ ...restored, status: kube.applied[0]?.status as never }, 1000);
    expect(kube.applied).toHaveLength(1);
    expect(starter.calls).toEqual([]);
  });

  test('that a change after the hand-over is ignored, with an event, and takes it back', async () => {
    const annotations = handled(machine(), 'Provisioned');
    const status = { phase: 'Provisioned' as const, ready: true, workflow: { id: 'w', runID: 'r' } };
    const spec = { providerID: 'b7://ns/h/m', targetOSImage: 'http://images/other' };
    await put(machine({ metadata: { annotations }, spec, status }));
    expect(kube.applied).toMatchObject([{ status: { conditions: [{ type: 'SpecChangeIgnored' }] } }]);
    expect(events).toEqual(['SpecChangeIgnored']);
    const conditions = kube.applied[0]?.status.conditions as never;
    await put(
      machine({ metadata: { annotations }, spec: { providerID: 'b7://ns/h/m' }, status: { ...status, conditions } }),
    );
    expect(kube.applied[1]?.status.conditions).toEqual([]);
    expect(starter.calls).toEqual([]);
  });
});

describe('a machine that lost its finalizer (kubectl replace)', () => {
  const patched = () => kube.patched as { metadata: { finalizers?: string[]; annotations?: object } }[];

  test.each<[ClaimStage, object | undefined]>([
    ['Armed', { [ANNOTATION_BLOCK_MOVE]: 'true' }],
    ['HandedOver', undefined],
    ['Releasing', undefined],
  ])('and holds a host in %s: gets it back when that has lasted, and says so', async (stage, annotations) => {
    informers.hosts.put(claimedHost(stage));
    await put(
      machine({ metadata: { finalizers: ['other'] }, status: { phase: 'Inspecting', workflow: WORKFLOW } }),
      4_900,
    );
    expect(patched()).toEqual([]);
    await pass(200);
    expect(patched()).toHaveLength(1);
    expect(patched()[0]?.metadata).toEqual({
      finalizers: ['other', 'beskar7.io/machine'],
      uid: 'm-uid',
      resourceVersion: '1',
      ...(annotations ? { annotations } : {}),
    });
    expect(events).toContain('FinalizerRestored');
  });

  test.each([
    ['that holds no host', machine(), false],
    ['that is being deleted', machine({ metadata: DELETED }), true],
    ['that is being moved away', machine({ metadata: { annotations: { [ANNOTATION_DELETE_FOR_MOVE]: '' } } }), true],
    ['that has it', machine({ metadata: OURS }), true],
  ])('not one %s', async (_what, of, isHeld) => {
    if (isHeld) informers.hosts.put(claimedHost('HandedOver'));
    await put(of, 30_000);
    expect(patched()).toEqual([]);
  });

  test('not one that is gone before: whoever took it off has deleted it', async () => {
    informers.hosts.put(claimedHost('HandedOver'));
    await put(machine(), 3_000);
    informers.machines.remove('ns/m');
    await pass(30_000);
    expect(patched()).toEqual([]);
  });
});
