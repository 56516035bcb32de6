import { afterEach, beforeEach, describe, expect, jest, test } from '@jest/globals';
import type { Logger } from 'pino';
import { CredentialCache } from '../../../activities/bmc/credentialCache.ts';
import { FailedPolls } from '../../../activities/monitor/failedPolls.ts';
import { isMonitored, placeOf } from '../../../activities/monitor/monitored.ts';
import { monitorShard, type MonitorDependencies } from '../../../activities/monitor/monitorShard.ts';
import { SecretMarks } from '../../../activities/store/secretMarks.ts';
import type { ClaimStage } from '../../../model/claim.ts';
import { findCondition } from '../../../crds/conditions.ts';
import { connectionHash } from '../../../model/connection.ts';
import { FINALIZER_SECRET, LABEL_MOVE } from '../../../crds/names.ts';
import type { ObjectMeta } from '../../../crds/object.ts';
import type { PhysicalHost, PhysicalHostSpec } from '../../../crds/physicalHost.ts';
import { bmcPlace, serializeServer } from '../../../model/serverIdentity.ts';
import type { KubeClient } from '../../../kube/client.ts';
import { KubeError } from '../../../kube/error.ts';
import { HOSTS, SECRETS, type Resource } from '../../../kube/resource.ts';
import { RedfishPool } from '../../../redfish/index.ts';
import { startFleet, type Fleet } from '../../../simulator/index.ts';
import { claimAnnotation } from '../../support/claims.ts';
import { merged } from './oneHost.ts';

jest.setTimeout(30_000);

/** Of a Secret in use (rule 17). */
const MARKS = { finalizers: [FINALIZER_SECRET], labels: { [LABEL_MOVE]: '' } };

/** A host that is enrolled, or claimed in a stage, with the address of a simulated BMC. */
function hostAt(name: string, address: string, stage?: ClaimStage): PhysicalHost {
  const spec: PhysicalHostSpec = {
    redfishConnection: { address, credentialsSecretRef: 'bmc' },
    ...(stage
      ? { consumerRef: { apiVersion: 'v', kind: 'Beskar7Machine', name: 'm', namespace: 'ns', uid: 'm-uid' } }
      : {}),
  };
  const serialNumber = fleet?.hosts.find((bmc) => bmc.address === address)?.serial;
  const server = { ...bmcPlace(spec), ...(serialNumber === undefined ? {} : { serialNumber }) };
  const annotations = {
    'beskar7.io/server': serializeServer(server),
    ...(stage ? claimAnnotation(stage, { id: 'c' }) : {}),
  };
  return {
    metadata: { namespace: 'ns', name, uid: `${name}-uid`, resourceVersion: '1', annotations },
    spec,
    status: {
      state: stage ? 'Ready' : 'Available',
      powerState: 'Off',
      enrollment: { connectionHash: connectionHash(spec), attempt: 0 },
    },
  };
}

/** An API server with hosts and one Secret, which compares resourceVersions and tells when something was written. */
class Scene {
  readonly hosts = new Map<string, PhysicalHost>();
  readonly writes: PhysicalHost[] = [];
  readonly events: string[] = [];
  password = 'simulated';
  marks: Partial<ObjectMeta> = MARKS;
  secretReads = 0;
  /** How often a host was written that its BMC has accepted the log-in. */
  recorded = 0;
  readonly #waiters = new Set<() => void>();

  put(host: PhysicalHost): void {
    this.hosts.set(host.metadata.name, host);
  }

  get(name: string): PhysicalHost {
    const host = this.hosts.get(name);
    if (!host) throw new Error(`no host ${name}`);
    return host;
  }

  reachable(name: string) {
    return findCondition(this.get(name).status?.conditions, 'RedfishReachable');
  }

