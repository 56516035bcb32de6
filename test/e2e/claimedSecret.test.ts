import { randomBytes } from 'node:crypto';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterAll, beforeAll, expect, jest, test } from '@jest/globals';
import { FINALIZER_SECRET, LABEL_MOVE } from '../../crds/names.ts';
import { SECRETS } from '../../kube/resource.ts';
import { changes, isFreeAndOff } from '../support/atTheBmc.ts';
import { isUpToDate } from '../support/conditions.ts';
import { World } from '../support/world.ts';

jest.setTimeout(90_000);

const world = new World('e2e-claimed-secret', ['--monitor-interval=500ms']);
const secret = (name: string) => world.admin.get(SECRETS, world.namespace, name);

beforeAll(async () => {
  await world.start({ hosts: 1, profile: 'generic' });
});
afterAll(() => world.stop());

/** Waits until no other Secret than this one is noted for the host. */
const isNoted = (name: string) =>
  world.untilHost('host-1', `noted with ${name}`, ({ status }) => status?.enrollment?.secrets?.join() === name);

/**
 * As people do it: the Secret is replaced whole, so that nothing stands on it but what they wrote; then the BMC gets
 * its new password.
 */
async function rotate(): Promise<void> {
  const password = `bmc-${randomBytes(12).toString('hex')}`;
  const values = ['--from-literal=username=admin', `--from-literal=password=${password}`];
  const folder = await mkdtemp(path.join(tmpdir(), 'beskar7-rotate-'));
  try {
    const file = path.join(folder, 'secret.yaml');
    await writeFile(
      file,
      await world.kubectl('create', 'secret', 'generic', 'bmc', ...values, '--dry-run=client', '-o', 'yaml'),
    );
    await world.kubectl('replace', '-f', file);
  } finally {
    await rm(folder, { recursive: true });
  }
  expect((await secret('bmc')).metadata.finalizers).toBeUndefined();
  await world.fleet.fault('sim-0001', { password });
}

test.each([
  ['free', () => Promise.resolve()],
  [
    'handed over',
    async () => {
      await world.addMachine('runs');
      await world.machineIs('runs', 'Provisioned');
    },
  ],
])('the Secret of a host is replaced, and marked again: %s', async (_what, begin) => {
  await begin();
  const before = changes(world, 'host-1');
  await rotate();
  const mark = `jsonpath={.metadata.finalizers[0]}=${FINALIZER_SECRET}`;
  await world.kubectl('wait', `--for=${mark}`, 'secret/bmc', '--timeout=30s');
  expect((await secret('bmc')).metadata.labels).toEqual({ [LABEL_MOVE]: '' });
  await world.untilHost('host-1', 'reachable', (host) => isUpToDate(host, 'RedfishReachable'));
  expect(changes(world, 'host-1')).toBe(before);
});

test('a claimed host names another Secret: that one is marked, the former one let go, no BMC is changed', async () => {
  const { data = {} } = await secret('bmc');
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
