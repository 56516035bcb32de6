import { EVENTS, type Identified } from '../../kube/resource.ts';
import type { EventRow } from '../shared/api.ts';
import type { WebKube } from './dependencies.ts';

/** Newest ones that are shown. */
const MOST = 100;
const TIMEOUT_MS = 5_000;

/** The events of Kubernetes about one object, newest first. Throws KubeError. */
export async function eventsOf(kube: WebKube, object: Identified): Promise<EventRow[]> {
  const { namespace = '', name, uid } = object.metadata;
  const { items } = await kube.list(EVENTS, {
    namespace,
    fieldSelector: `involvedObject.name=${name},involvedObject.uid=${uid ?? ''}`,
    limit: 500,
    timeoutMs: TIMEOUT_MS,
  });
  return items
    .map((event) => ({
      type: event.type,
      reason: event.reason,
      message: event.message,
      count: event.count ?? 1,
      // Events of other writers may have no such time.
      at: event.lastTimestamp ?? event.metadata.creationTimestamp ?? '',
    }))
    .sort((one, other) => (one.at < other.at ? 1 : -1))
    .slice(0, MOST);
}
