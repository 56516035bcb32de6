import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, jest, test } from '@jest/globals';
import { claimOf } from '../../model/claim.ts';
import { FINALIZER_SECRET } from '../../crds/names.ts';
import { SECRETS } from '../../kube/resource.ts';
import type { PhysicalHost } from '../../crds/physicalHost.ts';
import { changes, isFreeAndOff, resets } from '../support/atTheBmc.ts';
import { isUpToDate, told } from '../support/conditions.ts';
import { World } from '../support/world.ts';

jest.setTimeout(60_000);

const HOSTS = 6;
const world = new World('e2e-protection');
const on = (host: string) => ({ hostSelector: { matchLabels: { only: host } } });
const remove = (...what: string[]) => world.kubectl('delete', ...what, '--wait=false');
const bmcSecret = (name = 'bmc') => world.admin.get(SECRETS, world.namespace, name);

let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'beskar7-protection-'));
  await world.start({ hosts: HOSTS, profile: 'generic' });
  for (let index = 1; index <= HOSTS; index += 1)
    await world.kubectl('label', 'physicalhost', `host-${index}`, `only=host-${index}`);
});
afterAll(async () => {
  await world.stop();
  await rm(folder, { recursive: true, force: true });
});

describe('what is in use is not deleted from under a machine', () => {
  test('a PhysicalHost, claimed and booting: it waits and says so, its server is not touched', async () => {
    await world.fleet.fault('sim-0001', { delayCallbacksMs: 2_000, times: 1 });
    await world.addMachine('one', on('host-1'));
    await world.hostIs('host-1', 'Inspecting');
    await remove('physicalhost', 'host-1');
    const host = await world.untilHost('host-1', 'blocked', (object) => isUpToDate(object, 'DeletionBlocked'));
    expect(told(host, 'DeletionBlocked')).toMatch(
      /Beskar7Machine e2e-protection\/one .*kubectl delete beskar7machine one/,
    );
    await world.machineIs('one', 'Provisioned');
    expect(resets(world, 'host-1')).toEqual(['On']);
  });

  test('it goes as soon as its machine has gone, and only after it was seen off', async () => {
    await remove('beskar7machine', 'one');
    await world.machineIsGone('one');
    await world.hostIsGone('host-1');
    expect(world.serverOf('host-1').server.state.power).toBe('Off');
    expect(resets(world, 'host-1').at(-1)).toBe('GracefulShutdown');
  });

  test('a Secret that a host names no longer is let go, also one that never worked; others need theirs still', async () => {
    const { data = {} } = await bmcSecret();
    const wrong = Buffer.from('wrong').toString('base64');
    await world.admin.create(SECRETS, { metadata: { name: 'next', namespace: world.namespace }, data });
    await world.admin.create(SECRETS, {
      metadata: { name: 'bad', namespace: world.namespace },
      data: { ...data, password: wrong },
    });
    const named = async (name: string, reason: string) => {
      const patch = { spec: { redfishConnection: { credentialsSecretRef: name } } };
      await world.kubectl('patch', 'physicalhost', 'host-4', '--type=merge', '-p', JSON.stringify(patch));
      const { metadata } = await world.untilHost('host-4', `with ${name}`, (host) => {
        const { secrets = [], attempt } = host.status?.enrollment ?? {};
        return secrets[0] === name && (attempt === 0) === (reason === 'Enrolled') && told(host).startsWith(reason);
      });
      expect(metadata.name).toBe('host-4');
    };
    await named('bad', 'Unauthorized');
    expect((await bmcSecret('bad')).metadata.finalizers).toEqual([FINALIZER_SECRET]);
    await named('next', 'Enrolled');
    expect((await bmcSecret('next')).metadata.finalizers).toEqual([FINALIZER_SECRET]);
    expect((await bmcSecret('bad')).metadata.finalizers).toBeUndefined();
    expect((await bmcSecret('bmc')).metadata.finalizers).toEqual([FINALIZER_SECRET]);
    await named('bmc', 'Enrolled');
    expect((await bmcSecret('next')).metadata.finalizers).toBeUndefined();
    await world.kubectl('delete', 'secret', 'bad', 'next');
  });

  test('kubectl replace of a host with the manifest that it was made from: its machine keeps it, no other one gets it', async () => {
    await world.addMachine('kept', on('host-3'));
    await world.machineIs('kept', 'Provisioned');
    const { apiVersion, kind, metadata, spec } = (await world.host('host-3')) as PhysicalHost;
    const { consumerRef, ...made } = spec;
    const manifest = { apiVersion, kind, metadata: { name: 'host-3', labels: { only: 'host-3' } }, spec: made };
    const before = changes(world, 'host-3');
    const file = join(folder, 'host.json');
    await writeFile(file, JSON.stringify(manifest));
    await world.kubectl('replace', '-f', file);
    await world.addMachine('wants', on('host-3'));
    const host = await world.untilHost('host-3', 'given back', (object) => object.spec.consumerRef !== undefined);
    expect(host.spec.consumerRef).toEqual(consumerRef);
    expect(claimOf(host)).toMatchObject({ stage: 'HandedOver' });
    expect([host.status?.state, host.metadata.finalizers]).toEqual(['Ready', metadata.finalizers]);
    expect(changes(world, 'host-3')).toBe(before);
    expect(world.serverOf('host-3').server.state).toMatchObject({ power: 'On', running: 'os' });
    // It is released like any other, and then free for the one that waits.
    await remove('beskar7machine', 'kept');
    await world.machineIsGone('kept');
    await world.machineIs('wants', 'Provisioned');
    expect(resets(world, 'host-3')).toEqual(['On', 'GracefulShutdown', 'On']);
    await world.kubectl('delete', 'beskar7machine', 'wants');
  });

  test('the Secret of BMCs: it stays while hosts need it, and they go on working', async () => {
    expect((await bmcSecret()).metadata.finalizers).toEqual([FINALIZER_SECRET]);
    await remove('secret', 'bmc');
    await world.addMachine('two', on('host-2'));
    await world.machineIs('two', 'Provisioned');
    expect((await bmcSecret()).metadata.deletionTimestamp).toBeDefined();
    await remove('beskar7machine', 'two');
    await world.machineIsGone('two');
    await isFreeAndOff(world, 'host-2');
  });
});

