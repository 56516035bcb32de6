import { afterEach, beforeEach, describe, expect, jest, test } from '@jest/globals';
import { HostWatcher } from '../../../controllers/hostWatcher.ts';
import { connectionHash } from '../../../model/connection.ts';
import {
  ANNOTATION_DELETE_FOR_MOVE,
  ANNOTATION_FORCE_RELEASE,
  ANNOTATION_HANDLED,
  ANNOTATION_PAUSED,
  FINALIZER_HOST,
} from '../../../crds/names.ts';
import type { PhysicalHost } from '../../../crds/physicalHost.ts';
import { serializeServer } from '../../../model/serverIdentity.ts';
import { capiCluster, CLAIM, claimedHost, DELETED, freeHost, host, machine, OWNED } from './builders.ts';
import { FakeKube, FakeStarter, fakeInformers, logger } from './fakes.ts';

let informers: ReturnType<typeof fakeInformers>;
let starter: FakeStarter;
let kube: FakeKube;
let events: string[];
let watcher: HostWatcher;

beforeEach(() => {
  jest.useFakeTimers();
  jest.spyOn(Math, 'random').mockReturnValue(0.5);
  informers = fakeInformers();
  starter = new FakeStarter();
  kube = new FakeKube();
  events = [];
  const recorder = { event: (_object: object, _type: string, reason: string) => void events.push(reason) };
  watcher = new HostWatcher({ kube: kube.client, informers, starter, logger, recorder });
  watcher.start();
});
afterEach(async () => {
  await watcher.stop();
  jest.restoreAllMocks();
  jest.useRealTimers();
});

const pass = (ms = 0) => jest.advanceTimersByTimeAsync(ms);
const ENROLL = 'start enroll ns/h';
const failing = (address = 'https://10.0.0.5') =>
  host({ spec: { redfishConnection: { address, credentialsSecretRef: 'bmc' } }, status: { state: 'Error' } });

async function put(of: PhysicalHost, ms = 0): Promise<void> {
  informers.hosts.put(of);
  await pass(ms);
}

test('a new host is enrolled once, and looked at again while that lasts', async () => {
  await put(host());
  starter.result = 'running';
  for (let n = 0; n < 5; n += 1) await put(failing(), 1000);
  expect(starter.calls).toEqual([ENROLL]);
  await pass(60_000);
  expect(starter.calls).toEqual([ENROLL, ENROLL]);
  await put(freeHost('h'), 300_000);
  expect(starter.calls).toHaveLength(2);
});

test('an enrolment that waits hears at once of another address', async () => {
  await put(failing());
  starter.result = 'running';
  await put(failing('https://10.0.0.6'));
  expect(starter.calls).toEqual([ENROLL, ENROLL, 'signal hostChanged enroll h']);
  await put(failing('https://10.0.0.6'), 1000);
  expect(starter.calls).toHaveLength(3);
});

test('an enrolment that closes just then is started anew', async () => {
  await put(failing());
  starter.result = 'running';
  starter.isHeard = false;
  await put(failing('https://10.0.0.6'));
  starter.result = 'started';
  await pass(1500);
  expect(starter.calls.filter((call) => call === ENROLL)).toHaveLength(3);
});

test.each([
  { run: 'enroll', start: ENROLL, of: failing() },
  { run: 'retire', start: 'start retire ns/h', of: freeHost('h', {}, DELETED) },
  { run: 'release', start: `start release(${CLAIM}) ns/h`, of: claimedHost('Releasing') },
])('the $run of an earlier host of this name is woken, and what is due begins when it has ended', async (told) => {
  const { run, start, of } = told;
  const woken = `signal hostChanged ${run} h`;
  starter.result = 'otherObject';
  await put(of, 200_000);
  expect(starter.calls.slice(0, 4)).toEqual([start, woken, start, woken]);
  starter.result = 'started';
  starter.calls.length = 0;
  await pass(31_000);
  expect(starter.calls).toEqual([start]);
});

test('the moment between the two writes of a release is let pass', async () => {
  await put(host({ status: { state: 'InUse' } }), 3000);
  await put(freeHost('h'), 60_000);
  expect(starter.calls).toEqual([]);
  await put(host({ status: { state: 'InUse' } }), 4900);
  expect(starter.calls).toEqual([]);
  await pass(200);
  expect(starter.calls).toEqual([ENROLL]);
});

