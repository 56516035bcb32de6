import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import { claimHost } from '../../../activities/claim/claimHost.ts';
import { connectionHash } from '../../../model/connection.ts';
import { ANNOTATION_SERVER, LABEL_CONSUMER_UID } from '../../../crds/names.ts';
import type { PhysicalHost } from '../../../crds/physicalHost.ts';
import { bmcPlace, serializeServer } from '../../../model/serverIdentity.ts';
import { HOSTS, MACHINES } from '../../../kube/resource.ts';
import { cachesOf } from '../../../workers/caches.ts';
import { claimedHost, freeHost, machine, OURS } from '../controllers/builders.ts';
import { fakeInformers } from '../controllers/fakes.ts';
import { ApiServer } from './apiServer.ts';
import { asActivity, RUN, workerOn } from './worker.ts';

/** Two hosts of one server, as the index of the watch caches finds them and as they are live. */

let api: ApiServer;
let informers: ReturnType<typeof fakeInformers>;
beforeEach(async () => {
  api = await ApiServer.start();
  api.put(MACHINES, machine({ metadata: OURS }));
  informers = fakeInformers();
});
afterEach(() => api.stop());

const at = (host: PhysicalHost, address: string, serialNumber: string, day = 1): PhysicalHost => {
  const spec = { ...host.spec, redfishConnection: { ...host.spec.redfishConnection, address } };
  const server = { [ANNOTATION_SERVER]: serializeServer({ ...bmcPlace(spec), serialNumber }) };
  const annotations = { ...host.metadata.annotations, ...server };
  const metadata = { ...host.metadata, annotations, creationTimestamp: `2026-01-0${day}T00:00:00Z` };
  const enrollment = { connectionHash: connectionHash(spec), attempt: 0 };
  return { ...host, metadata, spec, status: { state: 'Available', ...host.status, enrollment } };
};
/** Live, and in the cache unless that is behind. */
function put(host: PhysicalHost, cached: PhysicalHost | undefined = host): void {
  api.put(HOSTS, host);
  const { resourceVersion = '' } = api.get(HOSTS, host.metadata.name, host.metadata.namespace).metadata;
  if (cached) informers.hosts.put({ ...cached, metadata: { ...cached.metadata, resourceVersion } });
}

async function claim() {
  const deps = workerOn(api, { caches: cachesOf(informers) });
  const { uid = '' } = api.get(MACHINES, 'm').metadata;
  const input = {
    run: { ...RUN, machine: { ...RUN.machine, uid } },
    attempt: 1,
    tried: [],
    isReset: false,
    isCancelled: false,
  };
  return asActivity(() => claimHost(deps, input));
}
const claimedNames = () =>
  api.writes
    .filter(({ verb, what }) => verb === 'patch' && /^physicalhosts\/[^/]+$/.test(what))
    .map(({ what }) => what);

describe('two hosts of one server', () => {
  test.each([
    ['one BMC address in two spellings', 'https://10.0.0.5', 'https://10.0.0.5:443/redfish/v1/', 'SN-100', 'SN-100'],
    ['two addresses of one server', 'https://10.0.0.5', 'https://10.0.0.6', 'SN-100', 'sn-100'],
  ])('%s: the older one is claimed, whatever is preferred', async (_what, first, second, one, other) => {
    for (const [older, younger] of [
      ['a', 'b'],
      ['b', 'a'],
    ] as const) {
      api.writes.splice(0);
      put(at(freeHost(older), first, one, 1));
      put(at(freeHost(younger), second, other, 2));
      expect(await claim()).toMatchObject({ kind: 'claimed', claim: { ref: { host: older } } });
      expect(claimedNames()).toEqual([`physicalhosts/${older}`]);
      api.put(MACHINES, machine({ metadata: { ...OURS, uid: `next-${older}` } }));
    }
  });

  test('one has a consumer: the other one is not claimed, in another namespace neither', async () => {
    put({
      ...at(
        claimedHost('HandedOver', { state: 'Ready' }, { namespace: 'theirs', name: 'live' }),
        'https://10.0.0.5',
        'SN-1',
        2,
      ),
    });
    put(at(freeHost('copy'), 'https://10.0.0.5/', 'SN-1', 1));
    const result = await claim();
    expect(result).toMatchObject({
      kind: 'noMatchingHost',
      message: expect.stringContaining('1 with another host for the same server') as unknown,
    });
    expect(claimedNames()).toEqual([]);
  });

  test('the other one was claimed a moment ago, which the cache does not show yet: no second claim is sent', async () => {
    const [older, younger] = [
      at(freeHost('a'), 'https://10.0.0.5', 'SN-100', 1),
      at(freeHost('b'), 'https://10.0.0.6', 'SN-100', 2),
    ];
    put(older);
    // Another process, whose cache shows `a` as one that is being enrolled, has claimed `b`.
    // Its status is written after that.
    const claimed = claimedHost('Claimed', { state: 'Available' }, { name: 'b', uid: 'b-uid' });
    claimed.metadata.labels = { [LABEL_CONSUMER_UID]: 'x-uid' };
    claimed.spec.consumerRef = { apiVersion: 'v', kind: 'Beskar7Machine', name: 'x', namespace: 'ns', uid: 'x-uid' };
    put(at(claimed, 'https://10.0.0.6', 'SN-100', 2), younger);
    expect(await claim()).toMatchObject({ kind: 'noMatchingHost' });
    expect(claimedNames()).toEqual([]);
  });

  test('both become free at the same moment, by caches of two processes that are both behind', async () => {
    const [older, younger] = [
      at(freeHost('a'), 'https://10.0.0.5', 'SN-100', 1),
      at(freeHost('b'), 'https://10.0.0.6', 'SN-100', 2),
    ];
    // In this one `a` is not enrolled yet, so that `b` would come first; live it is.
    const unenrolled: PhysicalHost = {
      ...older,
      status: { state: 'Enrolling' },
      metadata: { ...older.metadata, annotations: {} },
    };
    put(older, unenrolled);
    // By the address, which both have there.
    put(at(younger, 'https://10.0.0.5', 'SN-100', 2));
    expect(await claim()).toMatchObject({ kind: 'noMatchingHost' });
    expect(claimedNames()).toEqual([]);
    // With a cache that is not behind the older one is claimed.
    put(older);
    expect(await claim()).toMatchObject({ kind: 'claimed', claim: { ref: { host: 'a' } } });
  });
});

