import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import { MockActivityEnvironment } from '@temporalio/testing';
import { prepareBoot } from '../../../activities/provision/bootInspector.ts';
import { enrollHost } from '../../../activities/enroll/enrollHost.ts';
import { releaseHost } from '../../../activities/release/releaseHost.ts';
import { retireHost } from '../../../activities/release/retireHost.ts';
import { claimOf } from '../../../model/claim.ts';
import { connectionHash } from '../../../model/connection.ts';
import type { PhysicalHost } from '../../../crds/physicalHost.ts';
import type { Duplicate } from '../../../model/sameServer.ts';
import { recordedServer, serializeServer, type ServerRecord } from '../../../model/serverIdentity.ts';
import { HOSTS } from '../../../kube/resource.ts';
import { claimedHost, DELETED, host } from '../controllers/builders.ts';
import { failureOf, fakeBmc, stopAll, SYSTEM, type FakeBmc } from '../redfish/fakeBmc.ts';
import { ApiServer } from './apiServer.ts';
import { NEVER, OneHost, REF, RUN } from './oneHost.ts';
import { asActivity, cachesOf, putBehind, workerOn } from './worker.ts';

const opened: OneHost[] = [];
afterEach(async () => {
  for (const one of opened.splice(0)) await one.close();
  await stopAll();
});

/** The annotations of a host that stands for this server. */
const standsFor = (of: Omit<ServerRecord, 'address'>, more: Record<string, string> = {}) => ({
  'beskar7.io/server': serializeServer({ address: '10.0.0.5', ...of }),
  ...more,
});
const MINE = { serialNumber: 'SN-1' };
const different = (one: OneHost) => one.live?.status?.conditions?.find(({ type }) => type === 'DifferentServer');

function scene(start: PhysicalHost, bmc: FakeBmc, duplicate?: Duplicate): OneHost {
  const one = new OneHost(start, bmc);
  one.duplicate = duplicate;
  opened.push(one);
  return one;
}

/** A BMC behind which another server is now, on and with a network boot set. */
const swapped = (habits: (bmc: FakeBmc) => void = () => undefined) =>
  fakeBmc((bmc) => {
    bmc.extra = { SerialNumber: 'SN-2', UUID: '4c4c4544-0051-3610-8052-b4c04f4e3232' };
    bmc.power = 'On';
    habits(bmc);
  });

const RELEASE = {
  claim: REF,
  attempt: 1,
  nextAttemptInMs: 1,
};
const release = (one: OneHost) => new MockActivityEnvironment().run(() => releaseHost(one.deps, RELEASE, NEVER));

describe('a release whose BMC leads to another server', () => {
  test.each(['On', 'Off'])(
    'that is %s: it stays claimed, the server gets nothing, and the host says which it is',
    async (power) => {
      const bmc = await swapped((made) => (made.power = power));
      const one = scene(claimedHost('Releasing', { state: 'Ready' }, { annotations: standsFor(MINE) }), bmc);
      expect(await failureOf(release(one))).toMatchObject({ type: 'DifferentServer' });
      expect(bmc.changes).toEqual([]);
      expect(one.live && claimOf(one.live)).toBeDefined();
      expect(one.live?.status?.state).toBe('Error');
      expect(different(one)).toMatchObject({ status: 'True' });
      expect(different(one)?.message).toMatch(
        /serial number SN-1.*serial number SN-2.*beskar7.io\/accept-server="SN-2"/,
      );
      expect(one.conditions()).toContain('Ready=False ReleasePending');
    },
  );

  test('with a lost status: the same', async () => {
    const bmc = await swapped();
    const start = claimedHost('Releasing', {}, { annotations: standsFor(MINE) });
    const { status: _lost, ...bare } = start;
    expect(await failureOf(release(scene(bare, bmc)))).toMatchObject({ type: 'DifferentServer' });
    expect(bmc.changes).toEqual([]);
  });

  test('with a lost annotation: its status tells the server; with both lost nothing is sent either', async () => {
    for (const status of [{ hardware: MINE }, {}]) {
      const bmc = await swapped();
      const start = claimedHost('Releasing', status);
      delete start.metadata.annotations?.['beskar7.io/server'];
      expect(await failureOf(release(scene(start, bmc)))).toMatchObject({ type: 'DifferentServer' });
      expect(bmc.changes).toEqual([]);
    }
  });

  test('accepted by a person: it is recorded, told, switched off and freed', async () => {
    const bmc = await swapped();
    const annotations = standsFor(MINE, { 'beskar7.io/accept-server': 'sn-2' });
    const one = scene(claimedHost('Releasing', { state: 'Error' }, { annotations }), bmc);
    expect(await release(one)).toEqual({ kind: 'released' });
    expect(bmc.power).toBe('Off');
    expect(one.said).toEqual(['ServerAccepted', 'HostReleased']);
    expect(one.live && recordedServer(one.live)).toMatchObject({ serialNumber: 'SN-2' });
    expect(one.live?.metadata.annotations).not.toHaveProperty(['beskar7.io/accept-server']);
  });

  test('accepted, but it is the server of another host: nothing', async () => {
    const bmc = await swapped();
    const annotations = standsFor(MINE, { 'beskar7.io/accept-server': 'SN-2' });
    const other = claimedHost('HandedOver', { state: 'Ready' }, { name: 'other' });
    const duplicate = { other, by: 'serial number', isFirst: false, areBothClaimed: true } as const;
    const one = scene(claimedHost('Releasing', { state: 'Error' }, { annotations }), bmc, duplicate);
    expect(await failureOf(release(one))).toMatchObject({ details: [{ kind: 'DuplicateServer' }] });
    expect(bmc.changes).toEqual([]);
    expect(one.said).toEqual([]);
  });

  test('by force it is freed as ever, without a call', async () => {
    const bmc = await swapped();
    const annotations = standsFor(MINE, { 'beskar7.io/force-release': 'gone' });
    const one = scene(claimedHost('Releasing', { state: 'Error' }, { annotations }), bmc);
    expect(await release(one)).toEqual({ kind: 'forced' });
    expect(bmc.seen).toEqual([]);
  });
});

