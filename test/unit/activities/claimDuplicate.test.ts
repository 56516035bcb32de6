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
