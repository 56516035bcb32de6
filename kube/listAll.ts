import type { KubeClient } from './client.ts';
import { isExpired } from './error.ts';
import type { Identified, Resource } from './resource.ts';

/**
 * All objects of a kind, page by page, each trimmed as it comes. When the API server has forgotten the version of a
 * list that was started (410 on a later page), it is read once more, whole.
 */
export async function listAll<T extends Identified>(
  kube: KubeClient,
  resource: Resource<T>,
  options: {
    namespace?: string | undefined;
    labelSelector?: string | undefined;
    pageSize: number;
    trim: (object: T) => T;
    signal: AbortSignal;
  },
): Promise<{ items: T[]; resourceVersion: string }> {
  const { namespace, labelSelector, pageSize, trim, signal } = options;
  const what = { namespace, signal, ...(labelSelector === undefined ? {} : { labelSelector }) };
  let items: T[] = [];
  let next: string | undefined;
  for (;;) {
    try {
      const paging = next === undefined ? { limit: pageSize } : { limit: pageSize, continue: next };
      const page = await kube.list(resource, { ...what, ...paging });
      for (const item of page.items) items.push(trim(item));
      if (page.continue === undefined) return { items, resourceVersion: page.resourceVersion };
      next = page.continue;
    } catch (error) {
      if (next === undefined || !isExpired(error)) throw error;
      items = [];
      const whole = await kube.list(resource, what);
      return { items: whole.items.map(trim), resourceVersion: whole.resourceVersion };
    }
  }
}
