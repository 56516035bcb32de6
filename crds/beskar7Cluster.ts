import { Type, type Static } from 'typebox';
import { conditions, integer, map, text } from './schema.ts';
import type { KubeObject } from './object.ts';

const Endpoint = Type.Object({
  host: Type.Optional(text(512, { default: '' })),
  port: Type.Optional(integer(0, 65535, { default: 6443 })),
});

/** The fields of a cluster's spec; also `spec.template.spec` of a Beskar7ClusterTemplate. */
export const clusterSpecFields = { controlPlaneEndpoint: Type.Optional(Endpoint) };

/** `controlPlaneEndpoint` as the InfraCluster contract of Cluster API has it; written by Beskar7 if nobody did. */
export const Beskar7ClusterSpec = Type.Object(clusterSpecFields);

/** Status for the contracts v1beta1 (`ready`) and v1beta2 (`initialization.provisioned`) of Cluster API. */
export const Beskar7ClusterStatus = Type.Object({
  ready: Type.Optional(Type.Boolean({ description: 'Contract v1beta1: the infrastructure is ready.' })),
  initialization: Type.Optional(
    Type.Object({
      provisioned: Type.Optional(Type.Boolean({ description: 'Contract v1beta2: the infrastructure is provisioned.' })),
    }),
  ),
  controlPlaneEndpoint: Type.Optional(Endpoint),
  failureDomains: Type.Optional(
    map(
      Type.Object({
        controlPlane: Type.Optional(Type.Boolean()),
        attributes: Type.Optional(map(text(256), 32)),
      }),
      256,
      { description: 'Zones of the hosts in this namespace, by the label topology.kubernetes.io/zone.' },
    ),
  ),
  conditions: Type.Optional(conditions()),
});

/** As read: what is optional may be absent, though the schema has a default. */
export type Beskar7ClusterSpec = Static<typeof Beskar7ClusterSpec>;
/** As read: every field may be absent. */
export type Beskar7ClusterStatus = Static<typeof Beskar7ClusterStatus>;
/** The infrastructure of one cluster (InfraCluster contract of Cluster API), in the stored version v1beta1. */
export type Beskar7Cluster = KubeObject<Beskar7ClusterSpec, Beskar7ClusterStatus>;
