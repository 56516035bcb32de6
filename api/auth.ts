import { createHash, timingSafeEqual } from 'node:crypto';
import { Value } from 'typebox/value';
import { HostName, Namespace } from './contract/schemas.ts';

/** Longest bearer token or nonce that is looked at; ours have 43 characters. */
const MAX_SECRET = 512;

/** The token of an `Authorization: Bearer` header (RFC 6750 §2.1); undefined for anything else. */
export function bearerOf(authorization: string | undefined): string | undefined {
  const match = /^bearer +([A-Za-z0-9._~+/-]+=*) *$/i.exec(authorization ?? '');
  return match?.[1];
}

/**
 * Whether `presented` is the secret whose SHA-256 (hex) is `hash`, in constant time. Nothing matches an empty secret or
 * a hash that is missing or is not one.
 */
export function matchesHash(presented: string | undefined, hash: string | undefined): boolean {
  if (presented === undefined || presented === '' || presented.length > MAX_SECRET) return false;
  if (hash === undefined || !/^[0-9a-f]{64}$/.test(hash)) return false;
  return timingSafeEqual(createHash('sha256').update(presented).digest(), Buffer.from(hash, 'hex'));
}

/** The namespace and name of a host out of a URL; undefined when no object can have them (and none is looked for). */
export function hostKeyOf(namespace: string | undefined, host: string | undefined): HostKey | undefined {
  if (namespace === undefined || host === undefined) return undefined;
  if (!Value.Check(Namespace, namespace) || !Value.Check(HostName, host)) return undefined;
  return { namespace, host };
}

/** Which PhysicalHost. */
export interface HostKey {
  readonly namespace: string;
  readonly host: string;
}
