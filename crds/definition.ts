import type { KindDefinition } from './kinds.ts';
import { GROUP, VERSION } from './names.ts';

/** The CustomResourceDefinition of a kind, as the API server takes it (apiextensions.k8s.io/v1). */
export function customResourceDefinition(kind: KindDefinition): Record<string, unknown> {
  const others = kind.otherVersions ?? [];
  return {
    apiVersion: 'apiextensions.k8s.io/v1',
    kind: 'CustomResourceDefinition',
    metadata: {
      name: definitionName(kind.plural),
      labels: {
        'cluster.x-k8s.io/provider': 'infrastructure-beskar7',
        'cluster.x-k8s.io/v1beta1': VERSION,
        'cluster.x-k8s.io/v1beta2': VERSION,
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
      // Where there is more than one, the webhook's address and CA come from the process that serves it (webhooks/).
      versions: [
        version(kind, { name: VERSION, status: kind.status }, true),
        ...others.map((other) => version(kind, other, false)),
      ],
    },
  };
}

/** The name of a kind's CustomResourceDefinition. */
export function definitionName(plural: string): string {
  return `${plural}.${GROUP}`;
}

function version(kind: KindDefinition, { name, status }: { name: string; status: unknown }, isStored: boolean): object {
  const schema = {
    type: 'object',
    description: kind.description,
    required: ['spec'],
    ...(kind.rules === undefined ? {} : { 'x-kubernetes-validations': kind.rules }),
    properties: {
      apiVersion: { type: 'string' },
      kind: { type: 'string' },
      metadata: { type: 'object' },
      spec: plain(kind.spec),
      ...(status === undefined ? {} : { status: plain(status) }),
    },
  };
  return {
    name,
    served: true,
    storage: isStored,
    subresources: { status: {} },
    additionalPrinterColumns: kind.columns,
    schema: { openAPIV3Schema: schema },
  };
}

/** The schema without what only TypeBox knows (symbols). */
function plain(schema: unknown): unknown {
  return JSON.parse(JSON.stringify(schema));
}
