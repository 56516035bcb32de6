import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { afterAll, beforeAll, describe, expect, jest, test } from '@jest/globals';
import { freePorts } from '../../tools/controlplane/ports.ts';
import type { Component } from '../../tools/controlplane/component.ts';
import type { Role } from '../../workers/config.ts';
import { accountKubeconfig } from '../support/accounts.ts';
import { accountOf } from '../support/controlPlane.ts';
import { grantsOf, Uses, type Privilege } from '../support/privileges.ts';
import { WebClient } from '../support/webClient.ts';
import { World } from '../support/world.ts';

jest.setTimeout(240_000);

/** As the chart does it by default; the webhook is in test/integration/conversion.test.ts. */
const APART = ['controllers', 'worker', 'bmc-worker', 'web'] as const satisfies readonly Role[];
const OWN = 'infrastructure.cluster.x-k8s.io';
const MANIFEST = path.join(__dirname, '..', '..', 'deploy', 'manifests', 'rbac.yaml');

const folder = mkdtempSync(path.join(os.tmpdir(), 'beskar7-roles-'));
let page: WebClient;

/** One process for each role, each with the token of its own account. */
class ApartWorld extends World {
  readonly others: Component[] = [];

  override async startBeskar7(): Promise<void> {
    const of = async (role: Role) => [
      `--roles=${role}`,
      `--kubeconfig=${await accountKubeconfig(this.plane, role, folder)}`,
    ];
    const [port = 0] = await freePorts(1);
    page = new WebClient(`http://127.0.0.1:${port}/`);
    await super.startBeskar7(await of('api'));
    for (const role of APART) {
      const more = role === 'web' ? [`--web-bind-address=127.0.0.1:${port}`] : [];
      this.others.push(await this.startAnother(role, [...(await of(role)), ...more]));
    }
  }

  override async stop(): Promise<void> {
    for (const other of this.others) await other.stop();
    await super.stop();
  }
}

const world = new ApartWorld('e2e-roles');

beforeAll(async () => {
  await world.start({ hosts: 2, profile: 'generic' });
});
afterAll(async () => {
  await world.stop();
  rmSync(folder, { recursive: true, force: true });
});

const apply = (name: string, object: object) => {
  const file = path.join(folder, `${name}.json`);
  writeFileSync(file, JSON.stringify(object));
  return world.kubectl('apply', '-f', file);
};
const isTrue = (status: { conditions?: { type: string; status: string }[] } | undefined, type: string) =>
  (status?.conditions ?? []).some((condition) => condition.type === type && condition.status === 'True');
const on = { hostSelector: { matchLabels: { only: 'host-1' } } };

