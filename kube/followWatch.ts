import type { KubeClient, WatchOptions } from './client.ts';
import { isExpired } from './error.ts';
import type { Identified, Resource } from './resource.ts';
import type { WatchEvent } from './watchStream.ts';
import type { Interruption } from './watchHealth.ts';

/**
 * A watch on which nothing came for longer than the API server stays silent: what lies between swallows what it sends.
 */
class SilentWatch extends Error {
  constructor(silenceMs: number) {
    super(`the watch was silent for ${Math.round(silenceMs / 1000)} s and was cut; everything is listed again`);
  }
}

/** The API server, or something before it, ended a watch long before its time. */
class EarlyEnd extends Error {
  constructor(openMs: number) {
    super(`the API server ended the watch at once (after ${Math.round(openMs)} ms)`);
  }
}

/** What kind of interruption an error of a list or a watch is. */
export function interruptionOf(error: unknown): Interruption {
  if (error instanceof SilentWatch) return 'silent';
  if (error instanceof EarlyEnd) return 'ended';
  return isExpired(error) ? 'expired' : 'failed';
}

interface FollowOptions<T extends Identified> extends Omit<WatchOptions, 'onOpen'> {
  /** A watch without a byte for this long is cut. */
  readonly silenceMs: number;
  /** A watch that ends earlier has failed. */
  readonly healthyMs: number;
  /**
   * Called when the watch has been open for `healthyMs`, with whether a line has come, and once more at the first line
   * if none had.
   */
  readonly onHealthy: (hasDelivered: boolean) => void;
  readonly onEvent: (event: WatchEvent<T>) => void;
}

/**
 * Follows one watch to its end. Throws what the watch throws, `SilentWatch` when it was cut for its silence (bookmarks
 * and the end of the watch come more often than that), `EarlyEnd` when it ended before it was healthy. `isProven` is
 * false when it ended before its time without an event: something in between has ended it, and may have kept events to
 * itself.
 */
export async function followWatch<T extends Identified>(
  kube: KubeClient,
  resource: Resource<T>,
  options: FollowOptions<T>,
): Promise<{ isProven: boolean }> {
  const { silenceMs, healthyMs, onHealthy, onEvent, signal, ...rest } = options;
  const cut = new AbortController();
  const onStop = () => cut.abort(signal.reason);
  signal.addEventListener('abort', onStop, { once: true });
  const watchdog = setTimeout(() => cut.abort(new SilentWatch(silenceMs)), silenceMs);
  let openedAt = performance.now();
  let hasDelivered = false;
  let isHealthy = false;
  let healthy: NodeJS.Timeout | undefined;
  const onOpen = () => {
    openedAt = performance.now();
    healthy = setTimeout(() => {
      isHealthy = true;
      onHealthy(hasDelivered);
    }, healthyMs);
  };
  try {
    for await (const event of kube.watch(resource, { ...rest, signal: cut.signal, onOpen })) {
      watchdog.refresh();
      if (isHealthy && !hasDelivered) onHealthy(true);
      hasDelivered = true;
      onEvent(event);
    }
  } catch (error) {
    if (cut.signal.reason instanceof SilentWatch && !signal.aborted) throw cut.signal.reason;
    throw error;
  } finally {
    clearTimeout(watchdog);
    clearTimeout(healthy);
    signal.removeEventListener('abort', onStop);
  }
  const openMs = performance.now() - openedAt;
  const isInTime = openMs >= options.timeoutSeconds * 900;
  if (!isInTime && openMs < healthyMs) throw new EarlyEnd(openMs);
  return { isProven: isInTime || hasDelivered };
}
