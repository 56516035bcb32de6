import { beforeEach, expect, test } from '@jest/globals';
import type { Dependencies } from '../../../activities/dependencies.ts';
import { enrollHost, enrollHostUnserved } from '../../../activities/enroll/enrollHost.ts';
import { SecretMarks } from '../../../activities/store/secretMarks.ts';
import { FINALIZER_SECRET, LABEL_MOVE } from '../../../crds/names.ts';
import type { ObjectMeta } from '../../../crds/object.ts';
import type { PhysicalHost } from '../../../crds/physicalHost.ts';
import { KubeError } from '../../../kube/error.ts';
import { claimedHost } from '../controllers/builders.ts';

type Patch = { metadata?: Partial<ObjectMeta>; status?: PhysicalHost['status'] };

let host: PhysicalHost;
let secrets: Map<string, ObjectMeta>;
/** What was written, in its order. */
let written: string[];
let deps: Dependencies;

beforeEach(() => {
  const ready = { type: 'Ready', status: 'True' as const, reason: 'Validated', message: '', lastTransitionTime: 't' };
  const claimed = claimedHost('HandedOver', { state: 'Ready', conditions: [ready] });
  const redfishConnection = { ...claimed.spec.redfishConnection, credentialsSecretRef: 'next' };
  host = { ...claimed, spec: { ...claimed.spec, redfishConnection } };
  secrets = new Map([secret('bmc', { finalizers: [FINALIZER_SECRET], labels: { [LABEL_MOVE]: '' } }), secret('next')]);
  written = [];
  const kube = {
    get: ({ plural }: { plural: string }, namespace: string, name: string) => {
      if (plural !== 'secrets') return Promise.resolve(host);
      const metadata = secrets.get(name);
      const missing = new KubeError(
        { verb: 'get', resource: plural, namespace, name },
        { status: 404, reason: 'NotFound', message: 'not found' },
      );
      return metadata ? Promise.resolve({ metadata }) : Promise.reject(missing);
    },
    list: () => Promise.resolve({ items: [host], resourceVersion: '1' }),
    mergePatch: ({ plural }: { plural: string }, _namespace: string, name: string, patch: Patch) => {
      written.push(`${plural} ${name} ${JSON.stringify(patch.status ?? patch.metadata?.finalizers)}`);
      if (plural === 'secrets') secrets.set(name, { ...secrets.get(name), ...patch.metadata } as ObjectMeta);
      else host = { ...host, status: { ...host.status, ...patch.status } };
      return Promise.resolve(host);
    },
  };
  const caches = { hosts: () => [host], host: () => host };
  // Nothing else of what activities have is there: a call to the BMC would fail.
  deps = { kube, caches, secretMarks: new SecretMarks(kube as never) } as unknown as Dependencies;
});

function secret(name: string, more: Partial<ObjectMeta> = {}): [string, ObjectMeta] {
  return [name, { namespace: 'ns', name, uid: `${name}-uid`, resourceVersion: '1', ...more }];
}

const run = () =>
  enrollHost(
    deps,
    { host: { namespace: 'ns', name: host.metadata.name, uid: host.metadata.uid ?? '' }, failures: 0 },
    new AbortController().signal,
  );

test('the Secret that a claimed host names now is noted and marked, then the former one let go, then it alone is noted', async () => {
  const before = host.status?.enrollment?.connectionHash;
  expect(await run()).toMatchObject({ kind: 'notDue' });
  expect(written).toEqual([
    expect.stringContaining('"secrets":["next","bmc"]'),
    `secrets next ["${FINALIZER_SECRET}"]`,
    'secrets bmc []',
    expect.stringContaining('"secrets":["next"]'),
  ]);
  expect(secrets.get('next')?.labels).toEqual({ [LABEL_MOVE]: '' });
  // What it is enrolled with has not changed: it is enrolled again when it is free.
  expect(host.status).toMatchObject({ state: 'Ready', enrollment: { connectionHash: before, secrets: ['next'] } });
  written.length = 0;
  Object.assign(deps, { secretMarks: new SecretMarks(deps.kube) });
  await run();
  expect(written.filter((line) => line.startsWith('secrets'))).toEqual([]);
});

test('one that is not there (yet): the former one stays marked, and both are noted, so that neither is forgotten', async () => {
  secrets.delete('next');
  expect(await run()).toMatchObject({ kind: 'notDue', message: expect.stringContaining('Secret next is not there') });
  expect(written).toEqual([expect.stringContaining('"secrets":["next","bmc"]')]);
  // Corrected to a third one: what was marked on the way is let go.
  secrets.set(...secret('next', { finalizers: [FINALIZER_SECRET], labels: { [LABEL_MOVE]: '' } }));
  secrets.set(...secret('third'));
  const { redfishConnection } = host.spec;
  host = {
    ...host,
    spec: { ...host.spec, redfishConnection: { ...redfishConnection, credentialsSecretRef: 'third' } },
  };
  await run();
  expect(secrets.get('next')?.finalizers).toEqual([]);
  expect(secrets.get('bmc')?.finalizers).toEqual([]);
  expect(host.status?.enrollment?.secrets).toEqual(['third']);
});

test('while no worker of its pool is there: the same, since it takes no BMC', async () => {
  const { namespace = '', name, uid = '' } = host.metadata;
  expect(await enrollHostUnserved(deps, { namespace, name, uid })).toMatchObject({ kind: 'notDue' });
  expect(secrets.get('next')?.finalizers).toEqual([FINALIZER_SECRET]);
  expect(host.status?.enrollment?.secrets).toEqual(['next']);
});

test('where Secrets may not be written that is told on the host, and not tried for ever', async () => {
  const told: string[] = [];
  const recorder = {
    event: (_about: object, type: string, reason: string, message: string) =>
      void told.push(`${type} ${reason}: ${message}`),
  };
  const { mergePatch, ...kube } = deps.kube;
  const forbidden = new KubeError(
    { verb: 'patch', resource: 'secrets', namespace: 'ns', name: 'next' },
    { status: 403, reason: 'Forbidden', message: 'no' },
  );
  const refusing = {
    ...kube,
    mergePatch: (resource: { plural: string }, ...more: never[]) =>
      resource.plural === 'secrets'
        ? Promise.reject(forbidden)
        : (mergePatch as (...all: unknown[]) => unknown)(resource, ...more),
  };
  Object.assign(deps, { recorder, kube: refusing });
  expect(await run()).toMatchObject({ kind: 'notDue', message: expect.stringContaining('the API server refuses') });
  expect(told).toEqual([
    expect.stringMatching(/^Warning SecretNotMarked: the Secrets of host h cannot be marked as in use/),
  ]);
});

test('what a handed-over host has lost of its status is written, once', async () => {
  host = { ...host, status: {} };
  await run();
  expect(host.status).toMatchObject({
    state: 'Ready',
    ready: true,
    conditions: [
      { type: 'Ready', status: 'True', reason: 'Validated', message: expect.stringContaining('Beskar7Machine m') },
    ],
  });
  written.length = 0;
  await run();
  expect(written.filter((line) => line.includes('"state"'))).toEqual([]);
});
