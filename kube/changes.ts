import type { InformerOptions } from './informerOptions.ts';
import type { Identified } from './resource.ts';

/** What has become of an object. `previous` is what the cache had. */
export type Change<T> =
  | { readonly type: 'added'; readonly object: T; readonly previous?: undefined }
  | { readonly type: 'updated'; readonly object: T; readonly previous: T }
  | { readonly type: 'deleted'; readonly object: T; readonly previous?: undefined };

/** Who is told of the changes of one kind. One that fails is logged and holds up none of the others. */
export class Changes<T extends Identified> {
  readonly #handlers = new Set<(change: Change<T>) => void>();
  readonly #kind: string;
  readonly #logger: InformerOptions<T>['logger'];

  constructor(kind: string, logger: InformerOptions<T>['logger']) {
    this.#kind = kind;
    this.#logger = logger;
  }

  /** The result ends it. */
  follow(handler: (change: Change<T>) => void): () => void {
    this.#handlers.add(handler);
    return () => void this.#handlers.delete(handler);
  }

  tell(change: Change<T>): void {
    for (const handler of this.#handlers) {
      try {
        handler(change);
      } catch (error) {
        this.#logger.warn({ kind: this.#kind, err: error }, 'a handler of the watch cache failed');
      }
    }
  }
}