test('a deleted free host is retired', async () => {
  await put(freeHost('h', {}, DELETED));
  expect(starter.calls).toEqual(['start retire ns/h']);
});

test('a deleted claimed host says what blocks it, and no workflow is started', async () => {
  informers.machines.put(machine());
  await put(claimedHost('HandedOver', {}, DELETED), 200_000);
  expect(starter.calls).toEqual([]);
  expect(kube.applied).toMatchObject([{ status: { conditions: [{ type: 'DeletionBlocked', reason: 'Claimed' }] } }]);
  expect(events).toEqual(['DeletionBlocked']);
});

test('a release whose run is not started is started, whatever else is open, and not at once', async () => {
  starter.open.add('deprovision/ns/m');
  await put(claimedHost('Releasing', {}, {}, { since: new Date().toISOString() }), 40_000);
  expect(starter.calls).toEqual([]);
  await pass(61_000);
  expect(starter.calls).toEqual([`start release(${CLAIM}) ns/h`]);
});

test('a release hears at once that it is to be forced', async () => {
  await put(claimedHost('Releasing'), 1000);
  await put(claimedHost('Releasing', {}, { annotations: { [ANNOTATION_FORCE_RELEASE]: 'scrapped' } }));
  expect(starter.calls).toEqual(['signal hostChanged release h']);
});

test('a release that is to be forced is told so after a restart, too', async () => {
  await put(claimedHost('Releasing', {}, { annotations: { [ANNOTATION_FORCE_RELEASE]: 'scrapped' } }), 1000);
  expect(starter.calls).toEqual(['signal hostChanged release h']);
});

describe('a release under way while its host is paused (rule 16)', () => {
  const paused = { [ANNOTATION_PAUSED]: '' };
  const forced = { [ANNOTATION_FORCE_RELEASE]: 'scrapped' };
  const WOKEN = 'signal hostChanged release h';
  const releasing = (annotations: Record<string, string>) => claimedHost('Releasing', {}, { annotations });
  /** It names another Secret. */
  const renamed = (of: PhysicalHost): PhysicalHost => ({
    ...of,
    spec: { ...of.spec, redfishConnection: { ...of.spec.redfishConnection, credentialsSecretRef: 'next' } },
  });

  test.each([
    ['that it is to be forced', releasing({ ...paused, ...forced })],
    ['of another Secret', renamed(releasing(paused))],
  ])('hears at once %s; none is started', async (_of, changed) => {
    await put(releasing({}), 1000);
    await put(releasing(paused), 1000);
    expect(starter.calls).toEqual([]);
    await put(changed);
    expect(starter.calls).toEqual([WOKEN]);
    for (let n = 0; n < 5; n += 1) await put(structuredClone(changed), 60_000);
    expect(starter.calls).toEqual([WOKEN]);
  });

  test('hears at once that its pause is over', async () => {
    const conditions = [
      { type: 'Paused', status: 'True', reason: 'Paused', message: 'y', lastTransitionTime: '2026-01-01T00:00:00Z' },
    ] as NonNullable<NonNullable<PhysicalHost['status']>['conditions']>;
    await put(releasing(paused), 1000);
    await put(claimedHost('Releasing', { conditions }));
    expect(starter.calls[0]).toBe(WOKEN);
  });

  test('hears of it also when both were said at once, and after a restart', async () => {
    await put(releasing({ ...paused, ...forced }), 200_000);
    expect(starter.calls).toEqual([WOKEN]);
  });

  test('and when it is paused with the Cluster of its machine; it is taken over when that goes on', async () => {
    const cluster = capiCluster({ spec: { paused: true } });
    informers.capiClusters.put(cluster);
    informers.machines.put(machine({ metadata: OWNED }));
    await put(releasing({}), 200_000);
    await put(releasing(forced), 200_000);
    expect(starter.calls).toEqual([WOKEN]);
    informers.capiClusters.put({ ...cluster, spec: {} });
    await pass();
    expect(starter.calls).toEqual([WOKEN, `start release(${CLAIM}) ns/h`]);
  });
});

