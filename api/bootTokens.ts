import { bootSecretName } from '../crds/bootSecret.ts';
import type { Claim } from '../crds/claim.ts';
import type { PhysicalHost } from '../crds/physicalHost.ts';
import { isNotFound } from '../kube/error.ts';
import { SECRETS } from '../kube/resource.ts';
import { matchesHash } from './auth.ts';
import type { ApiDependencies } from './dependencies.ts';
import { LruMap } from './lruMap.ts';

const MAX_REMEMBERED = 5000;
const CALL_TIMEOUT_MS = 6_000;

/**
 * Bearer tokens of armed claims, out of their Secrets. They are immutable, so one GET per claim does; what comes out is good only
 * when it matches the hash in the live claim, which is checked each time (rule 21).
 */
export class BootTokens {
  readonly #kube: ApiDependencies['kube'];
  readonly #tokens = new LruMap<string, string>(MAX_REMEMBERED);

  constructor(kube: ApiDependencies['kube']) {
    this.#kube = kube;
  }

  /** The token of the claim; undefined when the Secret is gone or is not that of the claim. Throws KubeError. */
  async tokenOf(host: PhysicalHost, claim: Claim): Promise<string | undefined> {
    const known = this.#tokens.get(claim.id);
    if (matchesHash(known, claim.tokenHash)) return known;
    const token = await this.#read(host, claim);
    if (!matchesHash(token, claim.tokenHash)) return undefined;
    if (token !== undefined) this.#tokens.set(claim.id, token);
    return token;
  }

  async #read(host: PhysicalHost, claim: Claim): Promise<string | undefined> {
    const { namespace = '', name } = host.metadata;
    try {
      const secret = await this.#kube.get(SECRETS, namespace, bootSecretName(name, claim.id), {
        timeoutMs: CALL_TIMEOUT_MS,
      });
      const encoded = secret.data?.token;
      return encoded === undefined ? undefined : Buffer.from(encoded, 'base64').toString('utf8');
    } catch (error) {
      if (isNotFound(error)) return undefined;
      throw error;
    }
  }
}
