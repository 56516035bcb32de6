import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { afterAll, beforeAll, describe, expect, jest, test } from '@jest/globals';
import { kubectl as asAdmin } from '../../tools/controlplane/install.ts';
import { runCommand } from '../../tools/toolchain/command.ts';
import { ROLES, type Role } from '../../workers/config.ts';
import { testControlPlane } from '../support/controlPlane.ts';

/**
 * A token of each shipped account, in the hands of an attacker who knows every name: what it is refused, by RBAC or by
 * deploy/manifests/accounts.yaml, and what it is let do (docs/security.md › A stolen token).
 */

jest.setTimeout(60_000);

const plane = testControlPlane();
const NAMESPACE = 'accounts';
const SYSTEM = 'beskar7-system';
const OWN = 'infrastructure.cluster.x-k8s.io';
const HASH = 'beskar7.io/claim';
const folder = mkdtempSync(path.join(os.tmpdir(), 'beskar7-accounts-'));
const tokens = new Map<Role, string>();
let hostUid = '';

/** kubectl with the token of a role, and with nothing else. */
async function as(role: Role, args: readonly string[]) {
  const words = [`--token=${tokens.get(role) ?? ''}`, `--server=${plane.apiServerUrl}`, '--insecure-skip-tls-verify'];
  return runCommand(plane.kubectl, ['--kubeconfig=/dev/null', ...words, '-n', NAMESPACE, ...args], {
    timeoutMs: 30_000,
  });
}

let files = 0;
function file(object: object): string {
  const name = path.join(folder, `${(files += 1)}.json`);
  writeFileSync(name, JSON.stringify(object));
  return name;
}
const create = (object: object) => ['create', '--dry-run=server', '-f', file(object)];
const patch = (what: string, change: object, ...more: string[]) => [
  'patch',
  what,
  '--type=merge',
  '--dry-run=server',
  '-p',
  JSON.stringify(change),
  ...more,
];
const owner = () => ({ apiVersion: `${OWN}/v1beta1`, kind: 'PhysicalHost', name: 'host', uid: hostUid });
const secret = (name: string, more: object = {}, namespace = NAMESPACE, metadata: object = {}) => ({
  apiVersion: 'v1',
  kind: 'Secret',
  metadata: { name, namespace, ...metadata },
  stringData: { token: 'x' },
  ...more,
});
const bootSecret = () =>
  secret('host-boot-c', { type: 'beskar7.io/boot', immutable: true }, NAMESPACE, { ownerReferences: [owner()] });
const serviceAccountToken = () =>
  secret('stolen', { type: 'kubernetes.io/service-account-token' }, NAMESPACE, {
    annotations: { 'kubernetes.io/service-account.name': 'default' },
  });
const event = (involvedObject: object, reportingComponent: string) => ({
  apiVersion: 'v1',
  kind: 'Event',
  metadata: { name: 'told', namespace: NAMESPACE },
  involvedObject: { namespace: NAMESPACE, ...involvedObject },
  reason: 'Told',
  message: 'x',
  type: 'Normal',
  source: { component: reportingComponent },
  reportingComponent,
  reportingInstance: 'x',
  firstTimestamp: '2026-01-01T00:00:00Z',
  lastTimestamp: '2026-01-01T00:00:00Z',
  count: 1,
});
const ofHost = { apiVersion: `${OWN}/v1beta1`, kind: 'PhysicalHost', name: 'host' };
const reports = (name: string) => ({
  apiVersion: 'v1',
  kind: 'ConfigMap',
  metadata: { name, namespace: NAMESPACE, ownerReferences: [owner()] },
  data: {},
});

beforeAll(async () => {
  const admin = (...args: string[]) => asAdmin(plane, ...args);
  await admin('create', 'namespace', NAMESPACE);
  for (const role of ROLES)
    tokens.set(role, (await admin('create', 'token', `beskar7-${role}`, '-n', SYSTEM, '--duration=1h')).trim());
  const host = {
    apiVersion: `${OWN}/v1beta1`,
    kind: 'PhysicalHost',
    metadata: { name: 'host', namespace: NAMESPACE },
    spec: { redfishConnection: { address: 'https://10.0.0.5', credentialsSecretRef: 'bmc' } },
  };
  await admin('apply', '-f', file(host));
  const machine = {
    apiVersion: `${OWN}/v1beta1`,
    kind: 'Beskar7Machine',
    metadata: { name: 'machine', namespace: NAMESPACE },
    spec: { targetOSImage: 'http://images.example/os.tar.gz' },
  };
  await admin('apply', '-f', file(machine));
  hostUid = (await admin('get', 'ph', 'host', '-n', NAMESPACE, '-o', 'jsonpath={.metadata.uid}')).trim();
  await admin('apply', '-f', file(secret('bmc')));
  await admin('apply', '-f', file(bootSecret()));
  await admin('apply', '-f', file(event(ofHost, 'beskar7')));
  await admin('create', 'configmap', 'settings', '-n', NAMESPACE);
});