describe('kubectl delete namespace', () => {
  /**
   * The part of the namespace controller, which this control plane has not got: every object is deleted, in no order.
   */
  const deleteAll = () =>
    Promise.all(
      ['beskar7machines', 'physicalhosts', 'secrets'].map((kind) => remove(kind, '--all', '--ignore-not-found')),
    );

  test('with a machine in each of its phases: servers off, everything gone, nothing was created', async () => {
    await world.addMachine('runs', on('host-2'));
    await world.fleet.fault('sim-0003', { neverReports: true });
    await world.addMachine('inspects', on('host-3'));
    await world.fleet.fault('sim-0004', { powerStuck: true });
    await world.addMachine('boots', on('host-4'));
    await world.addMachine('waits', on('nowhere'));
    await world.fleet.fault('sim-0005', { smallHardware: true });
    await world.addMachine('failed', { ...on('host-5'), hardwareRequirements: { minCPUCores: 8 } });
    await world.addMachine('leaves', on('host-6'));
    await world.machineIs('leaves', 'Provisioned');
    await world.fleet.fault('sim-0006', { refuse: true });
    await remove('beskar7machine', 'leaves');
    await world.untilHost('host-6', 'being released', (host) => claimOf(host)?.stage === 'Releasing');
    await world.machineIs('failed', 'Failed');
    await world.machineIs('runs', 'Provisioned');
    await world.hostIs('host-3', 'Inspecting');
    await world.bmcWasAsked('host-4', ({ body }) => body.includes('"On"'));
    await world.untilMachine('waits', 'waiting', (machine) => told(machine).startsWith('NoMatchingHost'));

    await remove('namespace', world.namespace);
    await deleteAll();
    await world.fleet.heal('sim-0006');
    for (const name of ['runs', 'inspects', 'boots', 'waits', 'failed', 'leaves']) await world.machineIsGone(name);
    for (let index = 2; index <= HOSTS; index += 1) await world.hostIsGone(`host-${index}`);
    await world.kubectl('wait', '--for=delete', 'secret/bmc', '--timeout=30s');
    expect(await world.kubectl('get', 'secrets', '-o', 'name')).toBe('');
    for (let index = 2; index <= HOSTS; index += 1) {
      expect(world.serverOf(`host-${index}`).server.state.power).toBe('Off');
    }
  });
});
