import type { Identified } from './resource.ts';

/** Names the values that an object is found by; an object may have several, or none. */
export type Indexes<T> = Readonly<Record<string, (object: T) => readonly string[]>>;

/** `namespace/name`, the key of an object in caches and queues. */
export function keyOf(object: Pick<Identified, 'metadata'>): string {
  return `${object.metadata.namespace ?? ''}/${object.metadata.name}`;
}

/** The parts of a key that `keyOf` made. */
export function splitKey(key: string): { namespace: string; name: string } {
  const at = key.indexOf('/');
  return { namespace: key.slice(0, at), name: key.slice(at + 1) };
}

/** Objects by key, and by the values of named indexes. Objects are shared, never copied: do not change them. */
export class Store<T extends Identified> {
  readonly #objects = new Map<string, T>();
  readonly #indexes: Indexes<T>;
  readonly #entries = new Map<string, Map<string, Map<string, T>>>();

  constructor(indexes: Indexes<T>) {
    this.#indexes = indexes;
    for (const name of Object.keys(indexes)) this.#entries.set(name, new Map());
  }

  get size(): number {
    return this.#objects.size;
  }

  get(key: string): T | undefined {
    return this.#objects.get(key);
  }

  list(): T[] {
    return [...this.#objects.values()];
  }

  keys(): string[] {
    return [...this.#objects.keys()];
  }

  /** Objects for which the index gives the value. Throws for an index that does not exist. */
  byIndex(index: string, value: string): T[] {
    const entries = this.#entries.get(index);
    if (!entries) throw new Error(`there is no index "${index}"`);
    return [...(entries.get(value)?.values() ?? [])];
  }

  /** How many objects `byIndex` would give. */
  countByIndex(index: string, value: string): number {
    return this.#entries.get(index)?.get(value)?.size ?? 0;
  }

  /** Puts an object in place; returns what stood there. */
  set(object: T): T | undefined {
    const key = keyOf(object);
    const previous = this.#objects.get(key);
    if (previous) this.#unindex(key, previous);
    this.#objects.set(key, object);
    for (const [name, valuesOf] of Object.entries(this.#indexes)) {
      const entries = this.#entries.get(name);
      for (const value of valuesOf(object)) {
        const bucket = entries?.get(value) ?? new Map<string, T>();
        bucket.set(key, object);
        entries?.set(value, bucket);
      }
    }
    return previous;
  }

  /** Takes an object out; returns what stood there. */
  delete(key: string): T | undefined {
    const previous = this.#objects.get(key);
    if (!previous) return undefined;
    this.#objects.delete(key);
    this.#unindex(key, previous);
    return previous;
  }

  #unindex(key: string, object: T): void {
    for (const [name, valuesOf] of Object.entries(this.#indexes)) {
      const entries = this.#entries.get(name);
      for (const value of valuesOf(object)) {
        const bucket = entries?.get(value);
        bucket?.delete(key);
        if (bucket?.size === 0) entries?.delete(value);
      }
    }
  }
}