test('a boot on another server sends nothing, and the host says so', async () => {
  const bmc = await swapped();
  const one = scene(claimedHost('Claimed', { state: 'InUse' }, { annotations: standsFor(MINE) }), bmc);
  const booted = new MockActivityEnvironment().run(() => prepareBoot(one.deps, { claim: REF, run: RUN }, NEVER));
  expect(await failureOf(booted)).toMatchObject({ type: 'DifferentServer' });
  expect(bmc.changes).toEqual([]);
  expect(one.conditions()).toEqual(['DifferentServer=True DifferentServer']);
});

describe('a deleted host that nobody has claimed', () => {
  const deleted = (annotations: Record<string, string>) =>
    host({ metadata: { ...DELETED, annotations }, status: { state: 'Available' } });
  const retire = (one: OneHost) =>
    new MockActivityEnvironment().run(() =>
      retireHost(
        one.deps,
        { host: { namespace: 'ns', name: 'h', uid: 'h-uid' }, attempt: 1, nextAttemptInMs: 1 },
        NEVER,
      ),
    );
  const twin = (isFirst: boolean): Duplicate => ({
    other: claimedHost('HandedOver', { state: 'Ready' }, { name: 'other' }),
    by: 'BMC address',
    isFirst,
    areBothClaimed: false,
  });

  test.each<[string, PhysicalHost, Duplicate | undefined]>([
    ['another server answers', deleted(standsFor(MINE)), undefined],
    ['another host for its server comes first', deleted(standsFor({ serialNumber: 'SN-2' })), twin(false)],
    ['it was never enrolled', host({ metadata: DELETED }), undefined],
  ])('%s: it goes, and its BMC gets nothing', async (_what, start, duplicate) => {
    const bmc = await swapped();
    const one = scene(start, bmc, duplicate);
    expect(await retire(one)).toMatchObject({ kind: 'off' });
    expect(bmc.changes).toEqual([]);
    expect(one.said).toEqual(['DeletedUnseen']);
  });

  test('its address was changed since its enrolment: the same', async () => {
    const bmc = await swapped();
    const one = scene(deleted({}), bmc);
    one.change({
      metadata: {
        annotations: { 'beskar7.io/server': serializeServer({ address: '10.0.0.9', serialNumber: 'SN-2' }) },
      },
    });
    expect(await retire(one)).toMatchObject({ kind: 'off' });
    expect(bmc.seen).toEqual([]);
  });

  test('it comes first: it is switched off', async () => {
    const bmc = await swapped();
    const one = scene(deleted(standsFor({ serialNumber: 'SN-2' })), bmc, twin(true));
    expect(await retire(one)).toMatchObject({ kind: 'off' });
    expect(bmc.power).toBe('Off');
  });
});

