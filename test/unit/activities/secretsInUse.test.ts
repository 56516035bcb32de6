import { describe, expect, test } from '@jest/globals';
import type { Dependencies } from '../../../activities/dependencies.ts';
import { disownSecrets, ownSecrets, ownSecretsAgain } from '../../../activities/store/hostSecrets.ts';
import { SecretMarks } from '../../../activities/store/secretMarks.ts';
import { connectionHash } from '../../../model/connection.ts';
import { ANNOTATION_DELETE_FOR_MOVE, FINALIZER_HOST, FINALIZER_SECRET, LABEL_MOVE } from '../../../crds/names.ts';
import type { KubeObject } from '../../../crds/object.ts';
import type { PhysicalHost } from '../../../crds/physicalHost.ts';
import type { ListOptions } from '../../../kube/client.ts';
import { DELETED, host } from '../controllers/builders.ts';
import { kubeError, merged, type Patch, type Resource } from './oneHost.ts';

/** Secrets and hosts of a namespace. `onPatch` comes before each patch of a Secret. */
function namespace(
  hosts: PhysicalHost[],
  secretNames: string[],
  onPatch: (secret: KubeObject) => void = () => undefined,
) {
  const made = (name: string): KubeObject => ({
    metadata: { namespace: 'ns', name, uid: `${name}-uid`, resourceVersion: '1', finalizers: [FINALIZER_SECRET] },
    spec: undefined,
  });
  const secrets = new Map(secretNames.map((name) => [name, made(name)]));
  const lists: ListOptions[] = [];
  const kube = {
    get: (resource: Resource, _namespace: string, name: string) => {
      const found =
        resource.plural === 'secrets' ? secrets.get(name) : hosts.find(({ metadata }) => metadata.name === name);
      return found ? Promise.resolve(structuredClone(found)) : Promise.reject(kubeError(404, 'NotFound'));
    },
    list: (_resource: Resource, options: ListOptions) => {
      lists.push(options);
      const from = Number(options.continue ?? '0');
      const to = from + (options.limit ?? Number.POSITIVE_INFINITY);
      const more = to < hosts.length ? { continue: String(to) } : {};
      return Promise.resolve({ items: hosts.slice(from, to), resourceVersion: '1', ...more });
    },
    mergePatch: (_resource: Resource, _namespace: string, name: string, patch: Patch) => {
      const secret = secrets.get(name);
      if (!secret) return Promise.reject(kubeError(404, 'NotFound'));
      onPatch(secret);
      const { uid, resourceVersion } = secrets.get(name)?.metadata ?? {};
      if (patch.metadata.uid !== uid || patch.metadata.resourceVersion !== resourceVersion)
        return Promise.reject(kubeError(409, 'Conflict'));
      secrets.set(name, merged(secret, patch));
      return Promise.resolve(secret);
    },
  };
  const state = { cached: [] as PhysicalHost[] };
  const deps = { kube, secretMarks: new SecretMarks(kube as never), caches: { hosts: () => state.cached } };
  const finalizers = () =>
    Object.fromEntries([...secrets].map(([name, { metadata }]) => [name, metadata.finalizers?.length ?? 0]));
  return { deps: deps as unknown as Dependencies, secrets, lists, finalizers, state };
}

const using = (name: string, secret: string, metadata: PhysicalHost['metadata'] | object = {}): PhysicalHost =>
  host({
    metadata: { name, uid: `${name}-uid`, ...metadata },
    spec: { redfishConnection: { address: 'https://bmc', credentialsSecretRef: secret } },
  });
const leaving = { namespace: 'ns', name: 'h', uid: 'h-uid' };

describe('Secrets in use (rule 17)', () => {
  /** A user puts in another password, so many times, each just before a patch. */
  function rotations(times: number) {
    let left = times;
    return (secret: KubeObject) => {
      if ((left -= 1) < 0) return;
      secret.metadata = { ...secret.metadata, resourceVersion: `${secret.metadata.resourceVersion ?? ''}+` };
    };
  }

  test.each([0, 1, 3])('are marked, though a user changes them %d times meanwhile', async (times) => {
    const { deps, secrets } = namespace([], ['bmc'], rotations(times));
    await ownSecrets(deps, using('h', 'bmc'));
    expect(secrets.get('bmc')?.metadata).toMatchObject({
      finalizers: [FINALIZER_SECRET],
      labels: { [LABEL_MOVE]: '' },
    });
  });

  test('changed without end: the activity fails, and is repeated', async () => {
    const { deps } = namespace([], ['bmc'], rotations(Number.POSITIVE_INFINITY));
    await expect(ownSecrets(deps, using('h', 'bmc'))).rejects.toMatchObject({ status: 409 });
  });

  test('gone meanwhile: nothing to mark', async () => {
    const { deps, secrets } = namespace([], ['bmc'], () => void secrets.delete('bmc'));
    await ownSecrets(deps, using('h', 'bmc'));
    expect(secrets.size).toBe(0);
  });
});

