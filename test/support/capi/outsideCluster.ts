import { readFileSync } from 'node:fs';

const INFRASTRUCTURE = 'infrastructure.cluster.x-k8s.io/v1beta1';
const CONTROL_PLANE_GROUP = 'controlplane.cluster.x-k8s.io';
const CORE = 'cluster.x-k8s.io/v1beta2';
const CLUSTER_LABEL = 'cluster.x-k8s.io/cluster-name';

/**
 * The definition of a control plane that stands outside, by Cluster API's contract of control-plane providers: nothing
 * reconciles it, its objects say that it is there.
 */
export const EXTERNAL_CONTROL_PLANE = {
  apiVersion: 'apiextensions.k8s.io/v1',
  kind: 'CustomResourceDefinition',
  metadata: {
    name: `outsidecontrolplanes.${CONTROL_PLANE_GROUP}`,
    labels: { 'cluster.x-k8s.io/v1beta2': 'v1' },
  },
  spec: {
    group: CONTROL_PLANE_GROUP,
    names: { kind: 'OutsideControlPlane', plural: 'outsidecontrolplanes', singular: 'outsidecontrolplane' },
    scope: 'Namespaced',
    versions: [
      {
        name: 'v1',
        served: true,
        storage: true,
        schema: {
          openAPIV3Schema: {
            type: 'object',
            properties: {
              spec: { type: 'object', 'x-kubernetes-preserve-unknown-fields': true },
              status: { type: 'object', 'x-kubernetes-preserve-unknown-fields': true },
            },
          },
        },
      },
    ],
  },
};

/** A cluster whose API server stands outside, with the bootstrap data of its workers. */
export interface OutsideCluster {
  readonly name: string;
  readonly endpoint: { readonly host: string; readonly port: number };
  /** With which Cluster API looks at its Nodes. */
  readonly kubeconfigFile: string;
  /** Cloud-config, in the Secret `<name>-bootstrap`. */
  readonly bootstrapData: string;
}

/** Its objects: Cluster, Beskar7Cluster, control plane, and the two Secrets. */
export function outsideCluster({ name, endpoint, kubeconfigFile, bootstrapData }: OutsideCluster): object[] {
  const labels = { [CLUSTER_LABEL]: name };
  const secret = (suffix: string, stringData: object) => ({
    apiVersion: 'v1',
    kind: 'Secret',
    metadata: { name: `${name}-${suffix}`, labels },
    type: 'cluster.x-k8s.io/secret',
    stringData,
  });
  return [
    {
      apiVersion: INFRASTRUCTURE,
      kind: 'Beskar7Cluster',
      metadata: { name },
      spec: { controlPlaneEndpoint: endpoint },
    },
    {
      apiVersion: `${CONTROL_PLANE_GROUP}/v1`,
      kind: 'OutsideControlPlane',
      metadata: { name, labels },
      spec: {},
      status: { initialization: { controlPlaneInitialized: true }, externalManagedControlPlane: true },
    },
    {
      apiVersion: CORE,
      kind: 'Cluster',
      metadata: { name },
      spec: {
        infrastructureRef: { apiGroup: 'infrastructure.cluster.x-k8s.io', kind: 'Beskar7Cluster', name },
        controlPlaneRef: { apiGroup: CONTROL_PLANE_GROUP, kind: 'OutsideControlPlane', name },
      },
    },
    secret('kubeconfig', { value: readFileSync(kubeconfigFile, 'utf8') }),
    secret('bootstrap', { value: bootstrapData, format: 'cloud-config' }),
  ];
}
