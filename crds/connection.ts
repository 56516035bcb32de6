import { createHash } from 'node:crypto';
import { canonicalJson } from './handled.ts';
import type { PhysicalHostSpec } from './physicalHost.ts';

/** A hash of what enrolment depends on (how to reach the BMC, which NIC boots): 16 hex digits. */
export function connectionHash(spec: Pick<PhysicalHostSpec, 'redfishConnection' | 'bootMACAddress'>): string {
  const { redfishConnection, bootMACAddress } = spec;
  return createHash('sha256').update(canonicalJson({ redfishConnection, bootMACAddress })).digest('hex').slice(0, 16);
}
