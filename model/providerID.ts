/** What a providerID names, all in the one namespace. */
export interface ProviderIDParts {
  readonly namespace: string;
  /** Name of the PhysicalHost. */
  readonly host: string;
  /** Name of the Beskar7Machine. */
  readonly machine: string;
}

/**
 * The providerID of a machine on a host: `b7://<namespace>/<host>/<machine>`, equal to its Node's (Cluster API,
 * InfraMachine contract). With the machine in it, a Node that is left over is never taken for the next machine's.
 */
export function providerIDOf(namespace: string, host: string, machine: string): string {
  return `b7://${namespace}/${host}/${machine}`;
}

/** What a providerID names; undefined for anything that is not ours. */
export function parseProviderID(providerID: string | undefined): ProviderIDParts | undefined {
  const name = '([a-z0-9][-a-z0-9.]*)';
  const match = new RegExp(`^b7://([a-z0-9][-a-z0-9]*)/${name}/${name}$`).exec(providerID ?? '');
  const [, namespace, host, machine] = match ?? [];
  if (namespace === undefined || host === undefined || machine === undefined) return undefined;
  return { namespace, host, machine };
}