describe('a host whose machine is missing (rule 13)', () => {
  const forced = { annotations: { [ANNOTATION_FORCE_RELEASE]: 'scrapped' } };
  const missing = { status: { conditions: [{ type: 'ConsumerMissing', status: 'True', reason: 'MachineNotFound' }] } };

  test('that the cache does not have it says nothing: the machine is there', async () => {
    kube.live.set('m', machine());
    await put(claimedHost('HandedOver'), 1000);
    expect([kube.applied, kube.patched, starter.calls]).toEqual([[], [], []]);
  });

  test('handed over: a condition and an event, no workflow', async () => {
    await put(claimedHost('HandedOver'), 200_000);
    expect(kube.applied[0]).toMatchObject(missing);
    expect(events[0]).toBe('ConsumerMissing');
    expect(starter.calls).toEqual([]);
  });

  test('the condition goes when the machine is there again, and the run that waits for that hears of it', async () => {
    const conditions = [
      {
        type: 'ConsumerMissing',
        status: 'True',
        reason: 'x',
        message: 'y',
        lastTransitionTime: '2026-01-01T00:00:00Z',
      },
    ] as NonNullable<PhysicalHost['status']>['conditions'];
    informers.machines.put(machine());
    await put(claimedHost('HandedOver', { conditions: conditions ?? [] }));
    expect(kube.applied).toMatchObject([{ status: { conditions: [] } }]);
    expect(starter.calls).toEqual(['signal hostChanged release h']);
  });

  test('never handed over: the run that looks twice is started, and seen to', async () => {
    await put(claimedHost('Armed'), 1000);
    expect(kube.applied[0]).toMatchObject(missing);
    expect(starter.calls).toEqual([`start release(${CLAIM}, orphan after 600000) ns/h`]);
    starter.result = 'running';
    await pass(61_000);
    expect(starter.calls).toHaveLength(2);
  });

  test('handed over, by force: the run is started; one that is open hears of it', async () => {
    await put(claimedHost('HandedOver'));
    await put(claimedHost('HandedOver', missing.status as PhysicalHost['status'], forced));
    expect(starter.calls).toEqual([`start release(${CLAIM}, orphan after 600000) ns/h`]);
    starter.calls.length = 0;
    await put(claimedHost('Armed'));
    starter.result = 'running';
    await put(claimedHost('Armed', missing.status as PhysicalHost['status'], forced));
    expect(starter.calls.at(-1)).toBe('signal hostChanged release h');
  });

  test('a machine that was moved or restored: its new uid is written, and nothing is started', async () => {
    const restored = machine({ metadata: { uid: 'new-uid' }, spec: { providerID: 'b7://ns/h/m' } });
    kube.live.set('m', restored);
    informers.machines.put(restored);
    await put(claimedHost('HandedOver'));
    const { resourceVersion, uid } = claimedHost('HandedOver').metadata;
    expect(kube.patched).toEqual([
      {
        metadata: { resourceVersion, uid, labels: { 'beskar7.io/consumer-uid': 'new-uid' } },
        spec: { consumerRef: { uid: 'new-uid' } },
      },
    ]);
    expect(starter.calls).toEqual([]);
  });

  test.each([
    ['another one of the name', machine({ metadata: { uid: 'new-uid' } })],
    ['one that runs elsewhere', machine({ metadata: { uid: 'new-uid' }, spec: { providerID: 'b7://ns/other/m' } })],
    ['one with the id of another', machine({ metadata: { uid: 'new-uid' }, spec: { providerID: 'b7://ns/h/other' } })],
  ])('%s is not its machine', async (_what, other) => {
    kube.live.set('m', other);
    informers.machines.put(other);
    await put(claimedHost('HandedOver'));
    expect(kube.patched).toEqual([]);
    expect(kube.applied[0]).toMatchObject(missing);
  });

  test('a machine that goes is noticed at once', async () => {
    informers.machines.put(machine());
    await put(claimedHost('HandedOver'), 1000);
    expect(kube.applied).toEqual([]);
    informers.machines.remove('ns/m');
    await pass();
    expect(kube.applied[0]).toMatchObject(missing);
  });
});

test('a force-release on a host that runs its machine is removed, with a word', async () => {
  informers.machines.put(machine());
  await put(claimedHost('HandedOver', {}, { annotations: { [ANNOTATION_FORCE_RELEASE]: 'months ago' } }));
  expect(kube.patched).toEqual([
    { metadata: { uid: 'h-uid', resourceVersion: '1', annotations: { [ANNOTATION_FORCE_RELEASE]: null } } },
  ]);
  expect([events, starter.calls]).toEqual([['ForceReleaseRefused'], []]);
});

