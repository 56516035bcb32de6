import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { afterAll, beforeAll, expect, jest, test } from '@jest/globals';
import { claimOf } from '../../model/claim.ts';
import { ANNOTATION_PAUSED, API_VERSION, LABEL_CLUSTER_NAME } from '../../crds/names.ts';
import { runCommand } from '../../tools/toolchain/command.ts';
import { call, tokenOf } from '../support/callback.ts';
import { CapiWorld } from '../support/capi/capiWorld.ts';
import { clusterObjects, controlPlaneMachine, secretsOf } from '../support/capi/objects.ts';

jest.setTimeout(240_000);

/**
 * Attacks on bootstrap data through the objects of Cluster API, on a real API server under its real core controllers: a
 * tenant may write Machines, Beskar7Machines and create Secrets in a namespace, and may not read Secrets there. Each
 * wants the bootstrap data of Cluster `victim` (docs/security.md, "What each can do, and what not").
 */

const world = new CapiWorld('capi-attacks', ['--inspection-timeout=110s']);
const folder = mkdtempSync(path.join(os.tmpdir(), 'beskar7-attacks-'));
const CORE = 'cluster.x-k8s.io/v1beta2';
const TENANT = 'capi-tenant';
const VICTIM = 'victim-bootstrap';
let files = 0;
let secretOfVictim = '';

const tenant = (...args: string[]) => {
  const { kubectl, adminKubeconfig } = world.plane;
  const words = ['--kubeconfig', adminKubeconfig, '--as', TENANT, '-n', world.namespace, ...args];
  return runCommand(kubectl, words, { timeoutMs: 60_000 });
};
/** The tenant makes an object; gives its uid. */
async function make(object: object): Promise<string> {
  const file = path.join(folder, `${(files += 1)}.json`);
  writeFileSync(file, JSON.stringify(object));
  const { code, output } = await tenant('create', '-f', file, '-o', 'jsonpath={.metadata.uid}');
  expect({ code, output }).toMatchObject({ code: 0 });
  return output.trim();
}
/** A Machine of the tenant's, paused so that Cluster API does not correct what is wrong with it. */
const machineOf = (name: string, clusterName: string, dataSecretName: string, infrastructure = name) => ({
  apiVersion: CORE,
  kind: 'Machine',
  metadata: { name, labels: { [LABEL_CLUSTER_NAME]: clusterName }, annotations: { [ANNOTATION_PAUSED]: '' } },
  spec: {
    clusterName,
    bootstrap: { dataSecretName },
    infrastructureRef: { apiGroup: 'infrastructure.cluster.x-k8s.io', kind: 'Beskar7Machine', name: infrastructure },
  },
});
const thief = (name: string, owner: { name: string; uid: string }, cluster: string) => ({
  apiVersion: API_VERSION,
  kind: 'Beskar7Machine',
  metadata: {
    name,
    labels: { [LABEL_CLUSTER_NAME]: cluster },
    ownerReferences: [{ apiVersion: CORE, kind: 'Machine', ...owner }],
  },
  spec: { targetOSImage: 'http://images.example/os.tar.gz', hostSelector: { matchLabels: { only: 'host-2' } } },
});

beforeAll(async () => {
  await world.start({ hosts: 2, profile: 'generic' });
  for (const name of ['host-1', 'host-2']) await world.kubectl('label', 'physicalhost', name, `only=${name}`);
  const rules = ['--verb=get,list,create,delete', '--resource=machines.cluster.x-k8s.io,beskar7machines'];
  await world.kubectl('create', 'role', TENANT, ...rules);
  await world.kubectl('create', 'role', `${TENANT}-secrets`, '--verb=create', '--resource=secrets');
  for (const role of [TENANT, `${TENANT}-secrets`])
    await world.kubectl('create', 'rolebinding', role, `--role=${role}`, `--user=${TENANT}`);
  const clusters = ['victim', 'mine'].flatMap((name) => [
    ...clusterObjects(name),
    ...secretsOf(name, world.plane.adminKubeconfig),
  ]);
  await world.apply(clusters);
  await world.apply(
    controlPlaneMachine('victim', 'victim-cp').map((object) => {
      const { kind, spec } = object as { kind: string; spec: object };
      const selector = { hostSelector: { matchLabels: { only: 'host-1' } } };
      return kind === 'Beskar7Machine' ? { ...object, spec: { ...spec, ...selector } } : object;
    }),
  );
  await world.untilMachineRuns('victim-cp');
  await world.untilCluster('mine', 'with infrastructure', ({ status }) => {
    return status?.initialization?.infrastructureProvisioned === true;
  });
  secretOfVictim = Buffer.from(
    await world.kubectl('get', 'secret', VICTIM, '-o', 'jsonpath={.data.value}'),
    'base64',
  ).toString();
});
afterAll(async () => {
  rmSync(folder, { recursive: true, force: true });
  await world.stop();
});

