import { randomBytes } from 'node:crypto';
import type { Beskar7Machine } from '../../crds/beskar7Machine.ts';
import { visibleDocument } from '../../untrusted/text.ts';
import type { MachinePhase } from '../shared/api.ts';
import type { WebDependencies } from './dependencies.ts';
import { hostRow, machineRow } from './rows.ts';

/** Which list a row is in. */
export type RowKind = 'hosts' | 'machines';

/** Whether a row may be seen. */
export type Sees = (kind: RowKind, namespace: string) => boolean;

/** One row as it is now, or that it is gone. */
interface Entry {
  readonly kind: RowKind;
  readonly namespace: string;
  readonly name: string;
  /** The row as JSON; undefined: it is gone. */
  readonly json: string | undefined;
}

/** Part of what happened, as the data of one event, and the place after it. */
export interface Part {
  /** Undefined: nothing that may be seen. */
  readonly data: string | undefined;
  readonly place: number;
}

/** Changes that a client may have missed and still get; after that it gets the whole again. */
const DEFAULT_JOURNAL = 20_000;

/** Above this, namespaces without a row are forgotten. */
const MAX_NAMESPACES = 1_000;

/**
 * All rows of the fleet, out of the watch caches, each kept as JSON that is made once for all clients, and a journal of
 * which rows changed. A client is a place in the journal: one that is slow skips what has changed again since, so
 * nothing is kept for it.
 */
export class FleetFeed {
  /** Tells the journal of this process from those of others. */
  readonly epoch = randomBytes(6).toString('hex');
  readonly #rows = { hosts: new Map<string, Entry>(), machines: new Map<string, Entry>() };
  readonly #gone = { hosts: new Map<string, Entry>(), machines: new Map<string, Entry>() };
  readonly #phases = new Map<string, { phase: MachinePhase; since: string }>();
  readonly #journal: (Entry | undefined)[];
  readonly #namespaces = new Map<string, number>();
  readonly #waiting = new Set<() => void>();
  readonly #ends: (() => void)[];
  #place = 0;

