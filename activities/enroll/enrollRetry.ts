import { HOST_REASONS } from '../../crds/reasons.ts';

const FIRST_RETRY_MS = 2_000;
const LONGEST_RETRY_MS = 600_000;
/** Repeated log-ins with a wrong password lock accounts: never sooner. */
const REFUSED_PASSWORD_MS = 60_000;
/**
 * What a change of a Secret fixes is tried at least this often, since Secrets are not watched (docs/security.md): no
 * log-in is lost by it.
 */
const LONGEST_SECRET_MS = 60_000;
const MENDED_BY_SECRET: readonly string[] = [HOST_REASONS.secretMissing, HOST_REASONS.secretInvalid, HOST_REASONS.tls];

/**
 * 2 s, doubling, at most 10 minutes, which also a duplicate waits; at most one where a Secret may be to blame, and just
 * that after a refused password.
 */
export function nextAttemptInMs(reason: string, attempt: number): number {
  if (reason === HOST_REASONS.unauthorized || reason === HOST_REASONS.passwordChangeRequired)
    return REFUSED_PASSWORD_MS;
  if (reason === HOST_REASONS.duplicateServer) return LONGEST_RETRY_MS;
  const longest = MENDED_BY_SECRET.includes(reason) ? LONGEST_SECRET_MS : LONGEST_RETRY_MS;
  return Math.min(longest, FIRST_RETRY_MS * 2 ** Math.min(attempt - 1, 20));
}
