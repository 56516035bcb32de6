import { afterAll, beforeAll, expect, jest, test } from '@jest/globals';
import { FINALIZER_SECRET, LABEL_MOVE } from '../../crds/names.ts';
import { SECRETS } from '../../kube/resource.ts';
import { changes, isFreeAndOff } from '../support/atTheBmc.ts';
import { World } from '../support/world.ts';

jest.setTimeout(90_000);

const world = new World('e2e-claimed-secret');
const secret = (name: string) => world.admin.get(SECRETS, world.namespace, name);

beforeAll(() => world.start({ hosts: 1, profile: 'generic' }));
afterAll(() => world.stop());

/** Waits until no other Secret than this one is noted for the host. */
const isNoted = (name: string) =>
  world.untilHost('host-1', `noted with ${name}`, ({ status }) => status?.enrollment?.secrets?.join() === name);

test('a claimed host names another Secret: that one is marked, the former one let go, no BMC is changed', async () => {
  const { data = {} } = await secret('bmc');
  await world.addMachine('runs');
  await world.machineIs('runs', 'Provisioned');
  const before = changes(world, 'host-1');
  await world.admin.create(SECRETS, { metadata: { name: 'rotated', namespace: world.namespace }, data });
  const patch = { spec: { redfishConnection: { credentialsSecretRef: 'rotated' } } };
  await world.kubectl('patch', 'physicalhost', 'host-1', '--type=merge', '-p', JSON.stringify(patch));
  await isNoted('rotated');
  expect((await secret('rotated')).metadata).toMatchObject({
    finalizers: [FINALIZER_SECRET],
    labels: { [LABEL_MOVE]: '' },
  });
  await world.kubectl('delete', 'secret', 'bmc', '--timeout=20s');
  expect((await world.host('host-1'))?.status?.state).toBe('Ready');
  expect(changes(world, 'host-1')).toBe(before);
});

test('and it stays until the host is released, and let go', async () => {
  await world.kubectl('delete', 'secret', 'rotated', '--wait=false');
  await world.kubectl('delete', 'beskar7machine', 'runs', '--wait=false');
  await world.machineIsGone('runs');
  await isFreeAndOff(world, 'host-1');
  await world.kubectl('delete', 'physicalhost', 'host-1', '--timeout=30s');
  await world.kubectl('wait', '--for=delete', 'secret/rotated', '--timeout=20s');
});
