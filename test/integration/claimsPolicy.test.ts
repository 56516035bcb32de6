import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { afterAll, beforeAll, describe, expect, jest, test } from '@jest/globals';
import { stringify } from 'yaml';
import * as names from '../../crds/names.ts';
import { runCommand } from '../../tools/toolchain/command.ts';
import { testControlPlane } from '../support/controlPlane.ts';

/**
 * deploy/manifests/claims.yaml against an account that may create, patch and replace hosts and machines in its
 * namespace, as tenants and operators may: it asks for things, and decides about no server (docs/security.md).
 */

jest.setTimeout(60_000);

const plane = testControlPlane();
const NAMESPACE = 'claims-policy';
const API_VERSION = 'infrastructure.cluster.x-k8s.io/v1beta1';
const folder = mkdtempSync(path.join(os.tmpdir(), 'beskar7-claims-'));

const kubectl = (as: readonly string[], ...args: string[]) =>
  runCommand(plane.kubectl, ['--kubeconfig', plane.adminKubeconfig, '-n', NAMESPACE, ...as, ...args], {
    timeoutMs: 30_000,
  });
const admin = (...args: string[]) => kubectl([], ...args);
const tenant = (...args: string[]) => kubectl(['--as', 'tenant'], ...args);
const beskar7 = (...args: string[]) =>
  runCommand(plane.kubectl, ['--kubeconfig', plane.serviceAccountKubeconfig, '-n', NAMESPACE, ...args], {
    timeoutMs: 30_000,
  });
const patchOf = (value: object) => ['--type=merge', '-p', JSON.stringify(value)];
const annotate = (key: string, value: string | null) => patchOf({ metadata: { annotations: { [key]: value } } });

function manifest(kind: 'PhysicalHost' | 'Beskar7Machine', name: string, metadata = {}, spec = {}): string {
  const base =
    kind === 'PhysicalHost'
      ? { redfishConnection: { address: 'https://10.0.0.5', credentialsSecretRef: 'bmc' } }
      : { targetOSImage: 'http://images.example/os.tar.gz' };
  const file = path.join(folder, `${name}.yaml`);
  writeFileSync(
    file,
    stringify({ apiVersion: API_VERSION, kind, metadata: { name, ...metadata }, spec: { ...base, ...spec } }),
  );
  return file;
}

const consumerRef = { apiVersion: API_VERSION, kind: 'Beskar7Machine', name: 'm', namespace: NAMESPACE, uid: 'u' };
const held = {
  finalizers: [names.FINALIZER_HOST, 'example.com/own'],
  labels: { [names.LABEL_CONSUMER_UID]: 'u' },
  annotations: { [names.ANNOTATION_CLAIM]: '{"id":"c"}' },
};

beforeAll(async () => {
  const run = async (...args: string[]) => expect(await admin(...args)).toMatchObject({ code: 0 });
  await run('create', 'namespace', NAMESPACE);
  const verbs = '--verb=get,list,create,update,patch,delete';
  const resources =
    '--resource=physicalhosts.infrastructure.cluster.x-k8s.io,beskar7machines.infrastructure.cluster.x-k8s.io';
  await run('create', 'role', 'tenant', verbs, resources);
  await run('create', 'rolebinding', 'tenant', '--role=tenant', '--user=tenant');
  await run('create', '-f', manifest('PhysicalHost', 'held', held, { consumerRef }));
  await run('create', '-f', manifest('PhysicalHost', 'free'));
  await run('create', '-f', manifest('Beskar7Machine', 'unplaced'));
  const done = { annotations: { [names.ANNOTATION_HANDLED]: '{}', [names.ANNOTATION_PLAN]: '{}' } };
  await run('create', '-f', manifest('Beskar7Machine', 'done', done, { providerID: `b7://${NAMESPACE}/held/done` }));
});

afterAll(async () => {
  rmSync(folder, { recursive: true, force: true });
  await admin('delete', 'namespace', NAMESPACE, '--wait=false');
});

