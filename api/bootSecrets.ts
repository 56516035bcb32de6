import { LRUCache } from 'lru-cache';
import { BOOT_SECRET_TYPE, parseBootSpec, type BootSpec } from '../model/bootSecret.ts';
import type { Claim } from '../model/claim.ts';
import type { PhysicalHost } from '../crds/physicalHost.ts';
import { SECRETS } from '../kube/resource.ts';
import { find } from '../kube/swap.ts';
import { matchesHash } from './auth.ts';
import type { ApiDependencies } from './dependencies.ts';
import { CALLBACK_CALL_MS } from '../model/deadlines.ts';

const MAX_REMEMBERED = 5000;

/** What the Secret of an armed claim says. */
export interface BootSecret {
  /** Bearer token. */
  readonly token: string;
  /** What the boot script is made of. */
  readonly spec: BootSpec;
}

/**
 * The Secrets of armed claims. They are immutable, so one GET per claim does; what comes out is good only when its
 * token matches the hash in the live claim, which is checked each time (rule 21).
 */
export class BootSecrets {
  readonly #kube: ApiDependencies['kube'];
  readonly #secrets = new LRUCache<string, BootSecret>({ max: MAX_REMEMBERED });

  constructor(kube: ApiDependencies['kube']) {
    this.#kube = kube;
  }

  /** The Secret of the claim; undefined when it is gone or is not that of the claim. Throws KubeError. */
  async secretOf(host: PhysicalHost, claim: Claim): Promise<BootSecret | undefined> {
    const known = this.#secrets.get(claim.id);
    if (matchesHash(known?.token, claim.tokenHash)) return known;
    const secret = await this.#read(host, claim);
    if (!matchesHash(secret?.token, claim.tokenHash)) return undefined;
    if (secret !== undefined) this.#secrets.set(claim.id, secret);
    return secret;
  }

  async #read({ metadata: { namespace } }: PhysicalHost, claim: Claim): Promise<BootSecret | undefined> {
    if (claim.bootSecret === undefined) return undefined;
    const at = { namespace, name: claim.bootSecret };
    const { type, data = {} } = (await find(this.#kube, SECRETS, at, { timeoutMs: CALLBACK_CALL_MS })) ?? {};
    try {
      const token = decoded(data.token);
      const spec = decoded(data.spec);
      if (type !== BOOT_SECRET_TYPE || token === undefined || spec === undefined) return undefined;
      return { token, spec: parseBootSpec(spec) };
    } catch (error) {
      if (error instanceof SyntaxError) return undefined;
      throw error;
    }
  }
}

function decoded(encoded: string | undefined): string | undefined {
  return encoded === undefined ? undefined : Buffer.from(encoded, 'base64').toString('utf8');
}
