import { stringify } from 'yaml';

/**
 * clusterctl will not install a provider before cert-manager takes an Issuer and a Certificate: here are the two kinds,
 * and nothing behind them.
 */
export function certManagerKinds(): string {
  const namespace = { apiVersion: 'v1', kind: 'Namespace', metadata: { name: 'cert-manager' } };
  const kinds = [definition('Issuer', 'issuers'), definition('Certificate', 'certificates')];
  return [namespace, ...kinds].map((manifest) => stringify(manifest)).join('---\n');
}

function definition(kind: string, plural: string): object {
  const anything = { type: 'object', 'x-kubernetes-preserve-unknown-fields': true };
  return {
    apiVersion: 'apiextensions.k8s.io/v1',
    kind: 'CustomResourceDefinition',
    metadata: { name: `${plural}.cert-manager.io` },
    spec: {
      group: 'cert-manager.io',
      names: { kind, plural, singular: kind.toLowerCase(), listKind: `${kind}List` },
      scope: 'Namespaced',
      versions: [{ name: 'v1', served: true, storage: true, schema: { openAPIV3Schema: anything } }],
    },
  };
}