afterAll(async () => {
  rmSync(folder, { recursive: true, force: true });
  await asAdmin(plane, 'delete', 'ph/host', 'b7m/machine', 'secret/bmc', '-n', NAMESPACE, '--wait=false');
  await asAdmin(plane, 'delete', 'namespace', NAMESPACE, '--wait=false');
});

const RBAC = /cannot (get|list|watch|create|update|patch|delete)/;
const POLICY = /ValidatingAdmissionPolicy 'beskar7-accounts'.*denied request/s;
const claim = () => patch('ph/host', { metadata: { annotations: { [HASH]: '{"id":"mine"}' } } });
const status = (what: string) => patch(what, { status: { phase: 'Failed', state: 'Error' } }, '--subresource=status');

describe.each(ROLES)('whoever has the token of %s', (role) => {
  test.each<[string, () => string[], RegExp]>([
    ['lists Secrets', () => ['get', 'secrets'], RBAC],
    ['lists them everywhere', () => ['get', 'secrets', '-A'], RBAC],
    ['makes a Secret that is a token of another account', () => create(serviceAccountToken()), /cannot create|denied/],
    [
      'makes an account an administrator',
      () => ['create', 'clusterrolebinding', 'x', '--clusterrole=cluster-admin', '--user=x'],
      RBAC,
    ],
    ['starts a Pod', () => ['run', 'x', '--image=x'], RBAC],
    ['makes a token for another account', () => ['create', 'token', 'default'], RBAC],
    ['deletes a host', () => ['delete', 'ph', 'host'], RBAC],
    ['deletes a machine', () => ['delete', 'b7m', 'machine'], RBAC],
    [
      'makes a host of its own',
      () => [
        'create',
        '-f',
        file({
          ...owner(),
          kind: 'PhysicalHost',
          metadata: { name: 'x', namespace: NAMESPACE },
          spec: { redfishConnection: { address: 'https://10.0.0.6', credentialsSecretRef: 'bmc' } },
        }),
      ],
      RBAC,
    ],
    ['changes an admission policy', () => ['delete', 'validatingadmissionpolicy', 'beskar7-accounts'], RBAC],
    [
      'changes the password of a BMC',
      () => patch('secret/bmc', { stringData: { token: 'y' } }),
      /cannot (get|patch)|denied/,
    ],
    ['deletes the password of a BMC', () => ['delete', 'secret', 'bmc', '--dry-run=server'], /cannot delete|denied/],
    ['changes the settings of somebody', () => patch('cm/settings', { data: { a: 'b' } }), /cannot (get|patch)|denied/],
    [
      'tells something of a Pod',
      () => create(event({ apiVersion: 'v1', kind: 'Pod', name: 'x' }, 'beskar7')),
      /cannot create|denied/,
    ],
    ['tells something in the name of the kubelet', () => create(event(ofHost, 'kubelet')), /cannot create|denied/],
  ])('and %s is refused', async (_what, args, words) => {
    const { code, output } = await as(role, args());
    expect([code === 0, output]).toEqual([false, expect.stringMatching(words)]);
  });
});

