import type { KubeClient, WatchOptions } from '../kube/client.ts';
import type { Identified, Resource } from '../kube/resource.ts';
import type { WatchEvent } from '../kube/watchStream.ts';

/**
 * Follows one watch to its end. Throws what the watch throws, and cuts one that is silent for `silenceMs`: bookmarks come more
 * often than that, so that nothing at the other end is alive.
 */
export async function watchOnce<T extends Identified>(
  kube: KubeClient,
  resource: Resource<T>,
  options: WatchOptions & { silenceMs: number },
  onEvent: (event: WatchEvent<T>) => void,
): Promise<void> {
  const { silenceMs, signal, ...rest } = options;
  const cut = new AbortController();
  const onStop = () => cut.abort(signal.reason);
  signal.addEventListener('abort', onStop, { once: true });
  const watchdog = setTimeout(() => cut.abort(new Error('silent')), silenceMs);
  try {
    for await (const event of kube.watch(resource, { ...rest, signal: cut.signal })) {
      watchdog.refresh();
      onEvent(event);
    }
  } catch (error) {
    if (cut.signal.aborted && !signal.aborted) throw new Error(`the watch was silent for ${silenceMs} ms and was cut`);
    throw error;
  } finally {
    clearTimeout(watchdog);
    signal.removeEventListener('abort', onStop);
  }
}
