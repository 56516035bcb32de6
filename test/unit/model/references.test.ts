import { describe, expect, test } from '@jest/globals';
import type { Beskar7Machine } from '../../../crds/beskar7Machine.ts';
import type { ConsumerRef, PhysicalHost } from '../../../crds/physicalHost.ts';
import { consumerOf, hostOfProviderID, isConsumer, namedConsumer, namedHost } from '../../../model/references.ts';
import { fakeInformers } from '../controllers/fakes.ts';
import { host, machine } from '../controllers/builders.ts';
import { isConsumerSeen, lookForConsumer, machineLedTo } from '../../../controllers/consumer.ts';
import { cachesOf } from '../../../workers/caches.ts';
import { callbackDependencies } from '../../../workers/callbacks.ts';
import { explainHost } from '../../../view/explain.ts';

/**
 * A host of the tenant's own namespace, whose reference the tenant has written: its policy is not installed everywhere.
 */
const forged = (ref: Partial<ConsumerRef>, labels: Record<string, string> = {}): PhysicalHost => {
  const apiVersion = 'infrastructure.cluster.x-k8s.io/v1beta1';
  const consumerRef = { apiVersion, kind: 'Beskar7Machine', name: 'm', namespace: 'victim', uid: 'm-uid', ...ref };
  return host({ metadata: { namespace: 'tenant', labels }, spec: { consumerRef } });
};
const theirs = machine({ metadata: { namespace: 'victim' } });

describe('a reference', () => {
  test.each<[string, PhysicalHost, { name?: string; uid?: string }]>([
    ['to a machine of its namespace with its uid', forged({ namespace: 'tenant' }), { name: 'm', uid: 'm-uid' }],
    [
      'without a uid, which the label has',
      { ...forged({ namespace: 'tenant', uid: undefined } as never, { 'beskar7.io/consumer-uid': 'm-uid' }) },
      { name: 'm', uid: 'm-uid' },
    ],
    ['without any uid', forged({ namespace: 'tenant', uid: undefined } as never), { name: 'm' }],
    ['with an empty uid', forged({ namespace: 'tenant', uid: '' }), { name: 'm' }],
    ['to another namespace', forged({}), {}],
    ['to another namespace, with the label', forged({}, { 'beskar7.io/consumer-uid': 'm-uid' }), {}],
    ['to another kind', forged({ namespace: 'tenant', kind: 'Secret' }), {}],
  ])('%s', (_what, of, { name, uid }) => {
    expect(namedConsumer(of)?.name).toBe(name);
    expect(consumerOf(of)?.uid).toBe(uid);
    expect(isConsumer(of, theirs)).toBe(false);
    expect(isConsumer(of, machine({ metadata: { namespace: 'tenant' } }))).toBe(uid !== undefined);
    // Another machine has its name now.
    expect(isConsumer(of, machine({ metadata: { namespace: 'tenant', uid: 'later' } }))).toBe(false);
  });
  test('of a machine to a host of another namespace counts for nothing', () => {
    const of = (namespace: string): Beskar7Machine =>
      machine({
        metadata: { namespace: 'tenant' },
        spec: { providerID: `b7://${namespace}/h/m` },
        status: { hostRef: { namespace, name: 'h' } },
      });
    expect([namedHost(of('victim')), hostOfProviderID(of('victim'))]).toEqual([undefined, undefined]);
    expect([namedHost(of('tenant'))?.name, hostOfProviderID(of('tenant'))?.name]).toEqual(['h', 'h']);
  });
});

describe('a tenant whose own host names a machine of another namespace', () => {
  const informers = () => {
    const all = fakeInformers();
    all.machines.put(theirs);
    return all;
  };
  /** Beskar7's account may read every namespace: what it asks for is what a tenant could make it ask for. */
  const watched = () => {
    const asked: string[] = [];
    const get = (_resource: unknown, namespace: string, name: string) => {
      asked.push(`${namespace}/${name}`);
      return Promise.resolve(theirs);
    };
    return { asked, kube: { get, mergePatch: () => Promise.reject(new Error('nothing is to be written')) } };
  };

  test('learns nothing of it for a boot script: it is not even read', async () => {
    const { asked, kube } = watched();
    const parts = {
      kube,
      informers: informers(),
      client: () => undefined,
      recorder: {},
      logger: { child: () => ({}) },
    };
    const deps = callbackDependencies(parts as never);
    expect(await deps.machineOf(forged({}))).toBeUndefined();
    expect(asked).toEqual([]);
  });
  test('is no host of that machine for any run, watcher or page', async () => {
    const all = informers();
    all.hosts.put(forged({}));
    expect(cachesOf(all).hostsNaming('victim', 'm')).toEqual([]);
    expect(machineLedTo(all, forged({}))).toBeUndefined();
    expect(isConsumerSeen(forged({}), theirs)).toBe(false);
    const { asked, kube } = watched();
    expect(await lookForConsumer(kube as never, forged({}))).toEqual({ kind: 'gone' });
    expect(asked).toEqual([]);
  });
  test('nor by a label with the uid of that machine', () => {
    const { spec, ...rest } = forged({}, { 'beskar7.io/consumer-uid': 'm-uid' });
    const { consumerRef: _gone, ...without } = spec;
    const marked = {
      ...rest,
      spec: without,
      metadata: { ...rest.metadata, annotations: { 'beskar7.io/claim': '{}' } },
    };
    expect(machineLedTo(informers(), marked)).toBeUndefined();
  });
  test('is told in words that it counts for nothing', () => {
    expect(explainHost(forged({})).why.join(' ')).toMatch(
      /names Beskar7Machine victim\/m, which is not a Beskar7Machine of its namespace/,
    );
  });
});
