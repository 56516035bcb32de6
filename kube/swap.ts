import { setTimeout as delay } from 'node:timers/promises';
import type { KubeClient, CallOptions } from './client.ts';
import { isConflict, isNotFound, KubeError } from './error.ts';
import type { Identified, Resource } from './resource.ts';

/**
 * How often one compare-and-swap is tried, and how long it waits before each further try, in ms (with a jitter of half
 * of it): the first ones follow at once, since most conflicts are with one other writer.
 */
export const SWAP = { tries: 9, waitsMs: [0, 0, 10, 20, 40, 80, 160, 320] } as const;

/** A merge patch (RFC 7386) of `T`: null removes. */
export type MergePatch<T> = { [K in keyof T]?: Merged<T[K]> | null };
type Merged<V> = V extends readonly unknown[] ? V : V extends object ? MergePatch<V> : V;

/** An object, read live; undefined when there is none. Throws KubeError. */
export async function find<T extends Identified>(
  kube: Pick<KubeClient, 'get'>,
  resource: Resource<T>,
  at: { readonly namespace: string; readonly name: string },
  options: CallOptions = {},
): Promise<T | undefined> {
  try {
    return await kube.get(resource, at.namespace, at.name, options);
  } catch (error) {
    if (isNotFound(error)) return undefined;
    throw error;
  }
}

/** The patch, for that very version of that very object: the API server answers Conflict when it is another one. */
export function pinned<P extends object>(
  { metadata: { uid, resourceVersion } }: Identified,
  patch: P & { readonly metadata?: object },
): P & { metadata: object } {
  return { ...patch, metadata: { ...patch.metadata, uid, resourceVersion } };
}

/** One compare-and-swap. */
export interface Swap<T, R> {
  /** What is changed, for the error: `host ns/h`. */
  readonly what: string;
  /** Reads it live. */
  readonly read: () => Promise<T>;
  /** In place of the first read: what the caller has just read or written, or what a cache shows. */
  readonly start?: T | undefined;
  /**
   * Judges what was read, and writes with its resourceVersion, or does not. Called once for each try. `isLive`: not the
   * `start` of the caller.
   */
  readonly write: (read: T, isLive: boolean) => Promise<R>;
  /** What comes of it when the object is gone by the time it is written (404). By default that is thrown. */
  readonly onGone?: () => R;
  /** Which other failures of `write` are a reason to read again: by default none but Conflict is. */
  readonly isStale?: (error: unknown, isLive: boolean) => boolean;
}

/**
 * Reads, judges and writes until no other writer was first, at most `SWAP.tries` times. Throws what `read` and `write`
 * throw, and a Conflict for the operator when the tries are used up: nothing was written then.
 */
export async function swap<T, R>({ what, read, start, write, onGone, isStale }: Swap<T, R>): Promise<R> {
  let at = start;
  let isLive = false;
  for (let tries = 1; ; tries += 1) {
    if (at === undefined) {
      at = await read();
      isLive = true;
    }
    try {
      return await write(at as T, isLive);
    } catch (error) {
      if (isStale?.(error, isLive) !== true && !isConflict(error)) {
        if (onGone !== undefined && isNotFound(error)) return onGone();
        throw error;
      }
      if (tries >= SWAP.tries) throw usedUp(what, error);
      const waitMs = SWAP.waitsMs[tries - 1] ?? 0;
      if (waitMs > 0) await delay(waitMs * (0.5 + Math.random()));
      at = undefined;
    }
  }
}

/** Undefined: the object has changed since it was read, or is gone, and nothing was written. Another look decides. */
export async function unlessChanged<R>(write: () => Promise<R>): Promise<R | undefined> {
  try {
    return await write();
  } catch (error) {
    if (isConflict(error) || isNotFound(error)) return undefined;
    throw error;
  }
}

function usedUp(what: string, last: unknown): unknown {
  if (!(last instanceof KubeError)) return last;
  const message =
    `${what} was changed by others each time before it could be written (${SWAP.tries} tries), so nothing was written. ` +
    'It is tried again with the next attempt. When this stays, find who keeps writing it: kubectl get --show-managed-fields -o yaml';
  return new KubeError(
    { verb: 'update', resource: what },
    { status: last.status, reason: last.reason, message, cause: last },
  );
}
