import { isExpired } from '../kube/error.ts';
import type { Identified, Resource } from '../kube/resource.ts';
import type { Session, Where } from './session.ts';

const WATCH_SECONDS = 300;

/** Objects as they come and change after a list, without end; after a gap all of them once more. Throws KubeError. */
export async function* changesOf<T extends Identified>(
  session: Session,
  resource: Resource<T>,
  { namespace, labelSelector }: Where,
  listedVersion: string,
  signal: AbortSignal = new AbortController().signal,
): AsyncGenerator<T> {
  const kube = await session.kube();
  const where = { namespace, ...(labelSelector === undefined ? {} : { labelSelector }) };
  let resourceVersion = listedVersion;
  for (;;) {
    try {
      const options = { ...where, resourceVersion, timeoutSeconds: WATCH_SECONDS, signal };
      for await (const { type, object } of kube.watch(resource, options)) {
        resourceVersion = object.metadata.resourceVersion ?? resourceVersion;
        if (type === 'ADDED' || type === 'MODIFIED') yield object;
      }
    } catch (error) {
      if (!isExpired(error)) throw error;
      const again = await session.listed(resource, where);
      resourceVersion = again.resourceVersion;
      yield* again.items;
    }
  }
}
