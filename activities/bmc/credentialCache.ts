import { LRUCache } from 'lru-cache';
import type { KubeClient } from '../../kube/client.ts';
import { SECRETS } from '../../kube/resource.ts';
import { isMarked } from '../store/secretMarks.ts';

/** How old credentials may be. */
export type CredentialAge = 'fresh' | 'recent' | 'kept';

/** `kept`: no longer, since only who reads a Secret sees that it has lost its marks. */
const TTL_MS: Readonly<Record<CredentialAge, number>> = { fresh: 0, recent: 15_000, kept: 300_000 };
const BOUND = 10_000;

/** The data of one Secret, of a BMC's credentials or of its CA, as of one read. */
export interface Credentials {
  /** Base64, as in the Secret. */
  readonly data: Readonly<Record<string, string>>;
  /** Whether the Secret was marked as in use when it was read. */
  readonly isMarked: boolean;
  /** Another one after each change of the Secret. */
  readonly version: string;
}

interface Entry {
  readonly readAt: number;
  readonly secret: Promise<Credentials>;
}

/**
 * Secrets of BMCs, kept for a while: a hundred hosts that share one Secret do not read it a hundred times at once.
 * Rejects with the KubeError of the read, and forgets it.
 */
export class CredentialCache {
  readonly #entries = new LRUCache<string, Entry>({ max: BOUND });
  readonly #kube: KubeClient;

  constructor(kube: KubeClient) {
    this.#kube = kube;
  }

  /** A Secret, as it was read lately, now (`fresh`), or minutes ago (`kept`: good until it is refused). */
  get(namespace: string, name: string, age: CredentialAge): Promise<Credentials> {
    const key = `${namespace}/${name}`;
    const now = performance.now();
    const known = this.#entries.get(key);
    if (known && now - known.readAt < TTL_MS[age]) return known.secret;
    const secret = this.#kube.get(SECRETS, namespace, name).then(({ data = {}, metadata }) => ({
      data,
      isMarked: isMarked(metadata),
      version: `${metadata.uid}/${metadata.resourceVersion}`,
    }));
    this.#entries.set(key, { readAt: now, secret });
    secret.catch(() => this.#entries.get(key)?.secret === secret && this.#entries.delete(key));
    return secret;
  }
}