describe('a host that has lost its consumer (decision 0017)', () => {
  const runs = (metadata = {}) =>
    machine({ metadata, spec: { providerID: 'b7://ns/h/m' }, status: { phase: 'Provisioned' } });
  const bare = host({ metadata: { finalizers: [] }, status: { state: 'Ready' } });

  test('is given back to the machine whose providerID names it, when that has lasted; no workflow is started', async () => {
    kube.live.set('m', runs());
    informers.machines.put(runs());
    await put(bare, 4_900);
    expect(kube.patched).toEqual([]);
    await pass(200);
    const [patch] = kube.patched as { metadata: { annotations: Record<string, string> } }[];
    expect(patch).toMatchObject({
      metadata: {
        uid: 'h-uid',
        resourceVersion: '1',
        labels: { 'beskar7.io/consumer-uid': 'm-uid' },
        finalizers: [FINALIZER_HOST],
      },
      spec: { consumerRef: { kind: 'Beskar7Machine', name: 'm', namespace: 'ns', uid: 'm-uid' } },
    });
    expect(JSON.parse(patch?.metadata.annotations['beskar7.io/claim'] ?? '')).toMatchObject({ stage: 'HandedOver' });
    expect(patch?.metadata.annotations[ANNOTATION_FORCE_RELEASE]).toBeNull();
    expect(events).toEqual(['ConsumerRestored']);
    expect(starter.calls).toEqual([]);
  });

  test.each([
    ['is gone', undefined],
    ['is being deleted', runs(DELETED)],
    ['is being moved', runs({ annotations: { [ANNOTATION_DELETE_FOR_MOVE]: '' } })],
    ['is another one of the name', runs({ uid: 'other' })],
    ['runs elsewhere by now', machine({ spec: { providerID: 'b7://ns/other/m' } })],
  ])('not when a live look says that the machine %s', async (_what, live) => {
    if (live) kube.live.set('m', live);
    informers.machines.put(runs());
    await put(bare, 20_000);
    expect(kube.patched).toEqual([]);
    expect(starter.calls).toEqual([]);
  });

  test('is enrolled as soon as the machine is being deleted', async () => {
    informers.machines.put(runs());
    await put(bare, 1_000);
    informers.machines.put(runs(DELETED));
    await pass(6_000);
    expect(kube.patched).toEqual([]);
    expect(starter.calls).toEqual([ENROLL]);
  });
});

describe('a free host that a machine names in its providerID', () => {
  const naming = (parts: Parameters<typeof machine>[0] = {}) =>
    machine({ ...parts, spec: { providerID: 'b7://ns/h/m', ...parts.spec } });
  const provisioned = { status: { phase: 'Provisioned' as const } };
  const told = () => kube.applied.at(-1)?.status.conditions.find(({ type }) => type === 'NamedByMachine');
  const COPIED = { specHash: '', outcome: 'Provisioned', of: { namespace: 'ns', name: 'first', uid: 'u' } };
  const off = { ...freeHost('h'), status: { ...freeHost('h').status, powerState: 'Off' as const, hardware: {} } };

  test.each([
    [
      'as Beskar7 has written it: not offered',
      provisioned,
      'NotOffered',
      /Beskar7Machine m names .* offered to no other machine.*delete beskar7machine m/,
    ],
    [
      'copied from another machine with its manifest and its annotation: it counts for nothing',
      {
        metadata: { annotations: { [ANNOTATION_HANDLED]: JSON.stringify(COPIED) } },
        spec: { providerID: 'b7://ns/h/first' },
      },
      'Unproven',
      /by hand, or copied.*offered as any other.*delete beskar7machine m/,
    ],
    [
      'written by hand: it counts for nothing',
      {},
      'Unproven',
      /by hand, or copied.*offered as any other.*delete beskar7machine m/,
    ],
  ])('%s, with an event, and no longer when the machine is gone', async (_what, parts, reason, message) => {
    await put(off);
    kube.applied.length = 0;
    informers.machines.put(naming(parts));
    await pass();
    expect(told()).toMatchObject({ reason, message: expect.stringMatching(message) });
    expect(events).toEqual(['NamedByMachine']);
    const conditions = kube.applied.at(-1)?.status.conditions as never;
    await put({ ...off, status: { ...off.status, conditions } });
    informers.machines.remove('ns/m');
    await pass();
    expect(told()).toBeUndefined();
  });

  test('of another providerID now, or one that is being deleted: nothing', async () => {
    await put(off);
    informers.machines.put(naming(provisioned));
    await pass();
    const conditions = kube.applied.at(-1)?.status.conditions as never;
    await put({ ...off, status: { ...off.status, conditions } });
    informers.machines.put(naming({ ...provisioned, spec: { providerID: 'b7://ns/other/m' } }));
    await pass();
    expect(told()).toBeUndefined();
    kube.applied.length = 0;
    await put(off);
    informers.machines.put(naming({ ...provisioned, metadata: DELETED }));
    await pass();
    expect(kube.applied).toEqual([]);
  });

  test('one in another namespace names none of this one', async () => {
    await put(off);
    informers.machines.put(naming({ ...provisioned, metadata: { namespace: 'theirs' } }));
    await pass();
    expect(kube.applied).toEqual([]);
  });
});

