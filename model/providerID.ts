/** The providerID of a host: `b7://<namespace>/<host>`, equal to the Node's (Cluster API, InfraMachine contract). */
export function providerIDOf(namespace: string, host: string): string {
  return `b7://${namespace}/${host}`;
}

/** The host that a providerID names; undefined for anything that is not ours. */
export function parseProviderID(providerID: string | undefined): { namespace: string; host: string } | undefined {
  const match = /^b7:\/\/([a-z0-9][-a-z0-9]*)\/([a-z0-9][-a-z0-9.]*)$/.exec(providerID ?? '');
  const [, namespace, host] = match ?? [];
  return namespace !== undefined && host !== undefined ? { namespace, host } : undefined;
}