describe('what parts that strangers reach may not do, whoever has their token', () => {
  test.each<[Role, string, () => string[], RegExp]>([
    ['web', 'read a Secret', () => ['get', 'secret', 'bmc'], RBAC],
    ['controllers', 'read a Secret', () => ['get', 'secret', 'bmc'], RBAC],
    ['webhook', 'read a Secret', () => ['get', 'secret', 'bmc'], RBAC],
    ['webhook', 'read a Secret beside itself', () => ['get', 'secret', 'other', '-n', SYSTEM], RBAC],
    ['webhook', 'read hosts', () => ['get', 'ph'], RBAC],
    ['webhook', 'read machines', () => ['get', 'b7m'], RBAC],
    [
      'webhook',
      'change another definition',
      () => patch('crd/physicalhosts.infrastructure.cluster.x-k8s.io', {}),
      RBAC,
    ],
    [
      'webhook',
      'make a Secret of any name beside itself',
      () => create(secret('any', { type: 'Opaque' }, SYSTEM)).concat('-n', SYSTEM),
      POLICY,
    ],
    [
      'api',
      'make a Secret of any name beside itself',
      () => create(secret('any', { type: 'Opaque' }, SYSTEM)).concat('-n', SYSTEM),
      POLICY,
    ],
    ['api', 'make a boot Secret', () => create(bootSecret()), RBAC],
    ['api', 'claim a host', claim, RBAC],
    [
      'api',
      'change the spec of a host',
      () => patch('ph/host', { spec: { redfishConnection: { address: 'https://10.6.6.6' } } }),
      RBAC,
    ],
    ['api', 'write what a machine is', () => status('b7m/machine'), RBAC],
    ['api', 'write a ConfigMap of another name', () => create(reports('settings-2')), POLICY],
    ['web', 'claim a host', claim, RBAC],
    ['web', 'write what a host is', () => status('ph/host'), RBAC],
    ['web', 'write what a machine is', () => status('b7m/machine'), RBAC],
    ['bmc-worker', 'write the spec of a machine', () => patch('b7m/machine', { spec: { attempts: 3 } }), RBAC],
    ['bmc-worker', 'make a Secret that is not for booting', () => create(secret('any')), POLICY],
    [
      'bmc-worker',
      'make a boot Secret that can be changed',
      () => create({ ...bootSecret(), immutable: false }),
      POLICY,
    ],
    [
      'bmc-worker',
      'make one that no host owns',
      () => create(secret('host-boot-d', { type: 'beskar7.io/boot', immutable: true })),
      POLICY,
    ],
    ['worker', 'make a Secret', () => create(bootSecret()), RBAC],
    ['worker', 'label a Secret', () => patch('secret/bmc', { metadata: { labels: { a: 'b' } } }), POLICY],
    [
      'bmc-worker',
      'take a finalizer of others from a Secret',
      () => patch('secret/bmc', { metadata: { finalizers: ['example.com/other'] } }),
      POLICY,
    ],
  ])('%s: %s', async (role, _what, args, words) => {
    const { code, output } = await as(role, args());
    expect([code === 0, output]).toEqual([false, expect.stringMatching(words)]);
  });
});

test.each<[Role, string, () => string[]]>([
  ['bmc-worker', 'reads the password of a BMC, where it knows the name of the Secret', () => ['get', 'secret', 'bmc']],
  ['bmc-worker', 'claims a host', claim],
  [
    'bmc-worker',
    'makes a boot Secret',
    () => create({ ...bootSecret(), metadata: { ...bootSecret().metadata, name: 'host-boot-e' } }),
  ],
  ['bmc-worker', 'deletes a boot Secret', () => ['delete', 'secret', 'host-boot-c', '--dry-run=server']],
  [
    'bmc-worker',
    'marks a Secret as in use',
    () =>
      patch('secret/bmc', {
        metadata: { finalizers: ['beskar7.io/in-use'], labels: { 'clusterctl.cluster.x-k8s.io/move': '' } },
      }),
  ],
  ['api', 'reads any Secret whose name it knows', () => ['get', 'secret', 'bmc']],
  ['api', 'keeps reports', () => create(reports('host.beskar7-reports'))],
  [
    'api',
    'makes its certificate',
    () => create(secret('beskar7-callbacks-certificate', { type: 'Opaque' }, SYSTEM)).concat('-n', SYSTEM),
  ],
  [
    'webhook',
    'makes its certificate',
    () => create(secret('beskar7-webhook-certificate', { type: 'Opaque' }, SYSTEM)).concat('-n', SYSTEM),
  ],
  ['worker', 'writes a claim', claim],
  [
    'web',
    'tells of a host',
    () => create({ ...event(ofHost, 'beskar7'), metadata: { name: 'other', namespace: NAMESPACE } }),
  ],
])('and what it can, as docs/security.md says: %s %s', async (role, _what, args) => {
  const { code, output } = await as(role, args());
  // A Secret of that name may be there of another test: rights and policies were asked before that was found.
  if (!/\(AlreadyExists\)/.test(output)) expect({ code, output }).toMatchObject({ code: 0 });
});

test('nobody else is held to that policy', async () => {
  const words = create(secret('mine', { type: 'Opaque' }));
  await expect(asAdmin(plane, ...words, '-n', NAMESPACE)).resolves.toContain('created');
});