describe('Secrets in use that were replaced, and have lost their marks', () => {
  const noted = (of: PhysicalHost, ...secrets: string[]): PhysicalHost => ({
    ...of,
    status: { enrollment: { connectionHash: connectionHash(of.spec), attempt: 0, secrets } },
  });
  const enrolled = noted(using('h', 'bmc'), 'bmc');
  /** What becomes of the Secret when the cache has one host, and the API server by then these. */
  const again = async (known: PhysicalHost, live: PhysicalHost[], secret: Partial<KubeObject['metadata']> = {}) => {
    const { deps, secrets, finalizers } = namespace(live, ['bmc']);
    const { metadata } = secrets.get('bmc') ?? {};
    const read = { namespace: 'ns', uid: 'bmc-uid', resourceVersion: '1' };
    secrets.set('bmc', { metadata: { ...read, ...metadata, name: 'bmc', finalizers: [], ...secret }, spec: undefined });
    await ownSecretsAgain(deps, known);
    return finalizers().bmc;
  };

  test('are marked again', async () => {
    expect(await again(enrolled, [enrolled])).toBe(1);
  });

  test('not one that the host is not noted with: its enrolment notes it first, so that it is let go one day', async () => {
    const other = noted(using('h', 'bmc'), 'former');
    expect(await again(other, [other])).toBe(0);
  });

  test.each([
    ['names another one by now', [using('h', 'next')]],
    ['is gone by now', []],
    ['has let it go with itself', [using('h', 'bmc', { ...DELETED, finalizers: [] })]],
  ])('the host %s: it is let go at once', async (_what, live) => {
    expect(await again(enrolled, live)).toBe(0);
  });

  test.each([
    ['that another host names', [using('h', 'next'), using('other', 'bmc')]],
    ['of a host that is about to be retired', [using('h', 'bmc', { ...DELETED, finalizers: [FINALIZER_HOST] })]],
  ])('one %s stays marked', async (_what, live) => {
    expect(await again(enrolled, live)).toBe(1);
  });

  test.each([
    ['is being moved', { annotations: { [ANNOTATION_DELETE_FOR_MOVE]: '' } }],
    ['is being deleted', DELETED],
  ])('one that %s is left alone', async (_what, secret) => {
    expect(await again(enrolled, [enrolled], secret)).toBe(0);
  });
});

describe('Secrets that a host lets go', () => {
  const many = (count: number) => Array.from({ length: count }, (_, index) => using(`host-${index}`, 'shared'));

  test('are looked for page by page, until each is found to be held', async () => {
    const hosts = [...many(250), using('last', 'rare')];
    const { deps, lists, finalizers } = namespace(hosts, ['shared', 'rare', 'own']);
    await disownSecrets(deps, leaving, ['shared', 'rare', 'own']);
    expect(finalizers()).toEqual({ shared: 1, rare: 1, own: 0 });
    expect(lists.map(({ limit }) => limit)).toEqual([100, 100, 100]);
  });

  test('the first page is enough for one that all share; none when the cache knows a holder', async () => {
    const hosts = many(250);
    const { deps, lists, finalizers, state } = namespace(hosts, ['shared']);
    await disownSecrets(deps, leaving, ['shared']);
    expect(lists).toHaveLength(1);
    state.cached = hosts;
    await disownSecrets(deps, leaving, ['shared']);
    expect(lists).toHaveLength(1);
    expect(finalizers()).toEqual({ shared: 1 });
  });

  test('a holder that only the cache still has holds nothing', async () => {
    const { deps, finalizers, state } = namespace(
      [using('going', 'shared', { ...DELETED, finalizers: [] })],
      ['shared'],
    );
    state.cached = [using('gone', 'shared'), using('going', 'shared')];
    await disownSecrets(deps, leaving, ['shared']);
    expect(finalizers()).toEqual({ shared: 0 });
  });
});