  /** Waits until something is so; looked at after each write and each request. */
  async until(isSo: () => boolean): Promise<void> {
    while (!isSo()) {
      await new Promise<void>((resolve) => {
        const timer = setTimeout(resolve, 20);
        this.#waiters.add(() => (clearTimeout(timer), resolve()));
      });
    }
  }

  readonly kube = {
    get: (resource: Resource, _namespace: string, name: string) => {
      if (resource !== SECRETS) return Promise.resolve(this.get(name));
      this.secretReads += 1;
      const base64 = (text: string) => Buffer.from(text).toString('base64');
      return Promise.resolve({
        metadata: { name, ...this.marks },
        data: { username: base64('admin'), password: base64(this.password) },
      });
    },
    mergePatch: (
      resource: Resource,
      _namespace: string,
      name: string,
      patch: { metadata: Partial<ObjectMeta>; status?: PhysicalHost['status'] },
    ) => {
      if (resource === HOSTS) {
        // From which state of its Secret the BMC has accepted the log-in: nothing else is patched here.
        expect(Object.keys(patch.status ?? {})).toEqual(['enrollment']);
        this.recorded += 1;
        const host = this.get(name);
        const metadata = { ...host.metadata, resourceVersion: String(Number(host.metadata.resourceVersion) + 1) };
        this.put({ ...host, metadata, status: merged(host.status ?? {}, patch.status ?? {}) });
        return Promise.resolve(this.get(name));
      }
      const { finalizers = [], labels = {} } = patch.metadata;
      this.marks = { finalizers, labels };
      return Promise.resolve({});
    },
    applyStatus: (_resource: Resource, object: PhysicalHost) => {
      const { name, resourceVersion } = object.metadata;
      const host = this.get(name);
      if (host.metadata.resourceVersion !== resourceVersion) {
        const failure = { status: 409, reason: 'Conflict', message: 'changed' };
        return Promise.reject(new KubeError({ verb: 'apply', resource: 'x' }, failure));
      }
      this.writes.push(object);
      const version = String(Number(resourceVersion) + 1);
      this.put({
        ...host,
        metadata: { ...host.metadata, resourceVersion: version },
        status: merged(host.status ?? {}, object.status ?? {}),
      });
      for (const wake of this.#waiters) wake();
      this.#waiters.clear();
      return Promise.resolve(this.get(name));
    },
  } as unknown as KubeClient;
}

let scene: Scene;
let fleet: Fleet;
let redfish: RedfishPool;
let stopping: AbortController;
let cancel: AbortController;
let running: Promise<unknown> | undefined;

beforeEach(() => {
  scene = new Scene();
  redfish = new RedfishPool();
  stopping = new AbortController();
  cancel = new AbortController();
  running = undefined;
});
afterEach(async () => {
  cancel.abort(new Error('the test is over'));
  await running?.catch(() => undefined);
  await redfish.closeAll();
  await fleet?.stop();
});

const silent = { warn: () => undefined } as unknown as Logger;

/** Monitors all hosts in one shard, every so often. */
function monitor(intervalMs: number, shards = 1): Promise<unknown> {
  const deps: MonitorDependencies = {
    kube: scene.kube,
    redfish,
    credentials: new CredentialCache(scene.kube),
    secretMarks: new SecretMarks(scene.kube),
    recorder: { event: (_host: object, _type: string, reason: string) => void scene.events.push(reason) } as never,
    caches: {
      hosts: () => [...scene.hosts.values()],
      poolHosts: () => [...scene.hosts.values()],
      host: (_namespace: string, name: string) => scene.hosts.get(name),
      duplicateOf: () => undefined,
    } as unknown as MonitorDependencies['caches'],
    logger: silent,
    stopping: stopping.signal,
  };
  const input = { shard: 0, shards, intervalMs };
  running = monitorShard(deps, new FailedPolls(), input, cancel.signal);
  running.catch(() => undefined);
  return running;
}

const polls = (name: string) =>
  fleet.requests(name).filter(({ method, path }) => method === 'GET' && /\/Systems\/[^/]+$/.test(path)).length;

describe('what the monitor does at a BMC and writes', () => {
  test('one GET per interval over one connection, and nothing is written while nothing changes', async () => {
    fleet = await startFleet({ hosts: 1, basePort: 0, latencyMs: 1, profile: 'generic' });
    scene.put(hostAt('h', fleet.host('sim-0001').address));
    void monitor(100);
    await scene.until(() => polls('sim-0001') >= 3);
    // The system was found with the first poll; from now on it is one request each.
    const before = { requests: fleet.requests('sim-0001').length, polls: polls('sim-0001') };
    await scene.until(() => polls('sim-0001') >= before.polls + 5);
    const requests = fleet.requests('sim-0001');
    expect(requests.length - before.requests).toBe(polls('sim-0001') - before.polls);
    expect(requests.filter(({ mutating }) => mutating)).toEqual([]);
    expect(fleet.summary()).toMatchObject({ connections: 1, sessions: 0 });
    expect(scene.secretReads).toBe(1);
    // The condition was not there before.
    expect(scene.writes).toHaveLength(1);
    expect(scene.recorded).toBe(1);
    expect(scene.reachable('h')).toMatchObject({ status: 'True', reason: 'Reachable' });
  });

  test('a BMC that wants sessions: one session is kept, and it is one request per poll too', async () => {
    fleet = await startFleet({ hosts: 1, basePort: 0, latencyMs: 1, profile: 'openbmc' });
    scene.put(hostAt('h', fleet.host('sim-0001').address));
    void monitor(100);
    await scene.until(() => polls('sim-0001') >= 4);
    const before = { requests: fleet.requests('sim-0001').length, polls: polls('sim-0001') };
    await scene.until(() => polls('sim-0001') >= before.polls + 4);
    expect(fleet.requests('sim-0001').length - before.requests).toBe(polls('sim-0001') - before.polls);
    expect(fleet.summary().sessions).toBe(1);
  });

  test('an outage is a condition with error, attempt and next time; its end is told; state and server are left alone', async () => {
    fleet = await startFleet({ hosts: 1, basePort: 0, latencyMs: 1, profile: 'generic' });
    scene.put(hostAt('h', fleet.host('sim-0001').address, 'HandedOver'));
    fleet.host('sim-0001').server.press('On');
    await fleet.fault('sim-0001', { refuse: true });
    void monitor(50);
    await scene.until(() => /Attempt 2/.test(scene.reachable('h')?.message ?? ''));
    const told = scene.reachable('h');
    expect(told).toMatchObject({ status: 'False', reason: 'Unreachable' });
    expect(told?.message).toMatch(/it cannot be reached \(ECONNREFUSED\).*Attempt 2; the next one is due at 20.*Z\./);
    expect(told?.message).toMatch(/Beskar7Machine m are not touched/);
    await fleet.heal();
    await scene.until(() => scene.events.length === 2);
    expect(scene.events).toEqual(['BmcUnreachable', 'BmcReachable']);
    expect(scene.reachable('h')?.status).toBe('True');
    for (const { status } of scene.writes)
      expect(Object.keys(status ?? {}).sort()).toEqual(['conditions', 'powerState']);
    expect(scene.get('h').status).toMatchObject({ state: 'Ready', powerState: 'On' });
  });

  test('a server that is swapped under a live host: said, its power is not taken for the host’s, and taken back', async () => {
    fleet = await startFleet({ hosts: 1, basePort: 0, latencyMs: 1, powerDelayMs: 1, profile: 'generic' });
    scene.put(hostAt('h', fleet.hosts[0]?.address ?? '', 'HandedOver'));
    fleet.hosts[0]?.server.press('On');
    void monitor(20);
    await scene.until(() => scene.get('h').status?.powerState === 'On');
    const different = () => findCondition(scene.get('h').status?.conditions, 'DifferentServer');
    await fleet.fault('sim-0001', { swappedFor: 'STRANGER-1' });
    fleet.hosts[0]?.server.press('Off');
    await scene.until(() => different()?.status === 'True');
    expect(different()?.message).toMatch(/SN\d+.*STRANGER-1.*kubectl annotate physicalhost h /);
    expect(scene.get('h').status?.powerState).toBe('On');
    await fleet.heal('sim-0001');
    await scene.until(() => different()?.status === 'False');
    await scene.until(() => scene.get('h').status?.powerState === 'Off');
    expect(scene.events.filter((event) => event.includes('DifferentServer'))).toHaveLength(1);
    expect(fleet.requests('sim-0001').filter(({ mutating }) => mutating)).toEqual([]);
  });

  test('a changed power state is written', async () => {
    fleet = await startFleet({ hosts: 1, basePort: 0, latencyMs: 1, profile: 'generic' });
    const host = hostAt('h', fleet.host('sim-0001').address, 'HandedOver');
    scene.put({ ...host, status: { ...host.status, powerState: 'On' } });
    void monitor(50);
    await scene.until(() => scene.get('h').status?.powerState === 'Off');
    expect(scene.writes).toHaveLength(1);
  });

  describe('a free host whose server is on', () => {
    const unexpected = () => findCondition(scene.get('h').status?.conditions, 'UnexpectedlyOn');

    async function monitored(foundOn: boolean | undefined, stage?: ClaimStage) {
      fleet = await startFleet({ hosts: 1, basePort: 0, latencyMs: 1, profile: 'generic' });
      const host = hostAt('h', fleet.host('sim-0001').address, stage);
      const enrollment = {
        ...(host.status?.enrollment ?? { connectionHash: '', attempt: 0 }),
        ...(foundOn === undefined ? {} : { foundOn }),
      };
      scene.put({ ...host, status: { ...host.status, enrollment } });
      if (foundOn === true || stage === 'HandedOver') fleet.host('sim-0001').server.press('On');
      void monitor(30);
      await scene.until(() => scene.reachable('h') !== undefined);
      return fleet.host('sim-0001').server;
    }

    test.each([undefined, false])('off before (foundOn %s): UnexpectedlyOn, until it is off', async (foundOn) => {
      const server = await monitored(foundOn);
      expect(unexpected()).toBeUndefined();
      server.press('On');
      await scene.until(() => unexpected()?.status === 'True');
      expect(unexpected()?.message).toMatch(/on, and no machine has claimed it.*beskar7.io\/unschedulable/);
      expect(scene.get('h').status).toMatchObject({ state: 'Available', powerState: 'On' });
      await scene.until(() => scene.events.includes('UnexpectedlyOn'));
      await fleet.fault('sim-0001', { refuse: true });
      await scene.until(() => scene.reachable('h')?.status === 'False');
      // The other condition of the same writer is not lost while the BMC is away.
      expect(unexpected()?.status).toBe('True');
      await fleet.heal();
      server.press('Off');
      await scene.until(() => unexpected()?.status === 'False');
      await scene.until(() => scene.events.length === 3);
      expect(scene.events).toEqual(['UnexpectedlyOn', 'BmcUnreachable', 'BmcReachable']);
    });

    test('on since its enrolment (rule 7): nothing, until it was seen off once', async () => {
      const server = await monitored(true);
      await scene.until(() => scene.get('h').status?.powerState === 'On');
      expect(unexpected()).toBeUndefined();
      server.press('Off');
      await scene.until(() => scene.get('h').status?.enrollment?.foundOn === false);
      server.press('On');
      await scene.until(() => unexpected()?.status === 'True');
    });

    test('handed over: nothing, and UnexpectedlyOff when it is off, until it is on again', async () => {
      const off = () => findCondition(scene.get('h').status?.conditions, 'UnexpectedlyOff');
      const server = await monitored(false, 'HandedOver');
      await scene.until(() => scene.get('h').status?.powerState === 'On');
      expect([unexpected(), off()]).toEqual([undefined, undefined]);
      expect(scene.events).toEqual([]);
      server.press('Off');
      await scene.until(() => off()?.status === 'True');
      await scene.until(() => scene.events.length === 1);
      expect(scene.events).toEqual(['UnexpectedlyOff']);
      server.press('On');
      await scene.until(() => off()?.status === 'False');
      expect(fleet.requests('sim-0001').filter(({ mutating }) => mutating)).toEqual([]);
    });
  });

  test('a password that was changed at the BMC, then in the Secret', async () => {
    fleet = await startFleet({ hosts: 1, basePort: 0, latencyMs: 1, profile: 'generic' });
    scene.put(hostAt('h', fleet.host('sim-0001').address, 'HandedOver'));
    fleet.host('sim-0001').server.press('On');
    void monitor(50);
    await scene.until(() => polls('sim-0001') >= 2);
    // Both at once: refused credentials are read anew, and the new ones are tried.
    scene.password = 'rotated';
    await fleet.fault('sim-0001', { password: 'rotated' });
    const before = polls('sim-0001');
    await scene.until(() => fleet.requests('sim-0001').filter(({ status }) => status === 401).length > 0);
    await scene.until(() => polls('sim-0001') >= before + 4);
    expect(scene.reachable('h')).toMatchObject({ status: 'True' });
    expect(scene.events).toEqual([]);
    expect(JSON.stringify(scene.writes)).not.toMatch(/rotated|simulated/);
  });

  test.each<[string, ClaimStage | undefined]>([
    ['free', undefined],
    ['handed over', 'HandedOver'],
  ])('a Secret that was replaced, and has lost its marks by it, is marked again: %s', async (_what, stage) => {
    fleet = await startFleet({ hosts: 1, basePort: 0, latencyMs: 1, profile: 'generic' });
    scene.put(hostAt('h', fleet.host('sim-0001').address, stage));
    if (stage === 'HandedOver') fleet.host('sim-0001').server.press('On');
    void monitor(50);
    await scene.until(() => polls('sim-0001') >= 2);
    scene.marks = {};
    scene.password = 'rotated';
    await fleet.fault('sim-0001', { password: 'rotated' });
    await scene.until(() => scene.marks.finalizers !== undefined);
    expect(scene.marks).toEqual(MARKS);
    const before = scene.secretReads;
    const seen = polls('sim-0001');
    await scene.until(() => polls('sim-0001') >= seen + 4);
    expect(scene.secretReads).toBe(before);
    expect(scene.events).toEqual([]);
  });

  test('a refused password is told in words that help, and not tried again at once', async () => {
    fleet = await startFleet({ hosts: 1, basePort: 0, latencyMs: 1, profile: 'generic' });
    scene.put(hostAt('h', fleet.host('sim-0001').address));
    await fleet.fault('sim-0001', { password: 'other' });
    void monitor(30);
    await scene.until(() => scene.reachable('h')?.status === 'False');
    expect(scene.reachable('h')).toMatchObject({ status: 'False', reason: 'Unauthorized' });
    expect(scene.reachable('h')?.message).toMatch(/check username and password.*Attempt 1; the next one is due at /);
    const due = Date.parse(/due at (\S+Z)/.exec(scene.reachable('h')?.message ?? '')?.[1] ?? '');
    expect(due - Date.now()).toBeGreaterThan(50_000);
  });

  test('ten BMCs that hang hold up none of the others', async () => {
    fleet = await startFleet({ hosts: 30, basePort: 0, latencyMs: 1, profile: 'generic' });
    for (const [index, bmc] of fleet.hosts.entries()) scene.put(hostAt(`h-${index}`, bmc.address));
    for (const bmc of fleet.hosts.slice(0, 10)) await bmc.fault({ hang: true });
    void monitor(300);
    const others = fleet.hosts.slice(10).map(({ name }) => name);
    await scene.until(() => others.every((name) => polls(name) >= 3));
    // The hanging ones are asked once, and waited for.
    for (const bmc of fleet.hosts.slice(0, 10)) expect(fleet.requests(bmc.name)).toHaveLength(1);
  });

  test('a host that was claimed while its BMC was asked is not written to', async () => {
    fleet = await startFleet({ hosts: 1, basePort: 0, latencyMs: 1, profile: 'generic' });
    const { address } = fleet.host('sim-0001');
    scene.put(hostAt('h', address));
    await fleet.fault('sim-0001', { slowMs: 100 });
    void monitor(20);
    await scene.until(() => fleet.requests('sim-0001').length > 0);
    const claimed = hostAt('h', address, 'Armed');
    scene.put({ ...claimed, metadata: { ...claimed.metadata, resourceVersion: '5' } });
    await scene.until(() => polls('sim-0001') >= 1 && fleet.requests('sim-0001').every(({ status }) => status > 0));
    await scene.until(() => redfish.size === 1);
    const before = fleet.requests('sim-0001').length;
    cancel.abort(new Error('over'));
    await expect(running).rejects.toThrow();
    expect(scene.writes).toEqual([]);
    expect(fleet.requests('sim-0001')).toHaveLength(before);
  });
});

describe('when it ends', () => {
  test('at once when the process is told to end, so that another worker goes on', async () => {
    fleet = await startFleet({ hosts: 1, basePort: 0 });
    scene.put(hostAt('h', fleet.host('sim-0001').address));
    const ended = monitor(60_000);
    stopping.abort(new Error('stops'));
    await expect(ended).rejects.toMatchObject({ type: 'WorkerShutdown' });
  });

  test('when the pool has no hosts any more', async () => {
    fleet = await startFleet({ hosts: 1, basePort: 0 });
    await expect(monitor(20)).resolves.toEqual({ kind: 'noHosts' });
  });
});

describe('which hosts are monitored', () => {
  const free = hostAt('h', 'http://bmc');
  const edit = (host: PhysicalHost, change: Partial<PhysicalHost['metadata']>) => ({
    ...host,
    metadata: { ...host.metadata, ...change },
  });
  test.each([
    ['enrolled and free', free, true],
    ['handed over', hostAt('h', 'http://bmc', 'HandedOver'), true],
    ['claimed', hostAt('h', 'http://bmc', 'Claimed'), false],
    ['armed', hostAt('h', 'http://bmc', 'Armed'), false],
    ['being released', hostAt('h', 'http://bmc', 'Releasing'), false],
    ['not yet enrolled', { ...free, status: { state: 'Error' as const } }, false],
    ['to be enrolled anew', { ...free, status: { state: 'Available' as const } }, false],
    ['paused', edit(free, { annotations: { 'cluster.x-k8s.io/paused': '' } }), false],
    ['being moved', edit(free, { annotations: { 'clusterctl.cluster.x-k8s.io/delete-for-move': '' } }), false],
    ['being retired', edit(free, { deletionTimestamp: '2026-01-01T00:00:00Z' }), false],
  ])('%s: %#', (_what, host, expected) => {
    expect(isMonitored(host)).toBe(expected);
  });

  test('shards share the hosts about evenly, and each host has one', () => {
    const shards = [0, 0, 0, 0];
    const thirds = [0, 0, 0];
    for (let index = 0; index < 4_000; index += 1) {
      const { shard, phase } = placeOf({ namespace: 'ns', name: `rack-${index}` }, 4);
      shards[shard] = (shards[shard] ?? 0) + 1;
      const third = Math.floor(phase * 3);
      thirds[third] = (thirds[third] ?? 0) + 1;
    }
    for (const count of shards) expect(Math.abs(count - 1_000)).toBeLessThan(150);
    for (const count of thirds) expect(Math.abs(count - 1_333)).toBeLessThan(200);
  });
});
