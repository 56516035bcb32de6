import { isExpired } from '../kube/error.ts';
import type { List } from '../kube/client.ts';
import type { Identified, Resource } from '../kube/resource.ts';
import type { Session, Where } from './session.ts';

const WATCH_SECONDS = 300;

/** An object that came, changed or went since the list. */
export interface Change<T> {
  /** As it is, or as it last was. */
  readonly object: T;
  /** It was deleted, or its labels are no more those that were asked for. */
  readonly isGone: boolean;
}

/**
 * What comes, changes and goes after a list, without end; after a gap everything that is there once more, and what went
 * in it. Throws KubeError.
 */
export async function* changesOf<T extends Identified>(
  session: Session,
  resource: Resource<T>,
  { namespace, labelSelector }: Where,
  listed: List<T>,
  signal: AbortSignal = new AbortController().signal,
): AsyncGenerator<Change<T>> {
  const kube = await session.kube();
  const where = { namespace, ...(labelSelector === undefined ? {} : { labelSelector }) };
  const known = new Map(listed.items.map((object) => [object.metadata.uid, object]));
  let { resourceVersion } = listed;
  for (;;) {
    try {
      const options = { ...where, resourceVersion, timeoutSeconds: WATCH_SECONDS, signal };
      for await (const { type, object } of kube.watch(resource, options)) {
        resourceVersion = object.metadata.resourceVersion ?? resourceVersion;
        if (type === 'BOOKMARK') continue;
        const isGone = type === 'DELETED';
        if (isGone) known.delete(object.metadata.uid);
        else known.set(object.metadata.uid, object);
        yield { object, isGone };
      }
    } catch (error) {
      if (!isExpired(error)) throw error;
      const again = await session.listed(resource, where);
      resourceVersion = again.resourceVersion;
      const there = new Set(again.items.map(({ metadata }) => metadata.uid));
      for (const [uid, object] of known) if (!there.has(uid) && known.delete(uid)) yield { object, isGone: true };
      for (const object of again.items) {
        known.set(object.metadata.uid, object);
        yield { object, isGone: false };
      }
    }
  }
}
