import type { ObjectName } from '../../../shared/api.ts';

/** One key for a row; no name has a slash. */
export const keyOf = ({ namespace, name }: ObjectName): string => `${namespace}/${name}`;

// One collator for all: `localeCompare` makes one for each comparison, which takes seconds for 10,000 names.
const collator = new Intl.Collator('en', { numeric: true });
/** More new names at once than this are sorted in with all others; fewer are put in their places one by one. */
const FEW = 100;

/**
 * Rows by name, kept in order (`rack2` before `rack10`). A row that only changed costs no comparison: with 10,000 names
 * a sort takes longer than a frame, and rows change all the time.
 */
export class SortedRows<Row extends ObjectName> {
  readonly #rows = new Map<string, Row>();
  readonly #added = new Set<string>();
  #order: string[] = [];
  #isShorter = false;

  clear(): void {
    this.#rows.clear();
    this.#added.clear();
    this.#order = [];
  }

  set(row: Row): void {
    const key = keyOf(row);
    if (!this.#rows.has(key)) this.#added.add(key);
    this.#rows.set(key, row);
  }

  delete(name: ObjectName): void {
    const key = keyOf(name);
    if (!this.#rows.delete(key)) return;
    if (!this.#added.delete(key)) this.#isShorter = true;
  }

  /** All rows in order, in a new array. */
  list(): Row[] {
    // A name that went and came again is among the added ones, and must not stand in the order twice.
    if (this.#isShorter) this.#order = this.#order.filter((key) => this.#rows.has(key) && !this.#added.has(key));
    if (this.#added.size > FEW) this.#order = [...this.#order, ...this.#added].sort((a, b) => this.#compare(a, b));
    else for (const key of this.#added) this.#order.splice(this.#placeOf(key), 0, key);
    this.#added.clear();
    this.#isShorter = false;
    return this.#order.flatMap((key) => this.#rows.get(key) ?? []);
  }

  #placeOf(key: string): number {
    let low = 0;
    let high = this.#order.length;
    while (low < high) {
      const middle = (low + high) >> 1;
      if (this.#compare(this.#order[middle] ?? '', key) < 0) low = middle + 1;
      else high = middle;
    }
    return low;
  }

  #compare(a: string, b: string): number {
    const left = this.#rows.get(a);
    const right = this.#rows.get(b);
    if (!left || !right) return 0;
    return collator.compare(left.name, right.name) || collator.compare(left.namespace, right.namespace);
  }
}