  constructor({ hosts, machines }: Pick<WebDependencies, 'hosts' | 'machines'>, journalSize = DEFAULT_JOURNAL) {
    this.#journal = new Array<Entry | undefined>(journalSize).fill(undefined);
    for (const host of hosts.list()) this.#put('hosts', host, JSON.stringify(visibleDocument(hostRow(host))));
    for (const machine of machines.list()) this.#put('machines', machine, this.#machineJson(machine, false));
    this.#ends = [
      hosts.onChange(({ type, object }) => {
        this.#put('hosts', object, type === 'deleted' ? undefined : JSON.stringify(visibleDocument(hostRow(object))));
      }),
      machines.onChange(({ type, object }) => {
        this.#put('machines', object, type === 'deleted' ? undefined : this.#machineJson(object, true));
        if (type === 'deleted') this.#phases.delete(keyOf(object.metadata));
      }),
    ];
  }

  stop(): void {
    for (const end of this.#ends) end();
    this.#wake();
  }

  /** The place after all that has happened. */
  get place(): number {
    return this.#place;
  }

  /** Since when a machine is in its phase, as its row says. */
  sinceOf(namespace: string, name: string): string | undefined {
    return this.#phases.get(`${namespace}/${name}`)?.since;
  }

  /** Where a row is now, then where one was: who may look there is told that it has gone. */
  get namespaces(): string[] {
    const [full, empty] = [true, false].map((isFull) => {
      return [...this.#namespaces].filter(([, count]) => count > 0 === isFull).map(([name]) => name);
    });
    return [...(full ?? []).sort(), ...(empty ?? [])];
  }

  /** The id of an event after which the journal continues at `place`; something may follow after a further `-`. */
  idOf(place: number): string {
    return `${this.epoch}-${place}`;
  }

  /** The place that an id names; undefined when the journal is another one, or no longer reaches back so far. */
  placeOf(id: string): number | undefined {
    const [epoch, digits = ''] = id.split('-');
    if (epoch !== this.epoch || !/^\d{1,15}$/.test(digits)) return undefined;
    const place = Number(digits);
    return this.reaches(place) ? place : undefined;
  }

  /** Whether everything after a place is still known. */
  reaches(place: number): boolean {
    return place <= this.#place && place >= this.#place - this.#journal.length;
  }

  /** What may be seen of the changes after `place`, at most `maxRows` of them. Only the last change of a row counts. */
  after(place: number, sees: Sees, maxRows: number): Part {
    const changed: Record<RowKind, string[]> = { hosts: [], machines: [] };
    const gone: Record<RowKind, string[]> = { hosts: [], machines: [] };
    let count = 0;
    let at = place;
    for (; at < this.#place && count < maxRows; at += 1) {
      const entry = this.#journal[at % this.#journal.length];
      if (entry === undefined || !this.#isLatest(entry) || !sees(entry.kind, entry.namespace)) continue;
      count += 1;
      const { kind, namespace, name, json } = entry;
      if (json === undefined) gone[kind].push(JSON.stringify({ namespace, name }));
      else changed[kind].push(json);
    }
    const fields = [
      ...field('hosts', changed.hosts),
      ...field('machines', changed.machines),
      ...field('goneHosts', gone.hosts),
      ...field('goneMachines', gone.machines),
    ];
    return { data: count === 0 ? undefined : `{${fields.join(',')}}`, place: at };
  }

  /**
   * Everything that may be seen, in parts of at most `maxRows` rows: the data of `snapshot` events. What changes
   * meanwhile comes after it.
   */
  *snapshot(sees: Sees, maxRows: number): Generator<string, void, void> {
    const keys = [
      ...[...this.#rows.hosts.keys()].map((key) => ['hosts', key] as const),
      ...[...this.#rows.machines.keys()].map((key) => ['machines', key] as const),
    ];
    let at = 0;
    do {
      const part: Record<RowKind, string[]> = { hosts: [], machines: [] };
      const isFirst = at === 0;
      for (let count = 0; at < keys.length && count < maxRows; at += 1) {
        const [kind, key] = keys[at] ?? ['hosts', ''];
        const entry = this.#rows[kind].get(key);
        if (entry?.json === undefined || !sees(kind, entry.namespace)) continue;
        part[kind].push(entry.json);
        count += 1;
      }
      const isLast = at >= keys.length;
      yield `{"hosts":[${part.hosts.join(',')}],"machines":[${part.machines.join(',')}],"isFirst":${isFirst},"isLast":${isLast}}`;
    } while (at < keys.length);
  }

  /** Resolves at the next change after `place`, or after `boundMs`, or when the signal aborts. */
  changed(place: number, boundMs: number, signal: AbortSignal): Promise<void> {
    if (this.#place > place || signal.aborted) return Promise.resolve();
    return new Promise((resolve) => {
      const end = () => {
        clearTimeout(timer);
        signal.removeEventListener('abort', end);
        this.#waiting.delete(end);
        resolve();
      };
      const timer = setTimeout(end, boundMs);
      signal.addEventListener('abort', end);
      this.#waiting.add(end);
    });
  }

  #put(
    kind: RowKind,
    { metadata }: { metadata: { namespace?: string; name: string } },
    json: string | undefined,
  ): void {
    const { namespace = '', name } = metadata;
    const key = keyOf(metadata);
    const entry: Entry = { kind, namespace, name, json };
    const isKnown = this.#rows[kind].has(key);
    if (json === undefined) {
      if (!isKnown) return;
      this.#rows[kind].delete(key);
      this.#gone[kind].set(key, entry);
      this.#count(namespace, -1);
    } else {
      this.#rows[kind].set(key, entry);
      this.#gone[kind].delete(key);
      if (!isKnown) this.#count(namespace, 1);
    }
    const slot = this.#place % this.#journal.length;
    const forgotten = this.#journal[slot];
    if (forgotten !== undefined && forgotten.json === undefined) {
      const goneKey = keyOf(forgotten);
      if (this.#gone[forgotten.kind].get(goneKey) === forgotten) this.#gone[forgotten.kind].delete(goneKey);
    }
    this.#journal[slot] = entry;
    this.#place += 1;
    this.#wake();
  }

  /** The time of a change of phase is when it was seen: the object does not tell it. */
  #machineJson(machine: Beskar7Machine, isLive: boolean): string {
    const row = machineRow(machine);
    const key = keyOf(machine.metadata);
    const known = this.#phases.get(key);
    const isSame = known?.phase === row.phase;
    const since = isSame ? known.since : known !== undefined && isLive ? new Date().toISOString() : row.since;
    if (!isSame) this.#phases.set(key, { phase: row.phase, since });
    return JSON.stringify(visibleDocument({ ...row, since }));
  }

  #isLatest(entry: Entry): boolean {
    const key = keyOf(entry);
    return (entry.json === undefined ? this.#gone : this.#rows)[entry.kind].get(key) === entry;
  }

  #count(namespace: string, by: number): void {
    this.#namespaces.set(namespace, (this.#namespaces.get(namespace) ?? 0) + by);
    if (this.#namespaces.size <= MAX_NAMESPACES) return;
    for (const [name, count] of this.#namespaces) if (count === 0) this.#namespaces.delete(name);
  }

  #wake(): void {
    for (const wake of [...this.#waiting]) wake();
  }
}

function keyOf({ namespace = '', name }: { namespace?: string; name: string }): string {
  return `${namespace}/${name}`;
}

function field(name: string, rows: readonly string[]): string[] {
  return rows.length === 0 ? [] : [`"${name}":[${rows.join(',')}]`];
}