test('hosts that share a MAC address say so, with an event, and no longer when one has changed (rule 25)', async () => {
  const withMac = (name: string, mac: string): PhysicalHost => {
    const server = serializeServer({ address: `${name}.example`, serialNumber: `SN-${name}` });
    const made = freeHost(name, {}, { annotations: { 'beskar7.io/server': server } });
    const spec = { redfishConnection: { ...made.spec.redfishConnection, address: `https://${name}.example` } };
    const enrollment = { attempt: 0, connectionHash: connectionHash(spec) };
    return { ...made, spec, status: { ...made.status, enrollment, macAddresses: [mac] } };
  };
  await put(withMac('a', '02:00:00:00:00:01'));
  expect(kube.applied).toEqual([]);
  await put(withMac('b', '02:00:00:00:00:01'));
  expect(kube.applied).toHaveLength(2);
  expect(kube.applied[0]).toMatchObject({ status: { conditions: [{ type: 'DuplicateMAC', reason: 'SharedMAC' }] } });
  expect(kube.applied.every(({ status }) => status.conditions.length === 1)).toBe(true);
  expect(events).toEqual(['DuplicateMAC', 'DuplicateMAC']);
  const { conditions } = kube.applied[0]?.status as NonNullable<PhysicalHost['status']>;
  const told = withMac('a', '02:00:00:00:00:01');
  await put({ ...told, status: { ...told.status, conditions: conditions ?? [] } });
  kube.applied.length = 0;
  await put(withMac('b', '02:00:00:00:00:02'));
  expect(kube.applied).toMatchObject([{ metadata: { name: 'a' }, status: { conditions: [] } }]);
});

describe('two hosts for one server', () => {
  const [first, second] = ['2026-01-01T00:00:00Z', '2026-01-02T00:00:00Z'];
  const copy = (name: string, creationTimestamp: string, namespace = 'ns'): PhysicalHost =>
    freeHost(name, {}, { creationTimestamp, namespace });
  const said = (name: string) => {
    const of = kube.applied.findLast(({ metadata }) => (metadata as { name?: string }).name === name);
    return of?.status.conditions.map(({ type, reason }) => `${type} ${reason}`);
  };

  test('both say so, with events; the younger one is enrolled again, which takes it out of the offer', async () => {
    await put(copy('a', first));
    await put(copy('b', second));
    expect(said('a')).toEqual(['DuplicateServer First']);
    expect(said('b')).toEqual(['DuplicateServer NotOffered']);
    expect(events).toEqual(expect.arrayContaining(['DuplicateServer', 'DuplicateServer']));
    expect(starter.calls).toEqual(['start enroll ns/b']);
  });

  test('that of another namespace is not named', async () => {
    await put(copy('a', first, 'theirs'));
    await put(copy('b', second));
    const messages = kube.applied.flatMap(({ status }) => status.conditions as unknown as { message: string }[]);
    expect(messages).toHaveLength(2);
    for (const { message } of messages) expect(message).toContain('a PhysicalHost in another namespace');
    expect(JSON.stringify(messages)).not.toMatch(/theirs|ns\/b/);
  });

  test('when the first one is gone, the enrolment of the other is told', async () => {
    await put(copy('a', first));
    const other = copy('b', second);
    await put({ ...other, status: { ...other.status, state: 'Error' } });
    starter.calls.length = 0;
    starter.result = 'running';
    informers.hosts.remove('ns/a');
    await pass(100);
    expect(starter.calls).toEqual(['start enroll ns/b', 'signal hostChanged enroll b']);
  });
});
