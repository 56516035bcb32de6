import type { KubeClient } from '../kube/client.ts';
import { SECRETS } from '../kube/resource.ts';

const TTL_MS = 15_000;
const BOUND = 10_000;

interface Entry {
  readonly readAt: number;
  readonly data: Promise<Record<string, string>>;
}

/**
 * Secrets of BMCs, for seconds only: a hundred hosts that share one Secret do not read it a hundred times at once. Values are
 * base64 as in the Secret. Rejects with the KubeError of the read, and forgets it.
 */
export class CredentialCache {
  readonly #entries = new Map<string, Entry>();
  readonly #kube: KubeClient;

  constructor(kube: KubeClient) {
    this.#kube = kube;
  }

  /** The data of a Secret; `fresh` reads it anew. */
  get(namespace: string, name: string, fresh: boolean): Promise<Record<string, string>> {
    const key = `${namespace}/${name}`;
    const now = performance.now();
    const known = this.#entries.get(key);
    if (known && !fresh && now - known.readAt < TTL_MS) return known.data;
    if (this.#entries.size >= BOUND) this.#entries.clear();
    const data = this.#kube.get(SECRETS, namespace, name).then((secret) => secret.data ?? {});
    this.#entries.set(key, { readAt: now, data });
    data.catch(() => this.#entries.get(key)?.data === data && this.#entries.delete(key));
    return data;
  }
}