describe('enrolment', () => {
  let api: ApiServer;
  beforeEach(async () => {
    api = await ApiServer.start();
  });
  afterEach(() => api.stop());
  const ref = { namespace: 'ns', name: 'h', uid: 'h-uid' };
  const enroll = (duplicate?: Duplicate) => {
    const deps = workerOn(api, { caches: cachesOf(api, { duplicateOf: () => duplicate }) });
    return asActivity((signal) => enrollHost(deps, { host: ref, failures: 0 }, signal)).finally(() =>
      deps.redfish.closeAll(),
    );
  };
  const reasons = () =>
    (api.get(HOSTS, 'h').status?.conditions ?? []).map(({ type, status, reason }) => `${type}=${status} ${reason}`);
  const nic = (Id: string, MACAddress: string, ...addresses: string[]) => ({
    Id,
    MACAddress,
    IPv4Addresses: addresses.map((Address) => ({ Address })),
  });
  const withNics = (bmc: FakeBmc, ...nics: object[]) => {
    bmc.extra = { ...bmc.extra, EthernetInterfaces: { '@odata.id': `${SYSTEM}/EthernetInterfaces` } };
    const Members = nics.map((_nic, at) => ({ '@odata.id': `${SYSTEM}/EthernetInterfaces/${at}` }));
    bmc.resources.set(`${SYSTEM}/EthernetInterfaces`, { Members });
    nics.forEach((one, at) => bmc.resources.set(`${SYSTEM}/EthernetInterfaces/${at}`, one));
  };

  test('records the server, and keeps only MAC and IP addresses that are its own', async () => {
    const bmc = await fakeBmc((made) =>
      withNics(
        made,
        nic('NIC.1', '0025909a1b2c', '10.7.0.1', '169.254.9.9', '127.0.0.1'),
        nic('NIC.2', '00:00:00:00:00:00'),
        nic('NIC.3', 'ff:ff:ff:ff:ff:ff'),
        nic('ToManager', '0a:94:ef:00:00:01', '169.254.3.1'),
      ),
    );
    putBehind(api, bmc, host());
    expect(await enroll()).toEqual({ kind: 'enrolled' });
    const { status, ...now } = api.get(HOSTS, 'h');
    expect(recordedServer(now)).toMatchObject({ systemID: '1', serialNumber: 'SN-1' });
    expect(status).toMatchObject({ state: 'Available', macAddresses: ['00:25:90:9a:1b:2c'] });
    expect(status?.addresses).toEqual([{ type: 'InternalIP', address: '10.7.0.1' }]);
  });

  test('a boot MAC address that the BMC does not tell is said at once', async () => {
    const bmc = await fakeBmc((made) => withNics(made, nic('NIC.1', '00:25:90:9a:1b:2c')));
    putBehind(api, bmc, host({ spec: { ...host().spec, bootMACAddress: '00:25:90:00:00:99' } }));
    expect(await enroll()).toEqual({ kind: 'enrolled' });
    expect(reasons()).toContain('BootMACUnknown=True NotTold');
  });

  const report = { cpus: { cores: 4 } } as NonNullable<PhysicalHost['status']>['inspectionReport'];
  const before = (address: string): PhysicalHost =>
    host({
      metadata: { annotations: { 'beskar7.io/server': serializeServer({ address, serialNumber: 'SN-9' }) } },
      status: {
        state: 'Available',
        hardware: { serialNumber: 'SN-9' },
        ...(report === undefined ? {} : { inspectionReport: report }),
        macAddresses: ['00:25:90:00:00:09'],
        enrollment: { attempt: 0, connectionHash: connectionHash(host().spec) },
      },
    });

  test('another server at the same address: not offered, until a person accepts it', async () => {
    const bmc = await fakeBmc();
    putBehind(api, bmc, before('10.0.0.5'));
    expect(await enroll()).toMatchObject({ kind: 'failed' });
    expect(api.get(HOSTS, 'h').status?.state).toBe('Error');
    expect(reasons()).toEqual(['Ready=False DifferentServer', 'DifferentServer=True DifferentServer']);

    const host = api.get(HOSTS, 'h');
    host.metadata.annotations = { ...host.metadata.annotations, 'beskar7.io/accept-server': 'SN-1' };
    api.put(HOSTS, host);
    expect(await enroll()).toEqual({ kind: 'enrolled' });
    const accepted = api.get(HOSTS, 'h');
    expect(accepted.metadata.annotations).not.toHaveProperty(['beskar7.io/accept-server']);
    expect(accepted.status).toMatchObject({ state: 'Available', hardware: { serialNumber: 'SN-1' } });
    expect(accepted.status).not.toHaveProperty('inspectionReport');
    expect(reasons()).not.toContain('DifferentServer=True DifferentServer');
  });

  test('an address that was changed: what was known of the earlier server is gone', async () => {
    const bmc = await fakeBmc();
    putBehind(api, bmc, before('10.0.0.5'));
    const moved = api.get(HOSTS, 'h');
    moved.metadata.annotations = {
      'beskar7.io/server': serializeServer({ address: '10.0.0.9', serialNumber: 'SN-9' }),
    };
    api.put(HOSTS, moved);
    expect(await enroll()).toEqual({ kind: 'enrolled' });
    const { status } = api.get(HOSTS, 'h');
    expect(status).toMatchObject({ state: 'Available', hardware: { serialNumber: 'SN-1' }, macAddresses: [] });
    expect(status).not.toHaveProperty('inspectionReport');
  });

  test('another host for the server comes first: not offered', async () => {
    const bmc = await fakeBmc();
    putBehind(api, bmc, host());
    const other = host({ metadata: { name: 'secret', namespace: 'theirs' } });
    const duplicate = { other, by: 'UUID', isFirst: false, areBothClaimed: false } as const;
    expect(await enroll(duplicate)).toMatchObject({ kind: 'failed' });
    expect(api.get(HOSTS, 'h').status?.state).toBe('Error');
    expect(reasons()).toEqual(['Ready=False DuplicateServer']);
    expect(JSON.stringify(api.get(HOSTS, 'h'))).not.toMatch(/"secret"|theirs/);
  });
});
