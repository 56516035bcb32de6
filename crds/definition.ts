import type { KindDefinition } from './kinds.ts';
import { GROUP, VERSION } from './names.ts';

/** The CustomResourceDefinition of a kind, as the API server takes it (apiextensions.k8s.io/v1). */
export function customResourceDefinition(kind: KindDefinition): Record<string, unknown> {
  const schema = {
    type: 'object',
    description: kind.description,
    required: ['spec'],
    properties: {
      apiVersion: { type: 'string' },
      kind: { type: 'string' },
      metadata: { type: 'object' },
      spec: plain(kind.spec),
      ...(kind.status ? { status: plain(kind.status) } : {}),
    },
  };
  return {
    apiVersion: 'apiextensions.k8s.io/v1',
    kind: 'CustomResourceDefinition',
    metadata: {
      name: `${kind.plural}.${GROUP}`,
      labels: {
        'cluster.x-k8s.io/provider': 'infrastructure-beskar7',
        'cluster.x-k8s.io/v1beta1': VERSION,
        // The map form of failureDomains is the v1beta1 contract's: Beskar7Cluster does not claim v1beta2.
        ...(kind.kind === 'Beskar7Cluster' ? {} : { 'cluster.x-k8s.io/v1beta2': VERSION }),
        ...kind.labels,
      },
    },
    spec: {
      group: GROUP,
      names: {
        kind: kind.kind,
        listKind: `${kind.kind}List`,
        plural: kind.plural,
        singular: kind.kind.toLowerCase(),
        shortNames: kind.shortNames,
        categories: ['cluster-api'],
      },
      scope: 'Namespaced',
      versions: [
        {
          name: VERSION,
          served: true,
          storage: true,
          subresources: { status: {} },
          additionalPrinterColumns: kind.columns,
          schema: { openAPIV3Schema: schema },
        },
      ],
    },
  };
}

/** The schema without what only TypeBox knows (symbols). */
function plain(schema: unknown): unknown {
  return JSON.parse(JSON.stringify(schema));
}
