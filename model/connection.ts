import { createHash } from 'node:crypto';
import { canonicalJson } from './handled.ts';
import type { PhysicalHost, PhysicalHostSpec } from '../crds/physicalHost.ts';

/** A hash of what enrolment depends on (how to reach the BMC, which NIC boots, and how): 16 hex digits. */
export function connectionHash(
  spec: Pick<PhysicalHostSpec, 'redfishConnection' | 'bootMACAddress' | 'networkBoot'>,
): string {
  const { redfishConnection, bootMACAddress, networkBoot } = spec;
  return createHash('sha256')
    .update(canonicalJson({ redfishConnection, bootMACAddress, networkBoot }))
    .digest('hex')
    .slice(0, 16);
}

/** The Secrets that a host names. */
export function namedSecrets({ redfishConnection }: Pick<PhysicalHostSpec, 'redfishConnection'>): string[] {
  const { credentialsSecretRef, caBundleSecretRef } = redfishConnection;
  return [...new Set([credentialsSecretRef, ...(caBundleSecretRef === undefined ? [] : [caBundleSecretRef])])];
}

/**
 * Whether a host that is enrolled, or was before its status was lost, may name a Secret that is not marked as in use.
 * One that was enrolled before that was noted counts by its connection.
 */
export function hasUnmarkedSecrets({ spec, status }: Pick<PhysicalHost, 'spec' | 'status'>): boolean {
  const { secrets, connectionHash: enrolled } = status?.enrollment ?? {};
  if (secrets === undefined) return enrolled !== connectionHash(spec);
  const named = namedSecrets(spec);
  return new Set(secrets).size !== named.length || named.some((name) => !secrets.includes(name));
}
