import { afterAll, beforeAll, describe, expect, jest, test } from '@jest/globals';
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

/** Follows all hosts; a host whose consumer is replaced without having been free in between is told. */
async function followOwners(signal: AbortSignal, replaced: string[]): Promise<void> {
  const owners = new Map<string, string | undefined>();
  const { items, resourceVersion } = await world.admin.list(HOSTS, { namespace: world.namespace });
  for (const { metadata, spec } of items) owners.set(metadata.name, spec.consumerRef?.uid);
  const options = { namespace: world.namespace, resourceVersion, signal, timeoutSeconds: 60 };
  try {
    for await (const { type, object } of world.admin.watch(HOSTS, options)) {
      if (type === 'BOOKMARK') continue;
      const [before, after] = [owners.get(object.metadata.name), object.spec.consumerRef?.uid];
      if (before !== undefined && after !== undefined && before !== after) replaced.push(object.metadata.name);
      owners.set(object.metadata.name, after);
    }
  } catch (error) {
    if (!signal.aborted) throw error;
  }
}

describe('two processes of every role', () => {
  test('more machines than hosts at once: at no moment a host has two owners, nor a machine two hosts', async () => {
    const over = new AbortController();
    const replaced: string[] = [];
    const following = followOwners(over.signal, replaced);
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
    expect(replaced).toEqual([]);
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
