import { afterEach, beforeEach, expect, jest, test } from '@jest/globals';
import { isLeftToAnother } from '../../../activities/claim/freeHosts.ts';
import { ownerOfMac } from '../../../api/macOwner.ts';
import { HostWatcher } from '../../../controllers/hostWatcher.ts';
import { duplicateIn } from '../../../controllers/duplicates.ts';
import type { PhysicalHost } from '../../../crds/physicalHost.ts';
import { serializeServer } from '../../../model/serverIdentity.ts';
import { cachesOf } from '../../../workers/caches.ts';
import { freeHost } from './builders.ts';
import { FakeKube, FakeStarter, fakeInformers, logger } from './fakes.ts';

/**
 * The BMC of a tenant tells 128 MAC addresses: those of a whole fleet of others. What the watcher, a claim, an
 * enrolment and boot by MAC address make of it, with the objects of all in the caches.
 */

const FLEET = 42;
const mac = (at: number) => `02:00:00:00:00:${at.toString(16).padStart(2, '0')}`;
const tells = (name: string, namespace: string, macAddresses: string[], day: number): PhysicalHost => {
  const address = `https://${name}.${namespace}.example`;
  const since = `2026-01-0${day}T00:00:00Z`;
  const server = serializeServer({ address: `${name}.${namespace}.example`, serialNumber: `SN-${namespace}-${name}` });
  const made = freeHost(
    name,
    {},
    { namespace, uid: `${namespace}-${name}`, creationTimestamp: since, annotations: { 'beskar7.io/server': server } },
  );
  const spec = { redfishConnection: { ...made.spec.redfishConnection, address } };
  return { ...made, spec, status: { ...made.status, macAddresses } };
};
const fleet = Array.from({ length: FLEET }, (_, at) =>
  tells(`rack-${at}`, 'owners', [mac(3 * at), mac(3 * at + 1), mac(3 * at + 2)], 1),
);
const everything = Array.from({ length: 128 }, (_, at) => mac(at));

let informers: ReturnType<typeof fakeInformers>;
let kube: FakeKube;
let watcher: HostWatcher;
beforeEach(() => {
  jest.useFakeTimers();
  informers = fakeInformers();
  kube = new FakeKube();
  const recorder = { event: () => undefined };
  watcher = new HostWatcher({ kube: kube.client, informers, starter: new FakeStarter(), logger, recorder });
  watcher.start();
});
afterEach(async () => {
  await watcher.stop();
  jest.useRealTimers();
});

test.each([
  ['enrolled after them', 1],
  ['of which a tenant has four', 4],
])('a BMC that tells the MAC addresses of a whole fleet, %s', async (_what, count) => {
  informers.hosts.put(...fleet);
  const liars = Array.from({ length: count }, (_, at) => tells(`liar-${at}`, 'strangers', everything, 2));
  informers.hosts.put(...liars);
  await jest.advanceTimersByTimeAsync(10_000);

  // No host of the fleet is held back from a claim, nor refused by an enrolment that is repeated.
  const caches = cachesOf(informers);
  for (const host of fleet) {
    expect(isLeftToAnother(caches, host)).toBe(false);
    expect(duplicateIn(informers, host)?.isFirst ?? true).toBe(true);
  }
  // A server of the fleet gets its own boot script, whatever its MAC address.
  const facts = { hostsByMac: (of: string) => informers.hosts.byIndex('byMac', of), mayBoot: () => true };
  for (const [at, host] of fleet.entries())
    for (const number of [3 * at, 3 * at + 1, 3 * at + 2])
      expect(ownerOfMac(mac(number), facts)).toMatchObject({
        kind: 'host',
        host: { metadata: { name: host.metadata.name } },
      });

  // What the watcher says on either side names nothing of the other.
  const said = kube.applied as unknown as { metadata: { namespace: string }; status: unknown }[];
  const words = (namespace: string) =>
    JSON.stringify(said.filter(({ metadata }) => metadata.namespace === namespace).map(({ status }) => status));
  expect(words('owners')).not.toMatch(/strangers|liar-/);
  expect(words('strangers')).not.toMatch(/owners|rack-/);
  expect(words('owners')).not.toContain('"type":"DuplicateServer"');
});

test('a host of the fleet that is registered after the liar is claimed, and boots, all the same', async () => {
  informers.hosts.put(tells('liar', 'strangers', everything, 1));
  const late = tells('late', 'owners', [mac(5), mac(6)], 2);
  informers.hosts.put(late);
  await jest.advanceTimersByTimeAsync(10_000);
  expect(isLeftToAnother(cachesOf(informers), late)).toBe(false);
  const named = { ...late, spec: { ...late.spec, bootMACAddress: mac(5) } };
  informers.hosts.put(named);
  const facts = { hostsByMac: (of: string) => informers.hosts.byIndex('byMac', of), mayBoot: () => true };
  expect(ownerOfMac(mac(5), facts)).toMatchObject({ kind: 'host', host: { metadata: { name: 'late' } } });
});
