import { afterAll, beforeAll, describe, expect, jest, test } from '@jest/globals';
import { claimOf } from '../../model/claim.ts';
import type { PhysicalHost } from '../../crds/physicalHost.ts';
import { HOSTS } from '../../kube/resource.ts';
import type { Component } from '../../tools/controlplane/component.ts';
import { isFreeAndOff } from '../support/atTheBmc.ts';
import { World } from '../support/world.ts';

jest.setTimeout(60_000);

const world = new World('e2e-contention');
const FLEET = 5;
const MACHINES = 12;
let another: Component;

beforeAll(async () => {
  await world.start({ hosts: FLEET, profile: 'generic' });
  another = await world.startAnother('second', []);
});
afterAll(async () => {
  await another.stop();
  await world.stop();
});

/**
 * What nobody may ever see: a host whose consumer was replaced without having been free in between, or a machine with
 * two hosts.
 */
interface Seen {
  readonly replaced: string[];
  readonly twoHosts: string[];
  /** How many claims were seen: a witness who has seen none says nothing. */
  claims: number;
}

/** Follows all hosts, version by version, in the order in which the API server wrote them. */
async function followOwners(signal: AbortSignal, seen: Seen): Promise<void> {
  const owners = new Map<string, { uid: string | undefined; isReleasing: boolean }>();
  const look = (host: PhysicalHost) => {
    const { name } = host.metadata;
    const before = owners.get(name);
    const owner = { uid: host.spec.consumerRef?.uid, isReleasing: claimOf(host)?.stage === 'Releasing' };
    if (before?.uid !== undefined && owner.uid !== undefined && before.uid !== owner.uid) seen.replaced.push(name);
    if (before?.uid === undefined && owner.uid !== undefined) seen.claims += 1;
    owners.set(name, owner);
    if (owner.uid === undefined || owner.isReleasing) return;
    const held = [...owners].filter(([, other]) => other.uid === owner.uid && !other.isReleasing);
    if (held.length > 1) seen.twoHosts.push(held.map(([host]) => host).join(' and '));
  };
  const { items, resourceVersion } = await world.admin.list(HOSTS, { namespace: world.namespace });
  items.forEach(look);
  const options = { namespace: world.namespace, resourceVersion, signal, timeoutSeconds: 60 };
  try {
    for await (const { type, object } of world.admin.watch(HOSTS, options)) if (type !== 'BOOKMARK') look(object);
  } catch (error) {
    if (!signal.aborted) throw error;
  }
}

describe('two processes of every role', () => {
  test('more machines than hosts at once: at no moment a host has two owners, nor a machine two hosts', async () => {
    const over = new AbortController();
    const seen: Seen = { replaced: [], twoHosts: [], claims: 0 };
    const following = followOwners(over.signal, seen);
    const names = Array.from({ length: MACHINES }, (_, index) => `m-${index + 1}`);
    await Promise.all(names.map((name) => world.addMachine(name)));
    const used: string[] = [];
    await Promise.all(
      names.map(async (name) => {
        const machine = await world.machineIs(name, 'Provisioned');
        used.push(machine.status?.hostRef?.name ?? '');
        await world.kubectl('delete', 'beskar7machine', name, '--wait=false');
        await world.machineIsGone(name);
      }),
    );
    over.abort();
    await following;
    expect(seen).toMatchObject({ replaced: [], twoHosts: [] });
    expect(seen.claims).toBeGreaterThanOrEqual(MACHINES);
    expect(used).toHaveLength(MACHINES);
    for (let index = 1; index <= FLEET; index += 1) {
      const host = `host-${index}`;
      await isFreeAndOff(world, host);
      // As many boots as machines that ran there: nobody booted a host of somebody else.
      expect(world.serverOf(host).server.state.boots).toBe(used.filter((name) => name === host).length);
    }
  });

  test('a host that is already on when it is claimed is restarted into the network boot', async () => {
    for (let index = 1; index <= FLEET; index += 1) world.serverOf(`host-${index}`).server.press('On');
    await world.addMachine('takes-over');
    const machine = await world.machineIs('takes-over', 'Provisioned');
    const { server } = world.serverOf(machine.status?.hostRef?.name ?? '');
    expect(server.state.running).toBe('os');
    expect(server.powerLog.slice(-6).map(({ power }) => power)).toEqual(
      expect.arrayContaining(['PoweringOff', 'Off', 'PoweringOn', 'On']),
    );
  });
});
