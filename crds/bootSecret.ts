/** Length limit of a Secret's name (a DNS subdomain). */
const LIMIT = 253;

/** Name of the Secret with token and nonce of a claim: `<host>-boot-<claim id>`, the host's part cut where needed. */
export function bootSecretName(host: string, claimId: string): string {
  const suffix = `-boot-${claimId}`;
  return host.slice(0, LIMIT - suffix.length).replace(/[-.]+$/, '') + suffix;
}