describe('a process for each role, with the rights of that role alone', () => {
  test('a machine is provisioned, deleted, and its server provisioned again; another is cancelled on the page', async () => {
    await world.kubectl('label', 'physicalhost', 'host-1', 'only=host-1');
    await world.addMachine('first', on);
    await world.machineIs('first', 'Provisioned');
    await world.kubectl('delete', 'beskar7machine', 'first');
    await world.hostIs('host-1', 'Available');
    await world.addMachine('second', on);
    await world.machineIs('second', 'Provisioned');
  });

  test('a consumer that was taken away is written again', async () => {
    await world.kubectl('patch', 'physicalhost', 'host-1', '--type=merge', '-p', '{"spec":{"consumerRef":null}}');
    await world.untilHost('host-1', 'held again', ({ spec }) => spec.consumerRef?.name === 'second');
  });

  test('a machine that lost its finalizer gets it back; a change that comes too late, and a pause, are told', async () => {
    const patch = (what: string, change: object) =>
      world.kubectl('patch', what, '--type=merge', '-p', JSON.stringify(change));
    await patch('beskar7machine/second', { metadata: { finalizers: null } });
    await world.untilMachine('second', 'with its finalizer', ({ metadata }) => (metadata.finalizers ?? []).length > 0);
    await patch('beskar7machine/second', { spec: { targetOSImage: 'http://images.example/other.tar.gz' } });
    await world.untilMachine('second', 'told of it', ({ status }) => isTrue(status, 'SpecChangeIgnored'));
    const paused = (value: string | null) => ({ metadata: { annotations: { 'cluster.x-k8s.io/paused': value } } });
    await patch('physicalhost/host-2', paused(''));
    await world.untilHost('host-2', 'paused', ({ status }) => isTrue(status, 'Paused'));
    await patch('physicalhost/host-2', paused(null));
    await world.untilHost('host-2', 'going on', ({ status }) => !isTrue(status, 'Paused'));
  });

  test('a cluster is ready, a template says what it offers', async () => {
    const metadata = (name: string) => ({ name, namespace: world.namespace });
    const apiVersion = `${OWN}/v1beta1`;
    const spec = { controlPlaneEndpoint: { host: '10.0.0.9', port: 6443 } };
    await apply('cluster', { apiVersion, kind: 'Beskar7Cluster', metadata: metadata('cluster'), spec });
    const template = { template: { spec: { targetOSImage: 'http://images.example/os.tar.gz' } } };
    await apply('template', {
      apiVersion,
      kind: 'Beskar7MachineTemplate',
      metadata: metadata('template'),
      spec: template,
    });
    const wait = (what: string, path: string) => world.kubectl('wait', what, `--for=jsonpath=${path}`, '--timeout=60s');
    await wait(`beskar7cluster.v1beta1.${OWN}/cluster`, '{.status.ready}=true');
    await wait('beskar7machinetemplate/template', '{.status.capacity}');
  });

  test('the page shows a host with its earlier reports and cancels for the person who is logged in', async () => {
    await world.kubectl('create', 'serviceaccount', 'person');
    const rights = ['--verb=get,list,patch', '--resource=physicalhosts,beskar7machines,events'];
    await world.kubectl('create', 'role', 'person', ...rights);
    await world.kubectl(
      'create',
      'rolebinding',
      'person',
      '--role=person',
      `--serviceaccount=${world.namespace}:person`,
    );
    const token = (await world.kubectl('create', 'token', 'person', '--duration=1h')).trim();
    world.witness.secrets.set(token, 'the token of a person');
    expect((await page.logIn(token)).status).toBe(200);
    const at = (kind: string, name: string) => `api/${kind}/${world.namespace}/${name}`;
    const host = await page.get<{ reports?: unknown[] }>(at('hosts', 'host-1'));
    expect(host.status).toBe(200);
    await world.addMachine('third', { hostSelector: { matchLabels: { only: 'nothing' } } });
    await world.untilMachine('third', 'waiting for a host', ({ status }) =>
      (status?.conditions ?? []).some(({ reason }) => reason === 'NoMatchingHost'),
    );
    expect((await page.get(at('machines', 'third'))).status).toBe(200);
    expect((await page.post(`${at('machines', 'third')}/cancel`)).status).toBe(202);
    await world.machineIs('third', 'Failed');
  });

  test('everything goes again, and a host is retired', async () => {
    await world.kubectl('delete', 'beskar7machine', 'second', 'third');
    await world.hostIs('host-1', 'Available');
    await world.kubectl('delete', 'physicalhost', 'host-1', 'host-2');
  });
});

/**
 * What one of these runs does not come to, with what does. The account with every role does it in the tests that are
 * named.
 */
const COURTESY: Privilege = 'patch events';
const ELSEWHERE: Readonly<Record<(typeof APART)[number] | 'api', readonly Privilege[]>> = {
  // Cluster API is not installed here: test/capi.
  controllers: [
    COURTESY,
    `patch beskar7clusters.${OWN}`,
    'list machines.cluster.x-k8s.io',
    'watch machines.cluster.x-k8s.io',
    'list clusters.cluster.x-k8s.io',
    'watch clusters.cluster.x-k8s.io',
  ],
  // The same; and hosts that are let go without a worker at their BMC: noWorker.test.ts.
  worker: [
    COURTESY,
    'get machines.cluster.x-k8s.io',
    'get clusters.cluster.x-k8s.io',
    'list clusters.cluster.x-k8s.io',
    'watch clusters.cluster.x-k8s.io',
    'get secrets',
    'patch secrets',
    'delete secrets',
  ],
  'bmc-worker': [COURTESY],
  // A third report, and one that differs from the last: web.test.ts. A machine that the watch cache does not have yet:
  // adoption.test.ts.
  api: [COURTESY, 'get configmaps', 'patch configmaps', `get beskar7machines.${OWN}`],
  web: [COURTESY],
};

describe.each(['api', ...APART] as const)('the account of %s', (role) => {
  test('was refused nothing', () => {
    const uses = Uses.read(world.plane.auditLog, accountOf(role));
    expect(uses.count).toBeGreaterThan(5);
    expect([...new Set(uses.refused)]).toEqual([]);
  });

  test('used what it is granted', () => {
    const uses = Uses.read(world.plane.auditLog, accountOf(role));
    const unused = uses.unused(grantsOf(readFileSync(MANIFEST, 'utf8'), `beskar7-${role}`));
    // Of its own certificate it is granted what RBAC cannot tie to a name: test/e2e/https.test.ts.
    const own = role === 'api' ? ['create secrets', 'patch secrets'] : [];
    expect(unused.filter((grant) => ![...ELSEWHERE[role], ...own].includes(grant))).toEqual([]);
  });
});
