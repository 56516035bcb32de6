import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import { answerReview, convert } from '../../../webhooks/conversion.ts';

const V1BETA1 = 'infrastructure.cluster.x-k8s.io/v1beta1';
const V1BETA2 = 'infrastructure.cluster.x-k8s.io/v1beta2';
const base = {
  kind: 'Beskar7Cluster',
  metadata: { name: 'c', uid: 'u' },
  spec: { controlPlaneEndpoint: { port: 6443 } },
};

const review = (desiredAPIVersion: string, ...objects: object[]) => ({
  apiVersion: 'apiextensions.k8s.io/v1',
  kind: 'ConversionReview',
  request: { uid: 'r', desiredAPIVersion, objects },
});

describe('failure domains', () => {
  const map = { b: { controlPlane: true }, a: { controlPlane: false, attributes: { rack: '7' } } };
  const list = [
    { name: 'a', controlPlane: false, attributes: { rack: '7' } },
    { name: 'b', controlPlane: true },
  ];

  test('are a map in v1beta1 and a list in v1beta2; all else stays', () => {
    const stored = { ...base, apiVersion: V1BETA1, status: { ready: true, failureDomains: map } };
    const converted = convert(stored, V1BETA2);
    expect(converted).toEqual({ ...base, apiVersion: V1BETA2, status: { ready: true, failureDomains: list } });
    expect(convert(converted, V1BETA1)).toEqual(stored);
  });

  test.each([[{}], [{ status: {} }], [{ status: { failureDomains: {} } }]])('may be missing: %j', (parts) => {
    const stored = { ...base, apiVersion: V1BETA1, ...parts };
    expect(convert(convert(stored, V1BETA2), V1BETA1)).toEqual(stored);
  });

  test('nothing is lost there and back, whatever their names', () => {
    const domain = fc.record(
      { controlPlane: fc.boolean(), attributes: fc.dictionary(fc.string(), fc.string()) },
      { requiredKeys: [] },
    );
    // A JSON object from the wire cannot hold a prototype.
    const name = fc.string({ minLength: 1 }).filter((text) => text !== '__proto__');
    fc.assert(
      fc.property(fc.dictionary(name, domain, { noNullPrototype: true }), (failureDomains) => {
        const stored = { ...base, apiVersion: V1BETA1, status: { failureDomains } };
        expect(convert(convert(stored, V1BETA2), V1BETA1)).toEqual(stored);
      }),
    );
  });
});

describe('a review', () => {
  test('is answered under its uid, with all objects in order', () => {
    const objects = [
      { ...base, apiVersion: V1BETA1 },
      { ...base, apiVersion: V1BETA2, metadata: { name: 'd' } },
    ];
    const { response, ...rest } = answerReview(review(V1BETA2, ...objects));
    expect(rest).toEqual({ apiVersion: 'apiextensions.k8s.io/v1', kind: 'ConversionReview' });
    const converted = objects.map((object) => ({ ...object, apiVersion: V1BETA2 }));
    expect(response).toEqual({ uid: 'r', result: { status: 'Success' }, convertedObjects: converted });
  });

  test.each([
    ['another kind', review(V1BETA2, { kind: 'Pod', apiVersion: 'v1' }), /Pod is not converted/],
    [
      'another version',
      review('infrastructure.cluster.x-k8s.io/v9', { ...base, apiVersion: V1BETA1 }),
      /v1beta1 to .*v9/,
    ],
  ])('fails as a whole for %s', (_what, body, message) => {
    const { response } = answerReview(body);
    expect(response).toMatchObject({ uid: 'r', result: { status: 'Failure' } });
    expect('message' in response.result && response.result.message).toMatch(message);
  });

  test.each([[undefined], [null], ['x'], [{}], [{ kind: 'ConversionReview', apiVersion: 'v1', request: {} }]])(
    'is not one: %j',
    (body) => {
      expect(() => answerReview(body)).toThrow('the body is no ConversionReview');
    },
  );
});