describe('a tenant that may patch hosts and machines is refused', () => {
  test.each<[string, string, readonly string[], RegExp]>([
    [
      'another token hash or stage in a claim',
      'ph/held',
      annotate(names.ANNOTATION_CLAIM, '{"id":"mine"}'),
      /annotations/,
    ],
    ['a claim taken away', 'ph/held', annotate(names.ANNOTATION_CLAIM, null), /annotations/],
    ['a claim of its own', 'ph/free', annotate(names.ANNOTATION_CLAIM, '{"id":"mine"}'), /annotations/],
    ['an annotation of ours that does not exist yet', 'ph/free', annotate('beskar7.io/anything', 'x'), /annotations/],
    [
      'another consumer uid',
      'ph/held',
      patchOf({ metadata: { labels: { [names.LABEL_CONSUMER_UID]: 'x' } } }),
      /labels/,
    ],
    ['the label away', 'ph/held', patchOf({ metadata: { labels: { [names.LABEL_CONSUMER_UID]: null } } }), /labels/],
    [
      'the consumer away',
      'ph/held',
      patchOf({ spec: { consumerRef: null } }),
      /spec\.consumerRef is written by Beskar7/,
    ],
    ['another uid of the consumer', 'ph/held', patchOf({ spec: { consumerRef: { uid: 'x' } } }), /spec\.consumerRef/],
    ['a consumer of its own', 'ph/free', patchOf({ spec: { consumerRef } }), /spec\.consumerRef/],
    ['a finalizer of ours away', 'ph/held', patchOf({ metadata: { finalizers: ['example.com/own'] } }), /finalizers/],
    ['all finalizers away', 'ph/held', patchOf({ metadata: { finalizers: null } }), /beskar7.io\/force-release/],
    ['another record of its runs', 'b7m/done', annotate(names.ANNOTATION_HANDLED, '{"outcome":"x"}'), /annotations/],
    ['another plan', 'b7m/done', annotate(names.ANNOTATION_PLAN, null), /annotations/],
    [
      'a server of its own choice',
      'b7m/unplaced',
      patchOf({ spec: { providerID: 'b7://other/host/m' } }),
      /spec\.providerID is written by/,
    ],
  ])('%s', async (_what, object, change, message) => {
    const { code, output } = await tenant('patch', object, ...change);
    expect([code, output]).toEqual([1, expect.stringMatching(message)]);
    expect(output).toContain('Forbidden');
  });

  test.each<[string, string]>([
    ['a host that is held already', manifest('PhysicalHost', 'made', {}, { consumerRef })],
    ['a host with a claim', manifest('PhysicalHost', 'made-claimed', held)],
    [
      'a machine that says where it runs',
      manifest('Beskar7Machine', 'placed', {}, { providerID: 'b7://other/host/placed' }),
    ],
    [
      'a machine with the record of another',
      manifest('Beskar7Machine', 'copied', { annotations: { [names.ANNOTATION_HANDLED]: '{}' } }),
    ],
  ])('to create %s', async (_what, file) => {
    const { code, output } = await tenant('create', '-f', file);
    expect([code, output]).toEqual([1, expect.stringContaining('Forbidden')]);
  });

  test('to replace a held host by a manifest without its claim, with what to do', async () => {
    const { metadata } = JSON.parse((await admin('get', 'ph', 'held', '-o', 'json')).output) as {
      metadata: { resourceVersion: string };
    };
    const bare = manifest('PhysicalHost', 'held', { resourceVersion: metadata.resourceVersion });
    const { code, output } = await tenant('replace', '-f', bare);
    expect([code, output]).toEqual([1, expect.stringContaining('a manifest for kubectl replace has to carry them')]);
  });
});

/** Longer than an argument of a command may be. */
const long = (annotations: Record<string, string>) => {
  const name = path.join(folder, 'patch.json');
  writeFileSync(name, JSON.stringify({ metadata: { annotations } }));
  return ['--type=merge', `--patch-file=${name}`, '--dry-run=server'];
};

test('a tenant’s annotations leave room for those of Beskar7', async () => {
  const tooLong = {
    code: 1,
    output: expect.stringMatching(/annotations of 13\d{4} bytes: 131072 are the most/) as unknown,
  };
  const two = long({ 'example.com/a': 'x'.repeat(120_000), 'example.com/b': 'x'.repeat(12_000) });
  expect(await tenant('patch', 'ph/held', ...two)).toMatchObject(tooLong);
  const retry = long({ [names.ANNOTATION_RETRY]: 'ä'.repeat(66_000) });
  expect(await tenant('patch', 'b7m/done', ...retry)).toMatchObject(tooLong);
  const one = long({ 'example.com/a': 'x'.repeat(120_000) });
  expect(await tenant('patch', 'ph/held', ...one)).toMatchObject({ code: 0 });
});

describe('what people ask for stays theirs', () => {
  test.each<[string, readonly string[]]>([
    ['ph/held', annotate(names.ANNOTATION_UNSCHEDULABLE, 'disk')],
    ['ph/held', annotate(names.ANNOTATION_FORCE_RELEASE, 'BMC replaced')],
    ['ph/held', annotate(names.ANNOTATION_PAUSED, '')],
    ['ph/held', annotate('example.com/owner', 'team-a')],
    ['ph/held', patchOf({ metadata: { finalizers: [names.FINALIZER_HOST] } })],
    ['ph/held', patchOf({ metadata: { finalizers: [names.FINALIZER_HOST, 'example.com/own', 'example.com/more'] } })],
    ['ph/held', patchOf({ spec: { redfishConnection: { credentialsSecretRef: 'rotated' } } })],
    ['ph/held', patchOf({ metadata: { labels: { 'topology.kubernetes.io/zone': 'a' } } })],
    ['b7m/done', annotate(names.ANNOTATION_RETRY, '1')],
    ['b7m/done', patchOf({ spec: { targetOSImage: 'http://images.example/other.tar.gz' } })],
  ])('%s %j', async (object, change) => {
    expect(await tenant('patch', object, ...change, '--dry-run=server')).toMatchObject({ code: 0 });
  });

  test('hosts and machines are created and deleted', async () => {
    expect(await tenant('create', '-f', manifest('PhysicalHost', 'own'))).toMatchObject({ code: 0 });
    expect(await tenant('create', '-f', manifest('Beskar7Machine', 'own-machine'))).toMatchObject({ code: 0 });
    expect(await tenant('delete', 'ph/own', 'b7m/own-machine', '--wait=false')).toMatchObject({ code: 0 });
  });
});

test('Beskar7 itself writes them, and so does whoever has every right (clusterctl move, a restored backup)', async () => {
  const change = [...annotate(names.ANNOTATION_CLAIM, '{"id":"c2"}'), '--dry-run=server'];
  expect(await beskar7('patch', 'ph/held', ...change)).toMatchObject({ code: 0 });
  expect(await admin('patch', 'ph/held', ...change)).toMatchObject({ code: 0 });
});

test('each annotation of ours is either one by which people ask, named in the policy and docs, or one that decides', () => {
  const policy = readFileSync(path.join(__dirname, '..', '..', 'deploy', 'manifests', 'claims.yaml'), 'utf8');
  const [, listed = ''] = /\[('beskar7\.io\/[^\]]*)\]/.exec(policy) ?? [];
  const asking = listed.split(',').map((text) => text.trim().replaceAll("'", ''));
  expect(asking.toSorted()).toEqual(names.REQUEST_ANNOTATIONS.toSorted());
});