describe('a tenant of another namespace who has created hosts in great numbers', () => {
  const known = '2026-01-01T00:00:00Z';
  const theirs = (at: number, address: string, record: object | undefined): PhysicalHost => {
    const made = freeHost(`h${at}`, {}, { namespace: 'stranger', creationTimestamp: '2026-01-02T00:00:00Z' });
    const spec = { ...made.spec, redfishConnection: { ...made.spec.redfishConnection, address } };
    const server = record && serializeServer({ ...bmcPlace(spec), ...record });
    const annotations = { [ANNOTATION_SERVER]: server } as Record<string, string>;
    const metadata = { ...made.metadata, uid: `stranger-${at}`, annotations: server === undefined ? {} : annotations };
    return { ...made, metadata, spec, status: { ...made.status, macAddresses: ['02:00:00:00:00:01'] } };
  };
  const own = () => {
    const host = at(freeHost('a'), 'https://10.0.0.5', 'SN-100', 1);
    const server = serializeServer({
      ...bmcPlace(host.spec),
      uuid: '0f1e2d3c-4b5a-6978-8796-a5b4c3d2e1f0',
      serialNumber: 'SN-100',
      uuidSince: known,
      serialNumberSince: known,
    });
    const annotations = { ...host.metadata.annotations, [ANNOTATION_SERVER]: server };
    const status = { ...host.status, macAddresses: ['02:00:00:00:00:01', '02:00:00:00:00:02'] };
    return { ...host, metadata: { ...host.metadata, annotations }, status };
  };
  const later = { uuidSince: '2026-01-02T00:00:00Z', serialNumberSince: '2026-01-02T00:00:00Z' };

  test.each<[string, number, (at: number) => PhysicalHost]>([
    ['the address of its BMC, without its password', 20, (n) => theirs(n, 'https://10.0.0.5', undefined)],
    ['the address of its BMC, in 300 hosts', 300, (n) => theirs(n, 'https://10.0.0.5', undefined)],
    [
      'its UUID and serial number, by BMCs of theirs',
      20,
      (n) =>
        theirs(n, `https://10.9.0.${n}`, {
          uuid: '0f1e2d3c-4b5a-6978-8796-a5b4c3d2e1f0',
          serialNumber: 'SN-100',
          ...later,
        }),
    ],
    ['its serial number', 20, (n) => theirs(n, `https://10.9.0.${n}`, { serialNumber: 'SN-100', ...later })],
  ])('that tell %s: the host is claimed all the same', async (_what, count, made) => {
    put(own());
    for (let n = 0; n < count; n += 1) put(made(n));
    expect(await claim()).toMatchObject({ kind: 'claimed', claim: { ref: { host: 'a' } } });
    expect(claimedNames()).toEqual(['physicalhosts/a']);
  });

  test('and a host of the own namespace that comes first is not hidden by them', async () => {
    const first = own();
    put(first);
    for (let n = 0; n < 40; n += 1) put(theirs(n, 'https://10.0.0.5', undefined));
    // Live it is claimed by now; in the cache it is being enrolled still.
    const claimed = claimedHost('Claimed', { state: 'Available' }, { name: 'b', uid: 'b-uid' });
    claimed.spec.consumerRef = { apiVersion: 'v', kind: 'Beskar7Machine', name: 'x', namespace: 'ns', uid: 'x-uid' };
    claimed.metadata.labels = { [LABEL_CONSUMER_UID]: 'x-uid' };
    const live = at(claimed, 'https://10.0.0.5', 'SN-100', 2);
    const { consumerRef: _none, ...free } = live.spec;
    put(live, { ...live, spec: free, status: { state: 'Enrolling' }, metadata: { ...live.metadata, annotations: {} } });
    expect(await claim()).toMatchObject({ kind: 'noMatchingHost' });
    expect(claimedNames()).toEqual([]);
  });
});
