import { LRUCache } from 'lru-cache';
import { FINALIZER_SECRET, LABEL_MOVE } from '../../crds/names.ts';
import type { KubeObject, ObjectMeta } from '../../crds/object.ts';
import type { KubeClient } from '../../kube/client.ts';
import { SECRETS } from '../../kube/resource.ts';
import { find } from '../../kube/swap.ts';

const TTL_MS = 10_000;

/** Whether a Secret is marked as in use (rule 17), and as one that moves along with its hosts. */
export function isMarked({ finalizers = [], labels = {} }: ObjectMeta): boolean {
  return finalizers.includes(FINALIZER_SECRET) && labels[LABEL_MOVE] !== undefined;
}

/** Metadata of BMC Secrets for some seconds, so that a fleet behind one Secret does not read it once per host. */
export class SecretMarks {
  readonly #known = new LRUCache<string, { readAt: number; secret: Promise<Pick<KubeObject, 'metadata'> | undefined> }>(
    {
      max: 10_000,
    },
  );
  readonly #kube: KubeClient;

  constructor(kube: KubeClient) {
    this.#kube = kube;
  }

  /** Metadata of a Secret; undefined when there is none. */
  read(namespace: string, name: string): Promise<Pick<KubeObject, 'metadata'> | undefined> {
    const key = `${namespace}/${name}`;
    const now = performance.now();
    const known = this.#known.get(key);
    if (known && now - known.readAt < TTL_MS) return known.secret;
    const secret = find(this.#kube, SECRETS, { namespace, name }).then(
      (found) => {
        if (found === undefined) this.#known.delete(key);
        return found && { metadata: found.metadata };
      },
      (error: unknown) => {
        this.#known.delete(key);
        throw error;
      },
    );
    this.#known.set(key, { readAt: now, secret });
    return secret;
  }
}