test('the tenant has no way round: the Secret itself is not theirs to read', async () => {
  expect(secretOfVictim).toMatch(/bootstrap-[0-9a-f]{32}/);
  expect((await tenant('get', 'secret', VICTIM)).output).toContain('forbidden');
});

const uidOf = (kind: string, name: string) => world.kubectl('get', kind, name, '-o', 'jsonpath={.metadata.uid}');

test.each<[string, (name: string) => Promise<object>, RegExp]>([
  [
    'a forged owner reference to the Machine of the victim',
    async (name) => thief(name, { name: 'victim-cp', uid: await uidOf('machines', 'victim-cp') }, 'victim'),
    /does not name this machine in spec.infrastructureRef/,
  ],
  [
    'the same without the label of a Cluster',
    async (name) => {
      const { metadata, ...rest } = thief(name, { name: 'victim-cp', uid: await uidOf('machines', 'victim-cp') }, '');
      return { ...rest, metadata: { ...metadata, labels: {} } };
    },
    /does not name this machine in spec.infrastructureRef/,
  ],
  [
    'an owner reference to an own Machine, with another uid',
    async (name) => {
      await make(machineOf(name, 'victim', VICTIM));
      return thief(name, { name, uid: 'b7a1c9d2-0000-4000-8000-000000000001' }, 'victim');
    },
    /is another one than the owner reference means \(uid\)/,
  ],
  [
    'an own Machine of another Cluster than the label says',
    async (name) => thief(name, { name, uid: await make(machineOf(name, 'mine', VICTIM)) }, 'victim'),
    /is of another Cluster \(mine\) than the label of this machine says \(victim\)/,
  ],
  [
    'an own Machine of the own Cluster that names the Secret of the victim',
    async (name) => thief(name, { name, uid: await make(machineOf(name, 'mine', VICTIM)) }, 'mine'),
    /victim-bootstrap is no bootstrap data of Cluster mine/,
  ],
  [
    'an own Machine that names the password of a BMC',
    async (name) => thief(name, { name, uid: await make(machineOf(name, 'mine', 'bmc')) }, 'mine'),
    /bmc is no bootstrap data of Cluster mine/,
  ],
  [
    'an own Machine that names an own Secret of another type',
    async (name) => {
      const metadata = { name, labels: { [LABEL_CLUSTER_NAME]: 'mine' } };
      await make({ apiVersion: 'v1', kind: 'Secret', metadata, type: 'Opaque', stringData: { value: 'x' } });
      return thief(name, { name, uid: await make(machineOf(name, 'mine', name)) }, 'mine');
    },
    /is no bootstrap data of Cluster mine \(type cluster\.x-k8s\.io\/secret and label/,
  ],
  [
    'an own Machine whose infrastructureRef is the machine of the victim',
    async (name) => thief(name, { name, uid: await make(machineOf(name, 'victim', VICTIM, 'victim-cp')) }, 'victim'),
    /does not name this machine in spec.infrastructureRef/,
  ],
])('%s: no bootstrap data, and the machine says why', async (_what, attack, why) => {
  const name = `thief-${(files += 1)}`;
  await make(await attack(name));
  const isTold = ({ status }: { status?: { conditions?: readonly { message?: string }[] } }) =>
    (status?.conditions ?? []).some(({ message }) => why.test(message ?? ''));
  await world.untilMachine(name, `telling ${why.source}`, isTold, 90_000);
  // Where its server is under way already, it asks with its own token, and gets nothing.
  const host = await world.host('host-2');
  const claim = host && claimOf(host);
  if (claim?.stage === 'Armed')
    expect(await call(world, 'bootstrap', 'host-2', await tokenOf(world, 'host-2', claim.id))).not.toBe(200);
  expect(world.serverOf('host-2').server.state.running).not.toBe('os');
  expect(await uidOf('machines', 'victim-cp')).toMatch(/^[0-9a-f-]{36}$/);
  await tenant('delete', 'beskar7machine', name, '--wait=false');
  await tenant('delete', 'machines.cluster.x-k8s.io', name, '--wait=false', '--ignore-not-found');
  await world.hostIs('host-2', 'Available');
});
