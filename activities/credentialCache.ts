import type { KubeClient } from '../kube/client.ts';
import { SECRETS } from '../kube/resource.ts';

/** How old credentials may be. */
export type CredentialAge = 'fresh' | 'recent' | 'kept';

const TTL_MS: Readonly<Record<CredentialAge, number>> = { fresh: 0, recent: 15_000, kept: 3_600_000 };
const BOUND = 10_000;

interface Entry {
  readonly readAt: number;
  readonly data: Promise<Record<string, string>>;
}

/**
 * Secrets of BMCs, kept for a while: a hundred hosts that share one Secret do not read it a hundred times at once. Values are
 * base64 as in the Secret. Rejects with the KubeError of the read, and forgets it.
 */
export class CredentialCache {
  readonly #entries = new Map<string, Entry>();
  readonly #kube: KubeClient;

  constructor(kube: KubeClient) {
    this.#kube = kube;
  }

  /** The data of a Secret, as it was read lately, now (`fresh`), or within the hour (`kept`: good until it is refused). */
  get(namespace: string, name: string, age: CredentialAge): Promise<Record<string, string>> {
    const key = `${namespace}/${name}`;
    const now = performance.now();
    const known = this.#entries.get(key);
    if (known && now - known.readAt < TTL_MS[age]) return known.data;
    if (this.#entries.size >= BOUND) this.#entries.clear();
    const data = this.#kube.get(SECRETS, namespace, name).then((secret) => secret.data ?? {});
    this.#entries.set(key, { readAt: now, data });
    data.catch(() => this.#entries.get(key)?.data === data && this.#entries.delete(key));
    return data;
  }
}
