import { Type, type Static } from 'typebox';
import { Beskar7ClusterStatus, type Beskar7ClusterSpec } from './beskar7Cluster.ts';
import type { KubeObject } from './object.ts';
import { map, text } from './schema.ts';

/**
 * The version of Beskar7Cluster whose failure domains have the shape of contract v1beta2. The others are the same as in
 * v1beta1.
 */
export const VERSION_V1BETA2 = 'v1beta2';

const FailureDomain = Type.Object({
  name: text(256, { minLength: 1 }),
  controlPlane: Type.Optional(Type.Boolean()),
  attributes: Type.Optional(map(text(256), 32)),
});

/** Status in v1beta2: `failureDomains` is a list with names; in v1beta1 it is a map by name. */
export const Beskar7ClusterStatusV1beta2 = Type.Object({
  ...Beskar7ClusterStatus.properties,
  failureDomains: Type.Optional(
    Type.Array(FailureDomain, {
      maxItems: 256,
      description: 'Zones of the hosts in this namespace, by the label topology.kubernetes.io/zone.',
      'x-kubernetes-list-type': 'map',
      'x-kubernetes-list-map-keys': ['name'],
    }),
  ),
});

/** A Beskar7Cluster as the webhook converts it for readers of v1beta2; never stored. */
export type Beskar7ClusterV1beta2 = KubeObject<Beskar7ClusterSpec, Static<typeof Beskar7ClusterStatusV1beta2>>;
